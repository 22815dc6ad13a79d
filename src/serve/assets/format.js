// Numbers, times and lists as people read them.

export const SEVERITIES = ['critical', 'high', 'medium', 'low', 'informational'];

const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export const number = (n) => whole.format(n);
export const compact = (n) => (n < 100 ? whole.format(Math.round(n * 10) / 10) : n < 10_000 ? whole.format(Math.round(n)) : short.format(n));
export const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

const pad = (n, width = 2) => String(n).padStart(width, '0');
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A local time: the hour today, with the day before, with the year in another year. */
export function time(iso, fraction = false) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return String(iso);
  const now = new Date();
  let text = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  if (fraction) text += `.${pad(at.getMilliseconds(), 3)}`;
  if (at.toDateString() === now.toDateString()) return text;
  const day = `${MONTHS[at.getMonth()]} ${at.getDate()}`;
  return at.getFullYear() === now.getFullYear() ? `${day} ${text}` : `${day} ${at.getFullYear()} ${text}`;
}

/** The instant in full, for tooltips. */
export const utc = (iso) => String(iso).replace('T', ' ').replace('Z', ' UTC');

/** How long ago. */
export function ago(iso, now = Date.now()) {
  const seconds = Math.round((now - new Date(iso).getTime()) / 1000);
  if (seconds < -60) return time(iso);
  if (seconds < 5) return 'now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  if (seconds < 86_400 * 14) return `${Math.floor(seconds / 86_400)} d ago`;
  return time(iso).replace(/ \d\d:\d\d:\d\d$/, '');
}

/** A length of time between two instants. */
export function span(from, to) {
  const ms = new Date(to).getTime() - new Date(from).getTime();
  const parts = (n, unit, m, small) => (m ? `${n} ${unit} ${m} ${small}` : `${n} ${unit}`);
  if (!(ms > 0)) return 'one moment';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return parts(Math.floor(whole / 60), 'min', whole % 60, 's');
  if (whole < 86_400) return parts(Math.floor(whole / 3600), 'h', Math.floor((whole % 3600) / 60), 'min');
  return parts(Math.floor(whole / 86_400), 'd', Math.floor((whole % 86_400) / 3600), 'h');
}

/** A value as text: lists joined, anything else as it is. */
export const text = (value) => (Array.isArray(value) ? value.join(', ') : value == null ? '' : String(value));

/** The query string of a search: `field:value` terms become filters, the rest is text. */
export function terms(query) {
  const params = new URLSearchParams();
  const rest = [];
  for (const [all, name, quoted, bare] of query.matchAll(/(?:(@?[\w][\w.-]*):)?(?:"((?:[^"\\]|\\.)*)"|(\S+))/g)) {
    const value = quoted == null ? bare : quoted.replace(/\\(.)/g, '$1');
    const isField = name && (name.includes('.') || ['@timestamp', 'ts', 'message', 'tags', 'risk'].includes(name));
    if (isField) params.append('filter', `${name}:${value}`);
    else rest.push(name ? all : value);
  }
  if (rest.length) params.set('q', rest.join(' '));
  return params;
}

/** A `field:value` term that {@link terms} reads back. */
export function term(name, value) {
  return /^[^\s"\\]+$/.test(value) ? `${name}:${value}` : `${name}:"${value.replace(/[\\"]/g, '\\$&')}"`;
}
