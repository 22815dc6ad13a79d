// The page: pages by the address after #, the search box, the theme, the line to the server.

import { $, write } from './dom.js';
import { alerts, refilter } from './alerts.js';
import { chart } from './chart.js';
import { connect } from './connection.js';
import { closeDetail, detail, openDetail } from './detail.js';
import { events, leaveSearch, search } from './events.js';
import { keys } from './keys.js';
import { rules } from './rules.js';
import { changed, on, store } from './store.js';

const VIEWS = ['overview', 'alerts', 'events', 'rules'];
let unseen = 0;

function view(name) {
  store.view = name;
  document.body.dataset.view = name;
  for (const link of document.querySelectorAll('[data-page]')) {
    if (link.dataset.page === name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  changed('view');
}

function filterRule(rule) {
  if (store.rule === rule) return;
  store.rule = rule;
  refilter();
}

/** Goes where the address says. */
function route() {
  const [name, ...rest] = location.hash.slice(1).split('/');
  let value = rest.join('/');
  try {
    value = decodeURIComponent(value);
  } catch {
    // A broken address is taken as it stands.
  }
  if ((name === 'alert' || name === 'event') && value) {
    openDetail(`${name}/${value}`);
    return;
  }
  closeDetail();
  if (name === 'search' && value) {
    $('query').value = value;
    filterRule(null);
    view('events');
    if (store.results?.query !== value) search(value);
    return;
  }
  if (store.results) $('query').value = '';
  leaveSearch();
  filterRule(name === 'rule' && value ? value : null);
  view(name === 'rule' ? 'alerts' : VIEWS.includes(name) ? name : 'overview');
}

function drawTrouble() {
  const trouble = store.stats?.trouble;
  $('trouble').hidden = !trouble;
  write($('trouble'), trouble ?? '');
}

function title() {
  document.title = unseen ? `(${unseen}) weir` : 'weir';
}

function onAlert(alert, fresh) {
  if (!fresh || alert.standing !== 'current') return;
  if (alert.severity === 'critical' || alert.severity === 'high') write($('announce'), `New ${alert.severity} alert: ${alert.title}`);
  if (document.hidden) {
    unseen += 1;
    title();
  }
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  try {
    localStorage.setItem('weir-theme', root.dataset.theme);
  } catch {
    // It holds for this page, then.
  }
}

$('search').addEventListener('submit', (event) => {
  event.preventDefault();
  const query = $('query').value.trim();
  const target = query ? `#search/${encodeURIComponent(query)}` : '#events';
  if (location.hash === target && query) search(query);
  else location.hash = target;
  $('query').blur();
});
$('skip').addEventListener('click', (event) => {
  event.preventDefault();
  const lists = [...document.querySelectorAll('.panel .scroll')];
  lists.find((list) => list.checkVisibility())?.querySelector('a, button')?.focus();
});
$('theme').addEventListener('click', theme);
window.addEventListener('hashchange', route);
document.addEventListener('visibilitychange', () => {
  unseen = 0;
  title();
});

on('stats', drawTrouble);
chart();
alerts();
events();
rules();
detail();
keys();
view('overview');
route();
connect(onAlert);
