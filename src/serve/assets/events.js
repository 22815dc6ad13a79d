// The table of events: the live tail, or what a search found.

import { $, api, command, h, place, write } from './dom.js';
import { plural, terms, text, time, utc } from './format.js';
import { changed, on, store } from './store.js';

const ROWS = 60;
const ROWS_IN_VIEW = 200;

const rows = new Map();
let held = false;
let asked = 0;

/** Starts drawing. */
export function events() {
  on('events results view open', draw);
  on('stats', drawNote);
  const body = $('event-rows');
  // Rows that move away under the pointer cannot be clicked.
  body.addEventListener('pointerenter', (event) => hold(event.pointerType === 'mouse'));
  body.addEventListener('pointerleave', () => hold(false));
  body.addEventListener('click', (event) => {
    const row = event.target.closest('tr');
    if (row && !getSelection()?.toString()) row.querySelector('a')?.click();
  });
  $('pause').addEventListener('click', togglePause);
  $('live').addEventListener('click', () => (location.hash = '#events'));
  $('range').addEventListener('change', () => store.results && search(store.results.query));
}

function hold(on) {
  held = on;
  if (!on) changed('events');
}

/** Stops and starts the live tail. */
export function togglePause() {
  store.paused = !store.paused;
  held = false;
  $('pause').setAttribute('aria-pressed', store.paused);
  write($('pause'), store.paused ? 'Resume' : 'Pause');
  changed('events');
}

/** The event of this id, if the page has it. */
export function known(id) {
  return [...(store.results?.events ?? []), ...store.events].find((e) => e['event.id'] === id);
}

/** Asks the archive. */
export async function search(query) {
  const turn = (asked += 1);
  store.results = { query, events: [], busy: true };
  changed('results');
  const params = terms(query);
  const range = $('range').value;
  if (range) params.set('from', range);
  params.set('limit', ROWS_IN_VIEW);
  let results;
  try {
    results = { query, events: (await api(`search?${params}`)).events };
  } catch (error) {
    results = { query, events: [], error: error.message };
  }
  if (turn !== asked) return;
  store.results = results;
  changed('results');
}

/** Back to the live tail. */
export function leaveSearch() {
  asked += 1;
  if (!store.results) return;
  store.results = null;
  changed('results');
}

function draw() {
  const { results } = store;
  if (!results && (store.paused || held) && rows.size) {
    markOpen();
    drawNote();
    return;
  }
  const most = store.view === 'events' ? ROWS_IN_VIEW : ROWS;
  const list = (results ? results.events : store.events).slice(0, most);
  const nodes = list.map((event) => {
    const id = event['event.id'];
    if (!rows.has(id)) rows.set(id, row(event));
    return rows.get(id);
  });
  const kept = new Set(list.map((e) => e['event.id']));
  for (const id of rows.keys()) if (!kept.has(id)) rows.delete(id);
  place($('event-rows'), nodes);
  markOpen();
  write($('events-title'), results ? 'Search results' : store.view === 'events' ? 'Live events' : 'Latest events');
  $('pause').hidden = !!results;
  $('live').hidden = !results;
  $('range-label').hidden = !results;
  $('events-scroll').classList.toggle('bare', !list.length);
  $('events-empty').replaceChildren(...(list.length ? [] : [empty()]));
  drawNote();
}

function markOpen() {
  for (const [id, node] of rows) node.toggleAttribute('aria-current', store.open === `event/${id}`);
}

function drawNote() {
  const { results, stats } = store;
  let note = '';
  if (results) note = results.busy ? 'searching …' : results.error ? '' : `${plural(results.events.length, 'event')}${results.events.length >= ROWS_IN_VIEW ? ', the newest' : ''}`;
  else if (store.paused) note = 'paused';
  else if (held) note = 'holding still under the pointer';
  else if (stats?.sampled) note = 'a sample: more come in than anybody can read';
  write($('events-note'), note);
}

function empty() {
  const { results } = store;
  if (results?.busy) return h('p', { class: 'empty' }, 'Searching …');
  if (results?.error) return h('div', { class: 'empty' }, h('h3', {}, 'The search did not work'), h('p', { class: 'wrong' }, results.error));
  if (results) {
    return h('div', { class: 'empty' }, h('h3', {}, 'Nothing found'), h('p', {}, 'Fields are written like ', h('code', {}, 'user.name:root'), ', other words are looked for in the message.'));
  }
  if (!store.loaded) return h('p', { class: 'empty' }, 'Reading …');
  return h('div', { class: 'empty' },
    h('h3', {}, 'No events yet'),
    h('p', {}, 'Point weir at a log:'), command('weir run --file /var/log/auth.log'),
    h('p', {}, 'or post one event:'), command(`curl -d '{"message":"hello"}' ${location.origin}/api/v1/events`),
    h('p', {}, 'or watch it work on made-up attacks:'), command('weir demo'));
}

/** The time, its fraction apart: the narrow table leaves it out. */
function clock(at) {
  const [, whole, fraction] = /^(.*?)(\.\d+)?$/.exec(time(at, true));
  return [whole, h('span', { class: 'fraction' }, fraction ?? '')];
}

function row(event) {
  const cell = (cls, ...children) => h('td', { class: cls }, ...children);
  const at = event['@timestamp'];
  return h('tr', {},
    cell('time', h('a', { href: `#event/${event['event.id']}`, title: utc(at) }, ...clock(at))),
    cell('host', text(event['host.name'] ?? event['device.id'])),
    cell('what', ...what(event)),
    cell('user', text(event['user.name'])),
    cell('source', text(event['source.ip'])),
    cell('message', text(event.message ?? event['event.original'])));
}

/** Category, action and outcome as chips. */
export function what(event) {
  const outcome = event['event.outcome'];
  const action = event['event.action'] ?? event['http.request.method'] ?? text(event['event.category']);
  const chips = [];
  if (action) chips.push(h('span', { class: `what-chip ${outcome === 'failure' ? 'bad' : outcome === 'success' ? 'good' : ''}`, title: [text(event['event.category']), outcome].filter(Boolean).join(' · ') }, text(action), outcome && outcome !== 'unknown' ? h('span', { class: 'hidden' }, ` ${outcome}`) : null));
  const status = event['http.response.status_code'];
  if (status != null) chips.push(h('span', { class: `what-chip ${status >= 500 ? 'bad' : status >= 400 ? 'odd' : ''}` }, text(status)));
  if (text(event.tags).includes('parse_failure')) chips.push(h('span', { class: 'what-chip odd' }, 'not parsed'));
  return chips;
}
