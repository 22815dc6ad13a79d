// What the page knows. Parts ask to be told when a topic changes; drawing happens once a frame.

export const HISTORY = 300;
const MOST_ALERTS = 5000;
const MOST_EVENTS = 300;

export const store = {
  stats: null,
  history: { end: 0, events: [], alerts: [] },
  alerts: new Map(),
  events: [],
  results: null,
  rules: null,
  view: 'overview',
  open: null,
  severities: new Set(),
  rule: null,
  paused: false,
};

const listeners = new Map();
const due = new Set();

/** Calls `draw` after each change of one of these topics, at most once a frame. */
export function on(topics, draw) {
  for (const topic of topics.split(' ')) listeners.set(topic, [...(listeners.get(topic) ?? []), draw]);
}

/** Says that a topic changed. */
export function changed(topic) {
  if (!due.size) requestAnimationFrame(drawAll);
  for (const draw of listeners.get(topic) ?? []) due.add(draw);
}

function drawAll() {
  const draws = [...due];
  due.clear();
  for (const draw of draws) draw();
}

/** Takes an alert in, unless a newer state of it is known; says whether it is new. */
export function putAlert(alert) {
  const known = store.alerts.get(alert.id);
  if (known && known.version > alert.version) return false;
  store.alerts.set(alert.id, alert);
  if (store.alerts.size > MOST_ALERTS) {
    const oldest = [...store.alerts.values()].sort((a, b) => a.place - b.place).slice(0, MOST_ALERTS / 10);
    for (const old of oldest) store.alerts.delete(old.id);
  }
  changed('alerts');
  return !known;
}

/** The alerts that pass the filters, newest first. */
export function visibleAlerts() {
  const { severities, rule } = store;
  return [...store.alerts.values()]
    .filter((a) => (!severities.size || severities.has(a.severity)) && (!rule || a.rule === rule))
    .sort((a, b) => b.place - a.place);
}

/** Takes events in, newest first; those already known are left out. */
export function putEvents(events) {
  const known = new Set(store.events.map((e) => e['event.id']));
  const fresh = events.filter((e) => !known.has(e['event.id']));
  if (!fresh.length) return;
  store.events = [...fresh, ...store.events].slice(0, MOST_EVENTS);
  changed('events');
}

/** Takes the once-a-second counts in. */
export function putStats(stats) {
  const history = store.history;
  const end = Math.floor(new Date(stats.now).getTime() / 1000);
  if (end > history.end) {
    history.events.push(stats.events_per_second);
    history.alerts.push(stats.alerts_per_second);
    if (history.events.length > HISTORY) history.events.shift();
    if (history.alerts.length > HISTORY) history.alerts.shift();
    history.end = end;
  }
  store.stats = { ...store.stats, ...stats };
  changed('stats');
}

/** Takes the counts with their history in. */
export function putDashboard(stats) {
  const end = stats.history.end ? Math.floor(new Date(stats.now).getTime() / 1000) : 0;
  store.history = {
    end,
    events: stats.history.events_per_second.slice(-HISTORY),
    alerts: stats.history.alerts.slice(-HISTORY),
  };
  const said = store.stats;
  store.stats = stats;
  // What the stream said while this was on its way stands.
  if (said?.run === stats.run && said.now > stats.now) putStats(said);
  else changed('stats');
}

/** Another run of the server: nothing of the last one stands. */
export function forget() {
  store.alerts.clear();
  store.events = [];
  changed('alerts');
  changed('events');
}
