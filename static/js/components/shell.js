// The frame of every page: navigation, carrier, live updates, theme, sign-out, and the banners when nobody is dialed.
import { html, signal } from '../lib/ui.js';
import { canWrite, create, get, isAdmin, session, signOut } from '../lib/api.js';
import { link, missedSince } from '../lib/live.js';
import { ago, clock, plural, sentence } from '../lib/format.js';
import { confirm, fail, toast } from '../lib/notify.js';
import { loadOverview, overview } from '../lib/store.js';
import { setTheme, theme } from '../lib/theme.js';
import { ActionButton, Icon, Sheet } from './basic.js';

/** Key of a page, its name, its icon, and whether only admins may use it. */
const NAV = [
  ['campaigns', 'Campaigns', 'megaphone'],
  ['live', 'Live calls', 'radio'],
  ['calls', 'Call history', 'phone'],
  ['dnc', 'Do not call', 'ban'],
  null,
  ['webhooks', 'Webhooks', 'webhook'],
  ['tokens', 'API tokens', 'key-round', true],
  ['reference', 'API reference', 'book-open'],
  ['settings', 'Settings', 'settings', true],
];

const isMenuOpen = signal(false);
const closeMenu = () => {
  isMenuOpen.value = false;
};

/** @param {{nav: string, children: any}} props `nav` is the key of the page that is shown */
export function Shell({ nav, children }) {
  return html`<div class="app">
    <button class="btn skip" onClick=${() => document.querySelector('main').focus()}>Skip to content</button>
    <aside class="side">
      <a class="brand" href="#/campaigns"><img src="favicon.svg" alt="" />Voice campaigns</a>
      <nav aria-label="Main"><${NavLinks} nav=${nav} /></nav>
      <div class="side-foot"><${Carrier} /><${Foot} /></div>
    </aside>
    <main id="main" tabindex="-1"><${LostBanner} /><${StoppedBanner} /><${WakeUpBanner} />${children}</main>
    <${TabBar} nav=${nav} />
    ${isMenuOpen.value && html`<${MenuSheet} nav=${nav} />`}
  </div>`;
}

function NavLinks({ nav }) {
  const entries = NAV.filter((entry) => !entry?.[3] || isAdmin.value);
  return entries.map((entry) =>
    entry
      ? html`<a
          key=${entry[0]}
          class="nav-link"
          href=${'#/' + entry[0]}
          aria-current=${nav === entry[0] ? 'page' : undefined}
          onClick=${closeMenu}
          ><${Icon} n=${entry[2]} />${entry[1]}${entry[0] === 'live' && html`<${LiveCount} />`}</a
        >`
      : html`<div class="nav-head" key="connect">Connect</div>`,
  );
}

function LiveCount() {
  const count = overview.value?.in_progress_calls;
  return count > 0 && html`<span class="count num" aria-label=${`${count} in progress`}>${count}</span>`;
}

/** Whether a phone can ring is always in sight. */
function Carrier() {
  const carrier = overview.value?.carrier;
  if (!carrier) return null;
  const inside = carrier.real_calls
    ? html`<${Icon} n="phone-call" /><span><strong>Real calls</strong>Phones ring and people answer.</span>`
    : html`<${Icon} n="flask-conical" /><span><strong>Simulator</strong>No real phone is called.</span>`;
  return isAdmin.value
    ? html`<a class="mode" href="#/settings" onClick=${closeMenu}>${inside}</a>`
    : html`<div class="mode">${inside}</div>`;
}

function Foot() {
  return html`<div class="side-status">
    <${LinkState} />
    <span class="row" style="gap:0">
      <${ThemeButton} />
      <button
        class="btn ghost icon small"
        aria-label=${`Sign out ${session.value?.name ?? ''}`}
        title="Sign out"
        onClick=${signOut}
      >
        <${Icon} n="log-out" />
      </button>
    </span>
  </div>`;
}

function LinkState() {
  const [colour, words] = {
    live: ['var(--o-success)', 'Live updates on'],
    connecting: ['var(--o-no_answer)', 'Connecting…'],
    lost: ['var(--o-voicemail)', 'Reconnecting…'],
  }[link.value];
  return html`<span class="row" role="status"
    ><i class="dot" style=${`border-radius:99px; background:${colour}`}></i>${words}</span
  >`;
}

function ThemeButton() {
  const next = { system: 'light', light: 'dark', dark: 'system' }[theme.value];
  return html`<button
    class="btn ghost icon small"
    aria-label=${`Theme: ${theme.value}. Switch to ${next}`}
    title=${`Theme: ${theme.value}`}
    onClick=${() => setTheme(next)}
  >
    <${Icon} n=${{ system: 'monitor', light: 'sun', dark: 'moon' }[theme.value]} />
  </button>`;
}

/** The bar at the bottom of narrow screens. */
function TabBar({ nav }) {
  const tab = (key, label, icon) =>
    html`<a href=${'#/' + key} aria-current=${nav === key ? 'page' : undefined}
      ><${Icon} n=${icon} c="l" />${label}</a
    >`;
  return html`<nav class="tabbar" aria-label="Main">
    ${tab('campaigns', 'Campaigns', 'megaphone')}${tab('live', 'Live', 'radio')}${tab('calls', 'Calls', 'phone')}
    <button aria-haspopup="dialog" onClick=${() => (isMenuOpen.value = true)}><${Icon} n="menu" c="l" />More</button>
  </nav>`;
}

const MenuSheet = ({ nav }) =>
  html`<${Sheet} title="Menu" bottom onClose=${closeMenu}>
    <nav aria-label="All pages"><${NavLinks} nav=${nav} /></nav>
    <${Carrier} /><${Foot} />
  <//>`;

/** Says on every page that what it shows may not be so any more. */
function LostBanner() {
  if (missedSince.value === null) return null;
  return html`<div class="stopped" role="status">
    <div class="grow">
      <strong>The server cannot be reached.</strong> What is shown here is as it was at ${clock(missedSince.value)}. It
      goes on by itself when the server is back.
    </div>
  </div>`;
}

/** Says on every page that nothing is dialed, and lets it go on. */
function StoppedBanner() {
  const dialing = overview.value?.dialing;
  if (!dialing?.stopped) return null;
  const { by, since, reason } = dialing;
  const words = ` By ${by}, ${ago(since)}.${reason ? ` ${reason}` : ''}`;
  return html`<div class="stopped" role="status">
    <${Icon} n="phone-off" />
    <div class="grow"><strong>All calling is stopped.</strong>${words}</div>
    ${canWrite.value && html`<${ActionButton} class="btn small" icon="play" run=${startDialing}>Let calling go on<//>`}
  </div>`;
}

/** Says on every page that a server that was away, or works on a copy, waits for somebody to look. */
function WakeUpBanner() {
  if (!overview.value?.dialing.woke_up) return null;
  return html`<div class="stopped" role="status">
    <${Icon} n="phone-off" />
    <div class="grow">
      <strong>Nobody is called before somebody has looked.</strong> The server was away for long, its clock was put
      forward, or its data are a copy.
    </div>
    ${canWrite.value && html`<${ActionButton} class="btn small" icon="play" run=${wakeUp}>Look, then let go on<//>`}
  </div>`;
}

/** Shows whom the server would dial within the next hour, and lets it. */
async function wakeUp() {
  try {
    const { message, last_seen_at, leads_next_hour, campaigns } = await get('/wake-up');
    const due = campaigns.filter(({ next_hour }) => next_hour.leads > 0);
    const isSure = await confirm({
      title: 'Let calling go on?',
      ok: 'Let it go on',
      danger: true,
      body: html`<p>${sentence(message)}${last_seen_at ? ` It was last at work ${ago(last_seen_at)}.` : ''}</p>
        <p>
          ${leads_next_hour ? `${plural(leads_next_hour, 'person', 'people')} may be called within the next hour:` : 'Nobody is due within the next hour.'}
        </p>
        <ul>
          ${due.map(({ id, name, next_hour }) => html`<li key=${id}>${name}: ${next_hour.leads}</li>`)}
        </ul>`,
    });
    if (!isSure) return;
    await create('/wake-up/release');
    await loadOverview();
    toast('Calling goes on, campaign by campaign, within their hours.');
  } catch (error) {
    fail(error);
  }
}

export async function startDialing() {
  try {
    await create('/dialing/start');
    await loadOverview();
    toast('Calling goes on, campaign by campaign, within their hours.');
  } catch (error) {
    fail(error);
  }
}

/** The emergency stop, for menus. */
export async function stopDialing() {
  const alive = overview.value?.in_progress_calls ?? 0;
  const hangUp = signal(false);
  const words = alive === 1 ? 'Also end the call in progress' : `Also end the ${plural(alive, 'call')} in progress`;
  const endThem = html`<label class="check"
    ><input type="checkbox" onChange=${(event) => (hangUp.value = event.currentTarget.checked)} /><span
      >${words}</span
    ></label
  >`;
  const isSure = await confirm({
    title: 'Stop all calling?',
    ok: 'Stop all calling',
    danger: true,
    body: html`<div class="stack-s">
      <p>
        No campaign dials anybody until calling is started
        again.${alive > 0 && ` ${plural(alive, 'call')} in progress may finish.`}
      </p>
      ${alive > 0 && endThem}
    </div>`,
  });
  if (!isSure) return;
  try {
    await create('/dialing/stop', { reason: 'Stopped on the admin page', hang_up: hangUp.value });
    await loadOverview();
    toast(hangUp.value ? 'All calling is stopped. Calls in progress are being ended.' : 'All calling is stopped.', {
      action: 'Undo',
      onAction: startDialing,
    });
  } catch (error) {
    fail(error);
  }
}
