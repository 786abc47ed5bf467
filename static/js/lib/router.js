// Hash router: works below any path of a reverse proxy and needs nothing of the server.
import { signal } from './ui.js';

const parse = () => {
  const [path, query = ''] = location.hash.slice(1).split('?');
  return { path: path || '/campaigns', query: Object.fromEntries(new URLSearchParams(query)) };
};

/** Where we are: `{path, query}`. */
export const route = signal(parse());

addEventListener('hashchange', () => {
  route.value = parse();
});

/** Goes to another page, `/campaigns/1`. */
export const go = (to) => {
  location.hash = to;
};

/** Changes parameters of this page without a step in the history; an empty value removes its parameter. */
export function setQuery(changes) {
  const query = { ...route.value.query, ...changes };
  for (const name in query) if (!query[name]) delete query[name];
  const text = new URLSearchParams(query).toString();
  history.replaceState(null, '', '#' + route.value.path + (text ? '?' + text : ''));
  route.value = parse();
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
