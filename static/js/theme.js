// Sets the theme before the first paint, so that nothing flashes. Blocking and tiny on purpose; a script of its own
// because the policy forbids inline ones.
try {
  const theme = localStorage.getItem('theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing for us shows the system's theme.
}
