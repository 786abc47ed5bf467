// Blocking and tiny on purpose: sets the theme before first paint (no inline script: strict CSP).
try {
  const t = localStorage.getItem('theme');
  if (t === 'light' || t === 'dark') document.documentElement.dataset.theme = t;
} catch {}
