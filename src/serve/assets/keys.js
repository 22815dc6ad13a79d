// The keyboard: move, open, close, search, pages.

import { $ } from './dom.js';
import { leave } from './detail.js';
import { togglePause } from './events.js';
import { store } from './store.js';

const PAGES = ['overview', 'alerts', 'events', 'rules'];

/** Starts listening. */
export function keys() {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest('input, select, textarea, dialog[open]');
    if (event.key === 'Escape') {
      if (event.target.id === 'query') event.target.blur();
      else if (store.open) leave();
      return;
    }
    if (typing) return;
    const action = {
      j: () => move(1),
      k: () => move(-1),
      '/': () => $('query').select(),
      p: togglePause,
      '?': () => $('help').showModal(),
    }[event.key] ?? (PAGES[event.key - 1] && (() => (location.hash = `#${PAGES[event.key - 1]}`)));
    if (!action) return;
    event.preventDefault();
    action();
    if (event.key === '/') $('query').focus();
  });
}

/** Moves the focus through the list that the view is about; with the panel open, the next one opens. */
function move(by) {
  const selector = store.view === 'events' ? '#event-rows a' : store.view === 'rules' ? '#rule-rows a' : '#alert-list a';
  const links = [...document.querySelectorAll(selector)];
  if (!links.length) return;
  let at = links.indexOf(document.activeElement);
  if (at < 0) at = links.findIndex((link) => store.open && link.getAttribute('href') === `#${store.open}`);
  const next = links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + by))];
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: 'nearest' });
  if (store.open && store.view !== 'rules') next.click();
}
