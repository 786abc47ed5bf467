// Starts the page: signs in, follows the address, and draws the page it names inside the shell.
import { html, render, signal, effect, useEffect, useErrorBoundary } from './lib/ui.js';
import { isSignIn, match, route } from './lib/router.js';
import { readSession, session, signIn } from './lib/api.js';
import { connect, disconnect, link, on } from './lib/live.js';
import { Toasts, Confirm, fail } from './lib/notify.js';
import { loadOverview } from './lib/store.js';
import { Empty, Loading } from './components/basic.js';
import { Shell } from './components/shell.js';
import { Shortcuts } from './components/shortcuts.js';
import { Login } from './pages/login.js';

/** Pattern of the path, module of the page, and the entry of the navigation it belongs to. Modules load when first visited. */
const PAGES = [
  ['/campaigns', () => import('./pages/campaigns.js'), 'campaigns'],
  ['/campaigns/new', () => import('./pages/wizard.js'), 'campaigns'],
  ['/campaigns/:id/edit', () => import('./pages/wizard.js'), 'campaigns'],
  ['/campaigns/:id/:tab?', () => import('./pages/campaign.js'), 'campaigns'],
  ['/live', () => import('./pages/live.js'), 'live'],
  ['/calls', () => import('./pages/calls.js'), 'calls'],
  ['/webhooks', () => import('./pages/webhooks.js'), 'webhooks'],
  ['/reference', () => import('./pages/reference.js'), 'reference'],
  ['/settings', () => import('./pages/settings.js'), 'settings'],
  ['/tokens', () => import('./pages/tokens.js'), 'tokens'],
  ['/dnc', () => import('./pages/dnc.js'), 'dnc'],
  ['/:a?/:b?/:c?/:d?', () => import('./pages/not-found.js'), ''],
];

/** What is shown: `{key, module, params, nav}`, or `{key, isBroken}` when the module could not be loaded. */
const shown = signal({ key: '', nav: '' });
const loaded = new Map();

async function follow(path) {
  const found = PAGES.map(([pattern, load, nav]) => ({ params: match(pattern, path), pattern, load, nav }));
  const { params, pattern, load, nav } = found.find((page) => page.params) ?? found.at(-1);
  const key = `${pattern} ${params?.id ?? ''}`;
  try {
    if (!loaded.has(pattern)) loaded.set(pattern, await load());
  } catch {
    shown.value = { key: 'broken', nav, isBroken: true };
    return;
  }
  // Somebody may have gone elsewhere while the module was on its way.
  if (route.peek().path === path) shown.value = { key, module: loaded.get(pattern), params: params ?? {}, nav };
}

effect(() => {
  const { path } = route.value;
  if (session.value) follow(path);
});

// Browsers remember that a module could not be loaded, so a page that failed while the server was away takes a reload.
let wasLost = false;
effect(() => {
  if (link.value === 'lost') wasLost = true;
  if (link.value !== 'live') return;
  if (wasLost && shown.peek().isBroken) location.reload();
  wasLost = false;
});

effect(() => {
  if (session.value) {
    connect();
    loadOverview();
  } else disconnect();
});
// A token that was revoked ends its stream; a stream that cannot be opened may mean that the session has ended.
on('end', readSession);
on('closed', readSession);

function Page() {
  const { key, module, params, isBroken } = shown.value;
  useEffect(() => {
    if (module) arrive(module.title);
  }, [key]);
  if (isBroken) return html`<${Broken} />`;
  if (!module) return html`<div class="page"><${Loading} /></div>`;
  return html`<${Boundary} key=${key}><${module.default} params=${params} /><//>`;
}

let isFirst = true;
/** Names the page, and puts the focus on its heading, so that a screen reader says where we are. */
function arrive(title) {
  document.title = `${title} – Voice campaigns`;
  const heading = document.querySelector('main h1');
  if (heading && !isFirst) {
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  isFirst = false;
}

/** Keeps a mistake in one page from taking the whole page away. */
function Boundary({ children }) {
  const [error, reset] = useErrorBoundary((cause) => console.error(cause));
  if (!error) return children;
  const actions = html`<button class="btn" onClick=${reset}>Try again</button
    ><button class="btn ghost" onClick=${() => location.reload()}>Reload</button>`;
  return html`<div class="page">
    <h1 class="vh">Problem</h1>
    <${Empty} icon="triangle-alert" title="This page ran into a problem" actions=${actions}>
      ${error.message} Your data is safe; only the display stopped.
    <//>
  </div>`;
}

const Broken = () =>
  html`<div class="page">
    <h1 class="vh">Problem</h1>
    <${Empty}
      icon="triangle-alert"
      title="This page could not be loaded"
      actions=${html`<button class="btn" onClick=${() => location.reload()}>Reload</button>`}
    >
      The server cannot be reached, or it was updated while this page was open.
    <//>
  </div>`;

function App() {
  const inside =
    session.value === undefined
      ? html`<div class="boot" role="status">Loading…</div>`
      : session.value
        ? html`<${Shell} nav=${shown.value.nav}><${Page} /><//>`
        : html`<${Login} />`;
  return html`${inside}<${Shortcuts} /><${Toasts} /><${Confirm} />`;
}

async function boot() {
  // The link of the first start carries the token behind the #, which never reaches a log; it leaves the address bar
  // before anything is asked.
  const token = location.hash.match(/^#token=(.+)$/)?.[1];
  if (!token) return readSession();
  history.replaceState(null, '', location.pathname + '#/campaigns');
  route.value = { path: '/campaigns', query: {} };
  // Whoever was signed in before is not any more.
  session.value = undefined;
  try {
    await signIn(decodeURIComponent(token));
  } catch (error) {
    session.value = null;
    fail(error);
  }
}

const root = document.getElementById('app');
root.textContent = '';
render(html`<${App} />`, root);
boot();
// The link may be opened in a tab that shows the page already.
addEventListener('hashchange', () => isSignIn() && boot());
