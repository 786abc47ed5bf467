// The theme that was chosen: the system's, light or dark. Kept in the browser; js/theme.js reads it before the page.
import { signal } from './ui.js';

/** system, light or dark */
export const theme = signal(document.documentElement.dataset.theme || 'system');

export function setTheme(name) {
  theme.value = name;
  if (name === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  try {
    if (name === 'system') localStorage.removeItem('theme');
    else localStorage.setItem('theme', name);
  } catch {
    // It then lasts until the page is left.
  }
}
