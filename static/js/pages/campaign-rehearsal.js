// The Rehearsal tab of a campaign: play it before anybody is called, try other settings, compare, and apply what is better.
import { html, useEffect, useRef, useSignal } from '../lib/ui.js';
import { ask, canWrite, del, get, post, put, useResource } from '../lib/api.js';
import { useLive } from '../lib/live.js';
import { route, setQuery } from '../lib/router.js';
import { ago, pct, sentence } from '../lib/format.js';
import { confirm, fail, toast } from '../lib/notify.js';
import { changesOf, differences, finishWords, titleOf, TRIED } from '../lib/rehearsal.js';
import { ActionButton, Card, Empty, Loading, Note, Problem } from '../components/basic.js';
import { RehearsalForm } from './rehearsal-form.js';
import { Result } from './rehearsal-result.js';
import { Pair } from './rehearsal-pair.js';
import { Suggestions } from './rehearsal-suggestions.js';

/** How often one that waits or is played is looked at. */
const LOOK_MS = 1000;
/** So many are listed before all are asked for. */
const LISTED = 6;

const STATES = { queued: 'Waits for its turn', running: 'Being played', failed: 'Failed', canceled: 'Canceled' };
const isPending = ({ status }) => ['queued', 'running'].includes(status);
const isDone = ({ status }) => status === 'done';

export function CampaignRehearsal({ campaign, onChange }) {
  const { id } = campaign;
  const path = `/voice-campaigns/${id}/rehearsals`;
  const { items, error, reload } = useRehearsals(path);
  if (campaign.campaign_type === 'inbound') {
    return html`<div class="card">
      <${Empty} icon="phone" title="There is nothing to rehearse">
        This campaign takes calls and places none, so it has no end and no forecast.
      <//>
    </div>`;
  }
  const rehearse = async (assumed, changes) => {
    // What may be refused comes first, so that nothing is left alone.
    const changed = Object.keys(changes).length > 0;
    const made = await post(path, changed ? { ...assumed, changes } : assumed);
    const beside = changed ? await post(path, assumed) : null;
    setQuery({ r: String(made.id), with: beside ? String(beside.id) : '' });
    await reload();
  };
  const tryOut = (changes) => rehearse({}, changes).catch(fail);
  const settings = JSON.stringify(TRIED.map((field) => campaign[field]));
  return html`<div class="grid">
    ${canWrite.value && html`<${RehearsalForm} key=${settings} campaign=${campaign} rehearse=${rehearse} />`}
    <div class="c8 stack column">
      ${
        error
          ? html`<${Problem} error=${error} retry=${reload} />`
          : items
            ? html`<${Shown} items=${items} campaign=${campaign} path=${path} reload=${reload} onChange=${onChange} />`
            : html`<${Loading} rows=${2} h=${140} />`
      }
    </div>
    <div class="c4 stack column">
      ${items?.length > 0 && html`<${Kept} items=${items} campaign=${campaign} />`}
      <${Suggestions} campaign=${campaign} tryOut=${tryOut} />
    </div>
  </div>`;
}

/** Those that are kept, newest first. There are no events of them, so those that are not over are looked at. */
function useRehearsals(path) {
  const [resource, reload] = useResource(path, (options) => get(path, options));
  const { data: items, error } = resource.value;
  const waiting = items?.filter(isPending).map(({ id }) => id) ?? [];
  useLive({ resync: reload });
  useEffect(() => {
    if (!waiting.length) return undefined;
    const asked = new AbortController();
    const look = async (id) => {
      try {
        return await get(`${path}/${id}`, { signal: asked.signal });
      } catch (problem) {
        // Somebody else has deleted it.
        if (problem.status === 404) return null;
        throw problem;
      }
    };
    const lookAgain = async () => {
      if (document.hidden) return;
      const seen = await Promise.all(waiting.map(look)).catch(() => []);
      const { data } = resource.peek();
      if (asked.signal.aborted || !data) return;
      const now = new Map(waiting.map((id, i) => [id, seen[i]]));
      const items = data.map((one) => (now.get(one.id) === undefined ? one : now.get(one.id))).filter(Boolean);
      resource.value = { ...resource.peek(), data: items };
    };
    const timer = setInterval(lookAgain, LOOK_MS);
    return () => {
      clearInterval(timer);
      asked.abort();
    };
  }, [path, waiting.join()]);
  return { items, error, reload };
}

/** The one that is looked at, the newest unless another one is chosen, and the one beside it. */
function Shown({ items, campaign, path, reload, onChange }) {
  const { r, with: other } = route.value.query;
  const shown = items.find(({ id }) => String(id) === r) ?? items[0];
  const beside = items.find(({ id }) => String(id) === other && id !== shown.id);
  const isFirst = useRef(true);
  useEffect(() => {
    // Whoever asks for one, or chooses another one in the list, is brought to it.
    if (!isFirst.current) document.getElementById('rehearsal-shown')?.focus();
    isFirst.current = false;
  }, [shown?.id, beside?.id]);
  if (!shown) {
    return html`<div class="card">
      <${Empty} icon="flask-conical" title="Not rehearsed yet">
        A rehearsal says when this campaign finishes, what it costs, what holds it up and who is never called.
      <//>
    </div>`;
  }
  const isPair = beside && isDone(beside) && isDone(shown);
  return html`<${Head}
      items=${items}
      shown=${shown}
      beside=${beside}
      campaign=${campaign}
      path=${path}
      reload=${reload}
      onChange=${onChange}
    />
    ${
      isPair
        ? html`<${Pair} first=${beside} second=${shown} campaign=${campaign} />`
        : isDone(shown) && !(beside && isPending(beside))
          ? html`<${Result} key=${shown.id} result=${shown.result} campaign=${campaign} />`
          : null
    }`;
}

function Head({ items, shown, beside, campaign, path, reload, onChange }) {
  const both = beside ? [beside, shown] : [shown];
  const others = items.filter((one) => isDone(one) && one.id !== shown.id);
  const isOver = !both.some(isPending);
  const changed = both.filter((one) => isOver && isDone(one) && Object.keys(changesOf(one)).length > 0);
  const applied = changed.at(-1);
  const drop = async () => {
    const isSure = await confirm({
      title: 'Delete this rehearsal?',
      ok: 'Delete',
      danger: true,
      body: `“${titleOf(shown)}” and what came of it are removed. The campaign stays as it is.`,
    });
    if (isSure) await remove(`${path}/${shown.id}`, 'Rehearsal deleted.', reload);
  };
  return html`<section class="card rehearsal-head" aria-labelledby="rehearsal-shown">
    <div class="row wrap">
      <div class="grow">
        <h2 id="rehearsal-shown" tabindex="-1">
          ${beside ? `${titleOf(beside)} beside “${titleOf(shown)}”` : titleOf(shown)}
        </h2>
        <p class="small muted">Rehearsed ${ago(shown.made_at)} by ${shown.made_by}</p>
      </div>
      ${
        canWrite.value &&
        html`<div class="row wrap">
          ${
            applied &&
            campaign.status !== 'completed' &&
            html`<${ActionButton}
              class="btn primary small"
              icon="check"
              run=${() => apply(applied, campaign, onChange)}
            >
              ${changed.length > 1 ? 'Apply those on the right…' : 'Apply these settings…'}
            <//>`
          }
          ${!isPending(shown) && html`<${ActionButton} class="btn ghost small danger" icon="trash-2" run=${drop}>Delete…<//>`}
        </div>`
      }
    </div>
    <span class="vh" role="status"
      >${both.map((one) => `${titleOf(one)}: ${stateWords(one, campaign)}`).join('. ')}</span
    >
    ${both.filter((one) => !isDone(one)).map((one) => html`<${NotDone} key=${one.id} one=${one} path=${path} reload=${reload} />`)}
    ${others.length > 0 && isDone(shown) && html`<${Beside} others=${others} beside=${beside} />`}
  </section>`;
}

/** Which other one is shown beside it. */
const Beside = ({ others, beside }) =>
  html`<div class="row wrap">
    <label class="small" for="rehearsal-beside">Compare with</label>
    <select
      class="input auto"
      id="rehearsal-beside"
      onChange=${(event) => setQuery({ with: event.currentTarget.value })}
    >
      <option value="" selected=${!beside}>Nothing</option>
      ${others.map(
        (one) =>
          html`<option key=${one.id} value=${one.id} selected=${one.id === beside?.id}>
            ${titleOf(one)} (no. ${one.id}, ${ago(one.made_at)})
          </option>`,
      )}
    </select>
  </div>`;

const stateWords = (one, campaign) =>
  isDone(one)
    ? `${one.result.finishes_at ? 'Finishes ' : ''}${finishWords(one.result, campaign.time_zone)}`
    : STATES[one.status];

async function remove(path, said, reload) {
  try {
    await del(path);
    toast(said);
  } catch (error) {
    fail(error, reload);
  }
  await reload();
}

/** One without a result: how far it is, or why there is none. */
function NotDone({ one, path, reload }) {
  const { id, status, progress, error } = one;
  if (status === 'failed') {
    return html`<${Note} kind="danger" icon="triangle-alert"
      ><strong>“${titleOf(one)}” could not be played.</strong> ${sentence(error)}<//
    >`;
  }
  if (status === 'canceled')
    return html`<${Note} icon="ban">“${titleOf(one)}” was canceled before it came to its end.<//>`;
  const cancel = () => remove(`${path}/${id}`, 'Rehearsal canceled.', reload);
  return html`<div class="row wrap">
    <span class="small grow">${titleOf(one)}: ${STATES[status]}</span>
    <span class="small num">${status === 'running' && pct(progress)}</span>
    ${canWrite.value && html`<${ActionButton} class="btn small" icon="x" run=${cancel}>Cancel<//>`}
    <div
      class="bar full"
      role="progressbar"
      aria-label=${`Rehearsal: ${titleOf(one)}`}
      aria-valuemin="0"
      aria-valuemax="100"
      aria-valuenow=${Math.round(progress * 100)}
    >
      <i class="fill" style=${`flex: 0 0 ${progress * 100}%`}></i>
    </div>
  </div>`;
}

/** Writes the settings that a rehearsal was played with, after it was said what changes. */
async function apply(rehearsal, { id, name }, onChange) {
  try {
    const { data: now, etag } = await ask('GET', `/voice-campaigns/${id}`);
    const changes = changesOf(rehearsal);
    const rows = differences(changes, now);
    if (!rows.length) return toast('These are its settings already.');
    const isSure = await confirm({
      title: `Change “${name}”?`,
      ok: 'Apply these settings',
      body: html`<ul class="stack-s">
          ${rows.map(({ field, label, from, to }) => html`<li key=${field}>${label}: <b class="strong">${to}</b> instead of ${from}</li>`)}
        </ul>
        ${now.status === 'active' && html`<p>It is active: this applies from the next call on.</p>`}`,
    });
    if (!isSure) return undefined;
    await put(`/voice-campaigns/${id}`, changes, { ifMatch: etag });
    toast('The settings are applied.');
  } catch (error) {
    fail(error, onChange);
  }
  return onChange();
}

/** All that are kept. */
function Kept({ items, campaign }) {
  const isAll = useSignal(false);
  const { r, with: other } = route.value.query;
  const current = items.find(({ id }) => String(id) === r)?.id ?? items[0].id;
  const listed = isAll.value ? items : items.slice(0, LISTED);
  const line = (one) =>
    html`<li key=${one.id}>
      <a
        href=${`#/campaigns/${campaign.id}/rehearsal?r=${one.id}`}
        aria-current=${one.id === current || String(one.id) === other ? 'true' : undefined}
      >
        <b class="strong">${titleOf(one)}</b>
        <span class="small">${stateWords(one, campaign)}</span>
        <span class="small muted">No. ${one.id}, ${ago(one.made_at)}, ${one.made_by}</span>
      </a>
    </li>`;
  const more = html`<button class="btn ghost small" onClick=${() => (isAll.value = true)}>
    Show all ${items.length}
  </button>`;
  return html`<${Card} title="Rehearsals" sub="The newest 50 are kept" flush>
    <ul class="kept">
      ${listed.map(line)}
    </ul>
    ${listed.length < items.length && html`<div class="padded">${more}</div>`}
  <//>`;
}
