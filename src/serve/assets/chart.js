// Events per second over the last minutes, with a mark for each second that raised alerts.

import { $, s, write } from './dom.js';
import { compact, number, plural } from './format.js';
import { HISTORY, on, store } from './store.js';

const LEFT = 40;
const BOTTOM = 18;
const TOP = 8;
const STEPS = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

let hover = null;

/** Starts drawing. */
export function chart() {
  const box = $('chart');
  on('stats', draw);
  new ResizeObserver(draw).observe(box);
  box.addEventListener('pointermove', (event) => {
    hover = event.clientX - box.getBoundingClientRect().left;
    draw();
  });
  box.addEventListener('pointerleave', () => {
    hover = null;
    draw();
  });
}

/** The round number at or above, for the top of the axis. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return STEPS.find((step) => step * power >= value) * power;
}

function draw() {
  const { stats, history } = store;
  if (stats) {
    write($('rate'), compact(stats.events_per_second));
    write($('total'), `${plural(stats.events, 'event')} since start`);
  }
  const box = $('chart');
  const width = box.clientWidth;
  const height = box.clientHeight;
  if (width < 60 || height < 40) return;
  const seconds = width < 420 ? HISTORY / 2 : HISTORY;
  const events = history.events.slice(-seconds);
  const alerts = history.alerts.slice(-seconds);
  const most = ceiling(Math.max(4, ...events.map((n) => n * 1.05)));
  const base = height - BOTTOM;
  const x = (i) => LEFT + ((i + seconds - events.length) / (seconds - 1)) * (width - LEFT - 4);
  const y = (value) => base - (value / most) * (base - TOP);

  const parts = [];
  for (const part of [0, 0.5, 1]) {
    const at = Math.round(y(most * part)) + 0.5;
    parts.push(s('line', { class: 'grid', x1: LEFT, x2: width, y1: at, y2: at }));
    parts.push(label(LEFT - 6, at + 3.5, compact(most * part), 'end'));
  }
  const minutes = seconds / 60;
  for (let m = Math.floor(minutes); m >= 0; m -= 1) {
    const at = LEFT + (1 - m / minutes) * (width - LEFT - 4);
    parts.push(label(at, height - 4, m ? `−${m} min` : 'now', m === minutes ? 'start' : m ? 'middle' : 'end'));
  }
  if (events.length > 1) {
    const line = events.map((value, i) => `${i ? 'L' : 'M'}${x(i).toFixed(1)} ${y(value).toFixed(1)}`).join('');
    parts.push(s('path', { class: 'area', d: `${line}L${x(events.length - 1).toFixed(1)} ${base}L${x(0).toFixed(1)} ${base}Z` }));
    parts.push(s('path', { class: 'line', d: line }));
  }
  alerts.forEach((count, i) => {
    if (count) parts.push(s('path', { class: 'mark', d: `M${x(i).toFixed(1)} ${base - 1}l-4 -7h8z` }));
  });
  if (hover != null && events.length) parts.push(...pointer(events, alerts, x, y, base, width));
  box.replaceChildren(s('svg', { width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' }, ...parts));
}

function label(x, y, text, anchor) {
  return s('text', { class: 'axis', x, y, 'text-anchor': anchor }, text);
}

function pointer(events, alerts, x, y, base, width) {
  let at = 0;
  for (let i = 1; i < events.length; i += 1) if (Math.abs(x(i) - hover) < Math.abs(x(at) - hover)) at = i;
  const when = new Date((store.history.end - (events.length - 1 - at)) * 1000).toLocaleTimeString('en-GB');
  let text = `${when}   ${number(events[at])}/s`;
  if (alerts[at]) text += `   ${plural(alerts[at], 'alert')}`;
  const right = x(at) > width - 180;
  return [
    s('line', { class: 'hover', x1: x(at), x2: x(at), y1: TOP, y2: base }),
    s('circle', { class: 'dot', cx: x(at), cy: y(events[at]), r: 3 }),
    label(x(at) + (right ? -8 : 8), TOP + 8, text, right ? 'end' : 'start'),
  ];
}
