// The counts by severity, and the list of alerts: rows keep their place and change where they stand.

import { $, api, command, h, place, write } from './dom.js';
import { SEVERITIES, ago, number, plural, span, text, utc } from './format.js';
import { changed, on, putAlert, store, visibleAlerts } from './store.js';

const PAGE = 100;

const rows = new Map();
const cursors = new Map();
let shown = PAGE;

/** Starts drawing. */
export function alerts() {
  on('stats alerts', drawSeverities);
  on('alerts rules view open', drawList);
  on('stats', () => rows.forEach((row) => row.clock()));
  drawSeverities();
}

/** Shows only this severity, or all again. */
function toggle(severity) {
  if (store.severities.has(severity)) store.severities.delete(severity);
  else store.severities.add(severity);
  refilter();
}

/** The filters changed: older alerts that pass them may not be here yet. */
export function refilter() {
  shown = PAGE;
  changed('alerts');
  if (store.loaded && (store.severities.size || store.rule)) more();
}

function filterQuery() {
  const params = new URLSearchParams();
  if (store.severities.size) params.set('severity', [...store.severities].join(','));
  if (store.rule) params.set('rule', store.rule);
  return params;
}

/** Reads the next older page under the present filters. */
async function more() {
  const params = filterQuery();
  const key = params.toString();
  const visible = visibleAlerts();
  const after = cursors.get(key) ?? (key ? undefined : visible.at(-1)?.place);
  if (after === null) return;
  if (after !== undefined) params.set('after', after);
  params.set('limit', PAGE);
  try {
    const page = await api(`alerts?${params}`);
    page.alerts.forEach(putAlert);
    cursors.set(key, page.next);
    changed('alerts');
  } catch (error) {
    write($('announce'), `Older alerts could not be read: ${error.message}`);
  }
}

const tiles = new Map();

function drawSeverities() {
  const counts = store.stats?.alerts ?? {};
  const most = Math.max(1, ...Object.values(counts));
  for (const severity of SEVERITIES) {
    if (!tiles.has(severity)) tiles.set(severity, tile(severity));
    const { button, count, bar } = tiles.get(severity);
    const n = counts[severity] ?? 0;
    write(count, number(n));
    bar.style.inlineSize = n ? `${Math.max(3, (n / most) * 100)}%` : '0';
    button.setAttribute('aria-pressed', store.severities.has(severity));
    button.classList.toggle('zero', !n);
  }
  const total = Object.values(counts).reduce((a, b) => a + b, 0);
  $('nav-alerts').hidden = !total;
  write($('nav-alerts'), number(total));
}

function tile(severity) {
  const count = h('span', { class: 'count' });
  const bar = h('span', { class: 'bar' });
  const button = h(
    'button',
    { type: 'button', class: `tile sev-${severity}`, title: `Show only ${severity} alerts`, click: () => toggle(severity) },
    h('span', { class: 'word' }, severity),
    h('span', { class: 'track', 'aria-hidden': 'true' }, bar),
    count,
  );
  $('severities').append(button);
  return { button, count, bar };
}

function drawList() {
  const list = visibleAlerts();
  const visible = list.slice(0, shown);
  const nodes = visible.map((alert) => {
    if (!rows.has(alert.id)) rows.set(alert.id, row(alert));
    const entry = rows.get(alert.id);
    entry.update(alert);
    return entry.node;
  });
  place($('alert-list'), nodes);
  const kept = new Set(visible.map((a) => a.id));
  for (const id of rows.keys()) if (!kept.has(id)) rows.delete(id);
  drawFilters();
  drawEnd(list);
}

let filtersDrawn = '';

function drawFilters() {
  const now = [...store.severities, store.rule ?? ''].join('/');
  if (now === filtersDrawn) return;
  filtersDrawn = now;
  const chip = (label, clear) =>
    h('button', { type: 'button', class: 'chip', title: 'Remove this filter', click: clear }, label, h('span', { 'aria-hidden': 'true' }, ' ×'));
  const chips = [...store.severities].map((severity) => chip(severity, () => toggle(severity)));
  if (store.rule) {
    chips.push(chip(store.rule, () => (location.hash = '#alerts')));
  }
  $('alert-filters').replaceChildren(...chips);
}

let endDrawn = '';

function drawEnd(list) {
  const end = $('alerts-more');
  const state = [list.length > 0, store.loaded, store.rules?.length, shown, list.length > shown, cursors.get(filterQuery().toString()), filtersDrawn].join('/');
  if (state === endDrawn) return;
  endDrawn = state;
  if (!list.length) {
    end.replaceChildren(store.loaded ? empty() : h('p', { class: 'empty' }, 'Reading …'));
    return;
  }
  const key = filterQuery().toString();
  const maybeOlder = cursors.has(key) ? cursors.get(key) !== null : list.length >= PAGE;
  if (list.length <= shown && !maybeOlder) {
    end.replaceChildren();
    return;
  }
  const button = h('button', { type: 'button', class: 'quiet wide', click: () => {
    shown += PAGE;
    if (list.length < shown) more();
    changed('alerts');
  } }, 'Show older alerts');
  end.replaceChildren(button);
}

function empty() {
  if (store.severities.size || store.rule) {
    return h('div', { class: 'empty' }, h('h3', {}, 'No alert passes the filter'), h('p', {}, 'Remove it above to see the others.'));
  }
  const rules = store.rules?.length ?? 0;
  if (!rules) {
    return h('div', { class: 'empty' }, h('h3', {}, 'No rules are loaded'), h('p', {}, 'Start weir with a folder of rules:'), command('weir run --rules rules --file /var/log/auth.log'));
  }
  return h('div', { class: 'empty' },
    h('h3', {}, 'All quiet'),
    h('p', {}, rules === 1 ? 'One rule is watching. An alert shows up here the moment it fires.' : `${number(rules)} rules are watching. An alert shows up here the moment one fires.`),
    h('p', {}, 'To see some, replay an attack:'), command('weir demo'));
}

function row(alert) {
  const title = h('span', { class: 'title' });
  const standing = h('span', { class: 'standing' });
  const keys = h('span', { class: 'keys' });
  const count = h('span', { class: 'count' });
  const when = h('time', {});
  const link = h('a', { class: `alert sev-${alert.severity}`, href: `#alert/${alert.id}` },
    h('span', { class: 'badge' }, alert.severity === 'informational' ? 'info' : alert.severity),
    h('span', { class: 'head' }, title, standing),
    count,
    h('span', { class: 'meta' }, h('span', { class: 'rule' }, alert.rule), keys, ...(alert.attack ?? []).map((id) => h('span', { class: 'attack' }, id))),
    when);
  const node = h('li', {}, link);
  let state = null;
  return {
    node,
    clock: () => write(when, ago(state.last)),
    update(next) {
      link.toggleAttribute('aria-current', store.open === `alert/${next.id}`);
      if (next === state) return;
      if (next.live && next.count !== state?.count) flash(link);
      state = next;
      write(title, next.title);
      write(standing, next.standing === 'current' ? '' : next.standing);
      link.classList.toggle('gone', next.standing !== 'current');
      write(count, plural(next.count, 'event'));
      keys.replaceChildren(...keyChips(next.key));
      when.setAttribute('datetime', next.last);
      when.title = `${utc(next.first)} to ${utc(next.last)} (${span(next.first, next.last)})`;
      this.clock();
    },
  };
}

/** A key as name and value. */
export function keyChips(key) {
  return Object.entries(key ?? {}).map(([name, value]) => h('span', { class: 'key' }, h('span', {}, name), ' ', h('b', {}, text(value))));
}

function flash(element) {
  element.classList.remove('flash');
  // Reading a size ends the running animation, so that it starts anew.
  element.getBoundingClientRect();
  element.classList.add('flash');
}
