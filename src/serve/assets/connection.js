// The line to the server: a stream of changes, and a fresh snapshot each time it is (re)opened.

import { $, api, write } from './dom.js';
import { changed, forget, putAlert, putDashboard, putEvents, putStats, store } from './store.js';

// Browsers allow six streams a host: a tab that nobody looks at gives its one back after a while.
const HIDDEN_FOR = 30_000;
const SLOWEST = 15_000;

let source = null;
let wait = 500;
let retry = 0;
let hiding = 0;
let again = 0;
let run = null;
let tell = () => {};

/** Opens the line; `onAlert` is told of each alert that is new. */
export function connect(onAlert) {
  tell = onAlert;
  open();
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(close, HIDDEN_FOR);
    else if (!source) open();
  });
  window.addEventListener('online', () => open());
  // A page that the browser keeps for its back button must not keep its line.
  window.addEventListener('pagehide', close);
  window.addEventListener('pageshow', (event) => event.persisted && open());
}

function close() {
  clearTimeout(retry);
  clearTimeout(again);
  source?.close();
  source = null;
}

function open() {
  close();
  const stream = new EventSource('/api/v1/stream');
  source = stream;
  const message = (kind, take) => stream.addEventListener(kind, (event) => take(JSON.parse(event.data)));
  stream.addEventListener('open', () => {
    wait = 500;
    state('live', 'Live');
    snapshot();
  });
  stream.addEventListener('error', () => {
    state('lost', 'Reconnecting');
    // The browser comes back by itself after a broken line, but not after an answer that was no stream.
    if (stream.readyState === EventSource.CLOSED && source === stream) {
      source = null;
      retry = setTimeout(open, wait);
      wait = Math.min(wait * 2, SLOWEST);
    }
  });
  message('stats', (stats) => {
    sameRun(stats);
    putStats(stats);
  });
  message('alert', (alert) => {
    const fresh = putAlert({ ...alert, live: true });
    tell(alert, fresh);
  });
  message('event', (event) => putEvents([event]));
  message('reset', snapshot);
}

function sameRun(stats) {
  if (run && run !== stats.run) {
    forget();
    snapshot();
  }
  run = stats.run;
}

/** Reads the state of things anew; what the stream says meanwhile wins where it is newer. */
async function snapshot() {
  try {
    const [stats, alerts, events, rules] = await Promise.all([
      api('dashboard/stats'),
      api('alerts?limit=200'),
      api('events?limit=200'),
      api('rules'),
    ]);
    run ??= stats.run;
    putDashboard(stats);
    alerts.alerts.forEach(putAlert);
    putEvents(events.events);
    store.rules = rules.rules;
    store.loaded = true;
    for (const topic of ['alerts', 'events', 'rules']) changed(topic);
  } catch {
    // If the server is away the stream says so, and reads again once it is back; if not, soon.
    clearTimeout(again);
    again = setTimeout(() => source && snapshot(), 2000);
  }
}

function state(name, text) {
  $('link').dataset.state = name;
  write($('link-text'), text);
}
