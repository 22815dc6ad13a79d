// Elements from data. Text only ever becomes text nodes and attributes: there is no way to pass markup.

/** The element of this id. */
export const $ = (id) => document.getElementById(id);

/** An element: `h('a', { class: 'x', href: '#y' }, 'text', child)`. Functions become listeners. */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  set(element, props);
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

/** An SVG element. */
export function s(tag, props, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  set(element, props);
  element.append(...children);
  return element;
}

function set(element, props) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value == null || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? '' : value);
  }
}

/** Writes text only where it changed, so that a selection survives. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes the children of `parent` these nodes, moving as few as possible. */
export function place(parent, nodes) {
  let at = parent.firstChild;
  for (const node of nodes) {
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

/** A command to copy. */
export function command(text) {
  const button = h('button', { class: 'quiet', type: 'button', 'aria-label': `Copy: ${text}`, click: copied }, 'Copy');
  function copied() {
    navigator.clipboard.writeText(text).then(
      () => write(button, 'Copied'),
      () => write(button, 'Select it'),
    );
    setTimeout(() => write(button, 'Copy'), 1500);
  }
  return h('div', { class: 'command' }, h('code', {}, text), button);
}

/** Fetches JSON; a problem becomes an error with its detail. */
export async function api(path) {
  const response = await fetch(`/api/v1/${path}`, { headers: { accept: 'application/json' } });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail ?? `the server answered ${response.status}`);
  return body;
}
