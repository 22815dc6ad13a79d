// The panel beside: one alert with its evidence, or one event with all its fields.

import { $, api, h, s, write } from './dom.js';
import { keyChips } from './alerts.js';
import { known, what } from './events.js';
import { plural, span, term, text, time, utc } from './format.js';
import { changed, on, store } from './store.js';

let before = null;
let turn = 0;
let refresh = 0;
let shownVersion = null;

/** Starts drawing. */
export function detail() {
  // An alert that changes while it is open is read again, at most once a second.
  on('alerts', () => {
    const [kind, id] = (store.open ?? '').split('/');
    const alert = kind === 'alert' ? store.alerts.get(id) : null;
    if (alert && shownVersion != null && alert.version > shownVersion && !refresh) {
      refresh = setTimeout(() => {
        refresh = 0;
        if (store.open === `alert/${id}`) load('alert', id, false);
      }, 1000);
    }
  });
}

/** Opens `alert/ID` or `event/ID`. */
export function openDetail(target) {
  const [kind, id] = target.split('/');
  if (store.open === target) return;
  if (!store.open) before = document.activeElement;
  store.open = target;
  changed('open');
  load(kind, decodeURIComponent(id), true);
}

/** Closes the panel; the focus goes back to where it was. */
export function closeDetail() {
  if (!store.open) return;
  store.open = null;
  turn += 1;
  shownVersion = null;
  $('drawer').hidden = true;
  document.body.classList.remove('with-drawer');
  changed('open');
  if (before?.isConnected) before.focus({ preventScroll: true });
  before = null;
}

async function load(kind, id, fresh) {
  const mine = (turn += 1);
  if (fresh) show(kind === 'alert' ? 'Alert' : 'Event', [h('p', { class: 'empty' }, 'Reading …')], true);
  let parts;
  try {
    if (kind === 'alert') {
      const alert = await api(`alerts/${encodeURIComponent(id)}`);
      shownVersion = alert.version;
      parts = alertParts(alert);
    } else {
      // The stream shortens long texts, so the whole event is asked for; what the page has will do if it is not there yet.
      const event = await api(`events/${encodeURIComponent(id)}`).catch((error) => {
        const have = known(id);
        if (!have) throw error;
        return have;
      });
      parts = eventParts(event);
    }
  } catch (error) {
    parts = { title: kind === 'alert' ? 'Alert' : 'Event', body: [h('p', { class: 'empty wrong' }, error.message)] };
  }
  if (mine === turn) show(parts.title, parts.body, fresh);
}

function show(title, body, fresh) {
  const drawer = $('drawer');
  const top = fresh ? 0 : drawer.querySelector('.drawer-body')?.scrollTop ?? 0;
  const open = new Set([...drawer.querySelectorAll('details[open]')].map((d) => d.dataset.id));
  const hadFocus = drawer.hidden || drawer.contains(document.activeElement);
  const close = h('button', { class: 'icon', type: 'button', 'aria-label': 'Close', title: 'Close (Esc)', click: leave },
    s('svg', { viewBox: '0 0 16 16', width: 16, height: 16, 'aria-hidden': 'true' }, s('path', { d: 'm4 4 8 8m0-8-8 8' })));
  const link = h('button', { class: 'quiet', type: 'button', click: () => navigator.clipboard.writeText(location.href).then(() => write(link, 'Copied'), () => write(link, 'Not allowed')) }, 'Copy link');
  drawer.replaceChildren(
    h('div', { class: 'drawer-head' }, h('span', { class: 'sub' }, store.open?.startsWith('alert') ? 'Alert' : 'Event'), link, close),
    h('div', { class: 'drawer-body' }, h('h2', { id: 'drawer-title' }, title), ...body));
  for (const details of drawer.querySelectorAll('details')) details.open = open.has(details.dataset.id);
  drawer.hidden = false;
  document.body.classList.add('with-drawer');
  drawer.querySelector('.drawer-body').scrollTop = top;
  if (fresh && hadFocus) close.focus({ preventScroll: true });
}

/** Back to the list this was opened from. */
export function leave() {
  location.hash = `#${store.results ? `search/${encodeURIComponent(store.results.query)}` : store.rule ? `rule/${encodeURIComponent(store.rule)}` : store.view}`;
}

const fact = (name, ...value) => (value.some((v) => v != null && v !== '') ? [h('dt', {}, name), h('dd', {}, ...value)] : []);

function alertParts(alert) {
  const rule = alert.rule_info;
  const keys = Object.entries(alert.key ?? {});
  const whom = keys.length ? ` of ${keys.map(([name, value]) => `${name} ${text(value)}`).join(', ')}` : '';
  const standing = {
    withdrawn: 'Withdrawn: a later correction made it untrue.',
    superseded: 'Superseded: a late event merged it into another alert.',
  }[alert.standing];
  const body = [
    h('p', { class: `badges sev-${alert.severity}` }, h('span', { class: 'badge' }, alert.severity), ...keyChips(alert.key)),
    standing ? h('p', { class: 'note' }, standing, ' ', alert.superseded_by ? h('a', { href: `#alert/${alert.superseded_by}` }, 'Open that one') : null) : null,
    h('section', {},
      h('h3', {}, 'Why'),
      h('p', { class: 'why' }, alert.count === 1 ? `One event${whom} fits the rule.` : `${plural(alert.count, 'event')}${whom} fit the rule within ${span(alert.first, alert.last)}.`, rule?.description ? ` ${rule.description}` : ''),
      h('dl', { class: 'facts' },
        ...fact('Rule', h('a', { href: `#rule/${encodeURIComponent(alert.rule)}` }, alert.rule), rule ? h('span', { class: 'sub' }, ` ${rule.file}`) : null),
        ...fact('First', time(alert.first, true), h('span', { class: 'sub' }, ` ${utc(alert.first)}`)),
        ...fact('Last', time(alert.last, true), h('span', { class: 'sub' }, ` ${utc(alert.last)}`)),
        ...fact('ATT&CK', ...(alert.attack ?? []).flatMap((id, i) => [i ? ', ' : null, technique(id)])),
        ...fact('Tags', (alert.tags ?? []).join(', ')),
        ...fact('Risk', alert.risk == null ? '' : String(alert.risk)),
        ...fact('Runbook', alert.runbook ? runbook(alert.runbook) : ''),
        ...fact('Id', h('code', {}, alert.id)))),
    h('section', {}, h('h3', {}, 'Evidence ', h('span', { class: 'sub' }, evidenceNote(alert))), timeline(alert), h('ol', { class: 'evidence' }, ...alert.events.map(evidence))),
  ];
  return { title: alert.title, body: body.filter(Boolean) };
}

function evidenceNote(alert) {
  const shown = alert.events.length;
  let note = shown < alert.count ? `${plural(shown, 'event')} of ${alert.count}` : plural(shown, 'event');
  if (alert.missing.length) note += `, ${alert.missing.length} not in the archive yet`;
  return alert.trouble ? `${note}; ${alert.trouble}` : note;
}

function technique(id) {
  const path = /^T\d{4}(\.\d{3})?$/.test(id) ? id.replace('.', '/') : null;
  return path ? h('a', { href: `https://attack.mitre.org/techniques/${path}/`, target: '_blank', rel: 'noopener noreferrer' }, id) : id;
}

function runbook(where) {
  return /^https?:\/\//.test(where) ? h('a', { href: where, target: '_blank', rel: 'noopener noreferrer' }, where) : where;
}

/** Where the evidence lies between the first event and the last. */
function timeline(alert) {
  const from = new Date(alert.first).getTime();
  const length = new Date(alert.last).getTime() - from;
  if (!(length > 0) || alert.events.length < 2) return h('div', {});
  const dots = alert.events.map((event) => {
    const at = ((new Date(event['@timestamp']).getTime() - from) / length) * 100;
    return s('circle', { cx: `${(1.5 + Math.min(100, Math.max(0, at)) * 0.97).toFixed(2)}%`, cy: 9, r: 3.5, class: event['event.outcome'] === 'success' ? 'good' : '' });
  });
  return h('div', { class: `timeline sev-${alert.severity}` },
    s('svg', { width: '100%', height: 18, 'aria-hidden': 'true' }, s('line', { x1: '1.5%', x2: '98.5%', y1: 9, y2: 9 }), ...dots),
    h('div', { class: 'ends' }, h('span', {}, time(alert.first)), h('span', {}, time(alert.last))));
}

function evidence(event) {
  return h('li', {}, h('details', { 'data-id': event['event.id'] },
    h('summary', {}, h('time', { datetime: event['@timestamp'], title: utc(event['@timestamp']) }, time(event['@timestamp'], true)), ...what(event), h('span', { class: 'message' }, text(event.message ?? event['event.original']))),
    fields(event)));
}

function eventParts(event) {
  const body = [
    h('p', { class: 'badges' }, ...what(event), h('time', { title: utc(event['@timestamp']) }, time(event['@timestamp'], true))),
    fields(event),
  ];
  return { title: text(event.message ?? event['event.original'] ?? event['event.action']) || 'Event', body };
}

const UNSEARCHED = new Set(['@timestamp', 'event.ingested', 'event.original', 'message', 'log.offset']);

function fields(event) {
  const rows = Object.entries(event).map(([name, value]) => {
    const values = (Array.isArray(value) ? value : [value]).map((v) => {
      const shown = h('span', { class: 'value' }, text(v));
      if (UNSEARCHED.has(name) || text(v).length > 200) return shown;
      const query = term(name, text(v));
      return h('a', { class: 'value', href: `#search/${encodeURIComponent(query)}`, title: `Search ${query}` }, text(v));
    });
    return h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, ...values.flatMap((v, i) => (i ? [', ', v] : [v]))));
  });
  return h('table', { class: 'fields' }, h('tbody', {}, ...rows));
}
