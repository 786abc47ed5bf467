// Hash router: works below any path of a reverse proxy and needs nothing of the server.
import { signal } from './ui.js';

const parse = () => {
  const [path, query = ''] = location.hash.slice(1).split('?');
  return { path: path || '/campaigns', query: Object.fromEntries(new URLSearchParams(query)) };
};

/** Where we are: `{path, query}`. */
export const route = signal(parse());

/** A link to sign in with is no place. */
export const isSignIn = () => location.hash.startsWith('#token=');

let guard = null;
/**
 * Has somebody asked before another page is gone to; `null` lets everybody go.
 * @param {{isLost: () => boolean, isFree: () => Promise<boolean>}|null} question whether something is lost, and whether it may be
 */
export const guardLeaving = (question) => {
  guard = question;
};

const addressOf = ({ path, query }) => {
  const text = new URLSearchParams(query).toString();
  return '#' + path + (text ? '?' + text : '');
};

addEventListener('hashchange', () => {
  if (isSignIn()) return;
  const to = parse();
  if (to.path !== route.value.path && guard?.isLost()) {
    const { hash } = location;
    history.replaceState(history.state, '', addressOf(route.value));
    guard.isFree().then((isFree) => {
      if (!isFree) return;
      guard = null;
      location.hash = hash;
    });
    return;
  }
  route.value = to;
});

/** Goes to another page, `/campaigns/1`. */
export const go = (to) => {
  location.hash = to;
};

/** The same in the place of this page, which Back does not come to again. */
export function goInstead(to) {
  history.replaceState(null, '', '#' + to);
  route.value = parse();
}

/** The address of this page with other parameters; an empty value removes its parameter. */
function withChanges(changes) {
  const query = { ...route.value.query, ...changes };
  for (const name in query) if (!query[name]) delete query[name];
  return addressOf({ path: route.value.path, query });
}

/** Changes parameters of this page without a step in the history. */
export function setQuery(changes) {
  history.replaceState(history.state, '', withChanges(changes));
  route.value = parse();
}

/** Changes parameters of this page with a step in the history, so that Back undoes it. */
export function pushQuery(changes, state = null) {
  history.pushState(state, '', withChanges(changes));
  route.value = parse();
}

/** Opens a sheet by its parameter; Back closes it. */
export const openSheet = (changes) => pushQuery(changes, { isSheet: true });

/** Closes it: by going back to where it was opened, where that was on this page. */
export function closeSheet(name) {
  if (history.state?.isSheet) history.back();
  else setQuery({ [name]: '' });
}

/** The parts of a path that a pattern such as `/campaigns/:id/:tab?` names, or null. */
export function match(pattern, path) {
  const wanted = pattern.split('/');
  const given = path.split('/');
  const params = {};
  if (given.length > wanted.length) return null;
  for (let i = 0; i < wanted.length; i++) {
    const isName = wanted[i][0] === ':';
    const isOptional = wanted[i].endsWith('?');
    if (!isName) {
      if (wanted[i] !== given[i]) return null;
    } else if (given[i]) {
      params[wanted[i].replace(/^:|\?$/g, '')] = decoded(given[i]);
    } else if (!isOptional) {
      return null;
    }
  }
  return params;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
