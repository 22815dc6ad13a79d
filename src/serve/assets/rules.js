// The rules that run, and how many alerts each has.

import { $, api, command, h, write } from './dom.js';
import { SEVERITIES, number, plural } from './format.js';
import { changed, on, store } from './store.js';

/** Starts drawing. */
export function rules() {
  on('rules', draw);
  on('view', read);
}

/** The counts are those of the last reading, so they are read anew whenever somebody comes to look. */
async function read() {
  if (store.view !== 'rules') return;
  draw();
  try {
    store.rules = (await api('rules')).rules;
    changed('rules');
  } catch {
    // What was read before stands; the line's own state says that the server is away.
  }
}

function draw() {
  if (store.view !== 'rules' || !store.rules) return;
  const rank = (rule) => SEVERITIES.indexOf(rule.severity);
  const list = [...store.rules].sort((a, b) => b.alerts - a.alerts || rank(a) - rank(b) || a.name.localeCompare(b.name));
  write($('rules-note'), plural(list.length, 'rule'));
  $('rule-rows').replaceChildren(...list.map((rule) => h('tr', { class: `sev-${rule.severity}` },
    h('td', {}, h('span', { class: 'badge' }, rule.severity === 'informational' ? 'info' : rule.severity)),
    h('td', {}, h('a', { href: `#rule/${encodeURIComponent(rule.name)}` }, rule.name), h('span', { class: 'sub' }, rule.title)),
    h('td', { class: 'sub' }, rule.attack.join(', ')),
    h('td', { class: 'sub' }, rule.file),
    h('td', { class: 'num' }, number(rule.alerts)))));
  $('rules-empty').replaceChildren(...(list.length ? [] : [h('div', { class: 'empty' }, h('h3', {}, 'No rules are loaded'), h('p', {}, 'Start weir with a folder of rules:'), command('weir run --rules rules'))]));
}
