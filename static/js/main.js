import { html, render, signal, effect, useEffect, useErrorBoundary, useSignal } from './lib/ui.js';
import { route, match, go } from './lib/router.js';
import { session, get, post } from './lib/api.js';
import { connect, disconnect, link } from './lib/live.js';
import { Toasts, Confirm, toast } from './lib/notify.js';
import { Icon, Sheet, Empty, Loading } from './components/basic.js';
import { Login } from './pages/login.js';

const PAGES = [
  // pattern, module, nav key. Modules load when first visited.
  ['/campaigns', () => import('./pages/campaigns.js'), 'campaigns'],
  ['/campaigns/new', () => import('./pages/wizard.js'), 'campaigns'],
  ['/campaigns/:id/:tab?', () => import('./pages/campaign.js'), 'campaigns'],
  ['/live', () => import('./pages/live.js'), 'live'],
  ['/calls', () => import('./pages/calls.js'), 'calls'],
  ['/webhooks', () => import('./pages/webhooks.js'), 'webhooks'],
  ['/reference', () => import('./pages/reference.js'), 'reference'],
  ['/settings', () => import('./pages/settings.js'), 'settings'],
  ['/tokens', () => import('./pages/tokens.js'), 'tokens'],
  ['/dnc', () => import('./pages/dnc.js'), 'dnc'],
  ['/:other', () => import('./pages/placeholder.js'), ''],
];
const NAV = [
  ['campaigns', 'Campaigns', 'megaphone'],
  ['live', 'Live calls', 'radio'],
  ['calls', 'Call history', 'phone'],
  ['dnc', 'Do not call', 'ban'],
  null,
  ['webhooks', 'Webhooks', 'webhook'],
  ['tokens', 'API tokens', 'key-round'],
  ['reference', 'API reference', 'book-open'],
  ['settings', 'Settings', 'settings'],
];
import { stats } from './lib/store.js';
const help = signal(false),
  more = signal(false),
  active = signal({ key: '', mod: null, params: {}, error: null }),
  cache = new Map();

effect(() => {
  // route -> page module
  const { path } = route.value;
  if (!session.value) return;
  for (const [pat, load, nav] of PAGES) {
    const params = match(pat, path);
    if (!params) continue;
    const show = (mod) => {
      active.value = { key: pat + '|' + (params.id || ''), mod, params, nav: nav || path.slice(1) };
    };
    if (cache.has(pat)) return show(cache.get(pat));
    load()
      .then((m) => {
        cache.set(pat, m);
        if (route.peek().path === path) show(m);
      })
      .catch((error) => {
        active.value = { key: 'error', error, params, nav };
      });
    return;
  }
});
const theme = signal(document.documentElement.dataset.theme || 'system');
function setTheme(t) {
  theme.value = t;
  if (t === 'system') {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem('theme');
  } else {
    document.documentElement.dataset.theme = t;
    localStorage.setItem('theme', t);
  }
}
const ThemeButton = () => {
  const next = { system: 'light', light: 'dark', dark: 'system' }[theme.value];
  return html`<button
    class="btn ghost icon small"
    aria-label=${`Theme: ${theme.value}. Switch to ${next}`}
    title=${`Theme: ${theme.value}`}
    onClick=${() => setTheme(next)}
  >
    <${Icon} n=${{ system: 'monitor', light: 'sun', dark: 'moon' }[theme.value]} />
  </button>`;
};
const LinkState = () =>
  html`<span class="row" role="status"
    ><i
      class="dot"
      style=${`border-radius:99px; background:${link.value === 'live' ? 'var(--o-goal)' : 'var(--o-voicemail)'}`}
    ></i
    >${link.value === 'live' ? 'Live updates on' : 'Reconnecting…'}</span
  >`;
const Mode = () =>
  html`<a class="mode" href="#/settings"
    ><${Icon} n="flask-conical" /><span><strong>Simulator</strong>No real phone is called.</span></a
  >`;
const NavLinks = () =>
  NAV.map((n) =>
    n === null
      ? html`<div class="nav-head" key="h">Connect</div>`
      : html`<a
          key=${n[0]}
          class="nav-link"
          href=${'#/' + n[0]}
          aria-current=${active.value.nav === n[0] ? 'page' : undefined}
          onClick=${() => {
            more.value = false;
          }}
          ><${Icon}
            n=${n[2]}
          />${n[1]}${n[0] === 'live' && stats.value?.in_progress > 0 && html`<span class="count num" aria-label=${`${stats.value.in_progress} calls in progress`}>${stats.value.in_progress}</span>`}</a
        >`,
  );
async function signOut() {
  await post('/session/end').catch(() => {});
  session.value = null;
  disconnect();
}

function Boundary({ children, k }) {
  const [err, reset] = useErrorBoundary((e) => console.error(e));
  useEffect(() => {
    if (err) reset();
  }, [k]);
  return err
    ? html`<${Empty}
        icon="triangle-alert"
        title="This page ran into a problem"
        actions=${html`<button class="btn" onClick=${reset}>Try again</button><button class="btn ghost" onClick=${() => location.reload()}>Reload the app</button>`}
        >${err.message} Your data is safe; only the display stopped.<//
      >`
    : children;
}
function Shell() {
  const a = active.value,
    P = a.mod?.default,
    tab = (k, l, i, href) =>
      html`<a href=${href} aria-current=${a.nav === k ? 'page' : undefined}><${Icon} n=${i} c="l" />${l}</a>`;
  useEffect(() => {
    if (!P) return;
    document.title = (a.mod.title || 'Voice campaigns') + ' – Voice campaigns';
    const h = document.querySelector('main h1');
    if (h && Shell.seen) {
      h.tabIndex = -1;
      h.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    Shell.seen = true;
  }, [a.key]);
  return html`<div class="app">
    <button class="btn skip" onClick=${() => document.querySelector('main').focus()}>Skip to content</button>
    <aside class="side">
      <a class="brand" href="#/campaigns"><img src="favicon.svg" alt="" />Voice campaigns</a>
      <nav aria-label="Main"><${NavLinks} /></nav>
      <div class="side-foot">
        <${Mode} />
        <div class="side-status">
          <${LinkState} /><span class="row" style="gap:0"
            ><${ThemeButton} /><button
              class="btn ghost icon small"
              aria-label="Sign out"
              title="Sign out"
              onClick=${signOut}
            >
              <${Icon} n="log-out" /></button
          ></span>
        </div>
      </div>
    </aside>
    <main id="main" tabindex="-1">
      <${Boundary} k=${a.key}
        >${
          P
            ? html`<${P} key=${a.key} params=${a.params} />`
            : a.error
              ? html`<h1 class="vh">Problem</h1>
                  <${Empty}
                    icon="triangle-alert"
                    title="This page could not be loaded"
                    actions=${html`<button class="btn" onClick=${() => location.reload()}>Reload</button>`}
                    >The server cannot be reached, or it was updated while this page was open.<//
                  >`
              : html`<div class="page"><${Loading} /></div>`
        }<//
      >
    </main>
    <nav class="tabbar" aria-label="Main">
      ${tab('campaigns', 'Campaigns', 'megaphone', '#/campaigns')}${tab('live', 'Live', 'radio', '#/live')}${tab('calls', 'Calls', 'phone', '#/calls')}<button
        aria-haspopup="dialog"
        onClick=${() => {
          more.value = true;
        }}
      >
        <${Icon} n="menu" c="l" />More
      </button>
    </nav>
    ${
      more.value &&
      html`<${Sheet}
        title="Menu"
        bottom
        onClose=${() => {
          more.value = false;
        }}
        ><nav aria-label="All pages"><${NavLinks} /></nav>
        <${Mode} />
        <div class="side-status">
          <${LinkState} /><span class="row"
            ><${ThemeButton} /><button class="btn small" onClick=${signOut}>Sign out</button></span
          >
        </div><//
      >`
    }
  </div>`;
}
const App = () =>
  html`${session.value === undefined ? html`<div class="boot" role="status">Loading…</div>` : session.value ? html`<${Shell} />` : html`<${Login} />`}${
      help.value &&
      html`<${Sheet}
        title="Keyboard shortcuts"
        onClose=${() => {
          help.value = false;
        }}
        ><dl class="keys">
          ${[
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
          ].map(
            ([k, l]) =>
              html`<dt key=${k}>${k.split(' ').map((x) => html`<kbd key=${x}>${x}</kbd>`)}</dt>
                <dd>${l}</dd>`,
          )}
        </dl><//
      >`
    }<${Toasts} /><${Confirm} />`;

// Keyboard: "/" search, "n" new campaign, "g" then c/l/h to move around. Never while typing.
let g = 0;
addEventListener('keydown', (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest?.('input, textarea, select, dialog, [popover]')) return;
  if (Date.now() - g < 900) {
    const to = { c: '/campaigns', l: '/live', h: '/calls', w: '/webhooks', r: '/reference' }[e.key];
    g = 0;
    if (to) {
      go(to);
      e.preventDefault();
    }
    return;
  }
  if (e.key === 'g') g = Date.now();
  if (e.key === '?') help.value = true;
  if (e.key === 'n') {
    go('/campaigns/new');
    e.preventDefault();
  }
  if (e.key === '/') {
    const s = document.querySelector('[data-search]');
    if (s) {
      s.focus();
      e.preventDefault();
    }
  }
});
async function boot() {
  const m = location.hash.match(/^#token=(.+)$/); // first-run link: the fragment never reaches the server log
  if (m) {
    history.replaceState(null, '', location.pathname + '#/campaigns');
    route.value = { path: '/campaigns', query: {} };
    try {
      session.value = await post('/session', { token: decodeURIComponent(m[1]) });
    } catch (e) {
      session.value = null;
      toast(e.message, { kind: 'error' });
    }
  } else session.value = (await get('/session').catch(() => null)) || null;
}
effect(() => {
  if (session.value) connect();
});
render(html`<${App} />`, Object.assign(document.getElementById('app'), { textContent: '' }));
boot();
