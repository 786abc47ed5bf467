// Keyboard shortcuts, and the list of them that "?" shows. Never while somebody types or a dialog is open.
import { html, signal } from '../lib/ui.js';
import { go } from '../lib/router.js';
import { canWrite, session } from '../lib/api.js';
import { Sheet } from './basic.js';

const PLACES = { c: '/campaigns', l: '/live', h: '/calls', w: '/webhooks', r: '/reference' };
const KEYS = [
  ['/', 'Search on this page'],
  ['n', 'New campaign'],
  ['g c', 'Go to campaigns'],
  ['g l', 'Go to live calls'],
  ['g h', 'Go to call history'],
  ['g w', 'Go to webhooks'],
  ['g r', 'Go to the API reference'],
  ['← →', 'Read a chart column by column'],
  ['Esc', 'Close what is open'],
  ['?', 'Show this list'],
];
/** The second key of a pair must follow the first within so many milliseconds. */
const PAIR_MS = 900;

const isListOpen = signal(false);
let goPressedAt = 0;

const ACTIONS = {
  g: () => {
    goPressedAt = Date.now();
  },
  n: () => canWrite.value && go('/campaigns/new'),
  '/': () => document.querySelector('[data-search]')?.focus(),
  '?': () => {
    isListOpen.value = true;
  },
};

function onKeyDown(event) {
  if (!session.value || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.('input, textarea, select, dialog, [popover]')) return;
  const isSecond = Date.now() - goPressedAt < PAIR_MS;
  goPressedAt = 0;
  const place = isSecond && PLACES[event.key];
  const act = place ? () => go(place) : !isSecond && ACTIONS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}
addEventListener('keydown', onKeyDown);

export function Shortcuts() {
  if (!isListOpen.value) return null;
  const close = () => {
    isListOpen.value = false;
  };
  return html`<${Sheet} title="Keyboard shortcuts" onClose=${close}>
    <dl class="keys">
      ${KEYS.map(
        ([keys, words]) =>
          html`<dt key=${keys}>${keys.split(' ').map((key) => html`<kbd key=${key}>${key}</kbd>`)}</dt>
            <dd>${words}</dd>`,
      )}
    </dl>
  <//>`;
}
