// The theme, set before the first paint: the system's, or the one chosen here.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem('weir-theme');
  } catch {
    // Storage may be switched off; the system's theme it is.
  }
  if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset.theme = chosen;
})();
