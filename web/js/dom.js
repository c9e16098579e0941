// Making elements. The one way in which text gets onto the page is as text: there is no markup in
// strings anywhere, and the page's policy (Trusted Types) would refuse it. Used by every view.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * An element. `props`: `class`, `on` (listeners by event), `data` (dataset), `text`, properties that the
 * element has, and attributes for the rest. Children: nodes, texts, lists of them; `null` and `false`
 * are left out.
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key === 'class') element.className = value;
    else if (key === 'text') element.textContent = value;
    else if (key === 'data') for (const [name, one] of Object.entries(value)) one !== undefined && (element.dataset[name] = one);
    else if (key === 'on') for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (key in element && typeof value !== 'string' && !key.startsWith('aria')) element[key] = value;
    else element.setAttribute(key, value === true ? '' : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/** Puts these children in place of what is there. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** Line drawings on a 24 × 24 grid. */
const ICONS = {
  back: ['M15 5l-7 7 7 7'],
  plus: ['M12 5v14', 'M5 12h14'],
  send: ['M4 12l16-8-6 16-3-6z', 'M11 14l9-10'],
  close: ['M6 6l12 12', 'M18 6L6 18'],
  check: ['M5 12.5l4.5 4.5L19 7.5'],
  more: ['M5 12h.01', 'M12 12h.01', 'M19 12h.01'],
  phone: ['M6 3h3l2 5-2.5 1.5a11 11 0 006 6L16 13l5 2v3a3 3 0 01-3 3C10 21 3 14 3 6a3 3 0 013-3z'],
  hangup: ['M2.500 13.500c5.500-5.300 13.500-5.300 19 0l-2.200 3.700-4.300-1.700v-2.800a13 13 0 00-6 0v2.800L4.700 17.200z'],
  video: ['M4 6h10a2 2 0 012 2v8a2 2 0 01-2 2H4a2 2 0 01-2-2V8a2 2 0 012-2z', 'M16 10.5l6-3.5v10l-6-3.5z'],
  videoOff: ['M4 6h10a2 2 0 012 2v8a2 2 0 01-2 2H4a2 2 0 01-2-2V8a2 2 0 012-2z', 'M16 10.5l6-3.5v10l-6-3.5z', 'M3 3l18 18'],
  mic: ['M12 3a3 3 0 013 3v5a3 3 0 01-6 0V6a3 3 0 013-3z', 'M6 11a6 6 0 0012 0', 'M12 17v4'],
  micOff: ['M12 3a3 3 0 013 3v5a3 3 0 01-6 0V6a3 3 0 013-3z', 'M6 11a6 6 0 0012 0', 'M12 17v4', 'M4 3l16 18'],
  pause: ['M8 5v14', 'M16 5v14'],
  play: ['M8 5l11 7-11 7z'],
  screen: ['M4 4h16a1 1 0 011 1v11a1 1 0 01-1 1H4a1 1 0 01-1-1V5a1 1 0 011-1z', 'M8 21h8', 'M12 14V8', 'M9 10.500l3-3 3 3'],
  sliders: ['M4 7h9', 'M17 7h3', 'M15 5a2 2 0 100 4 2 2 0 000-4z', 'M4 17h3', 'M11 17h9', 'M9 15a2 2 0 100 4 2 2 0 000-4z'],
  info: ['M12 3a9 9 0 100 18 9 9 0 000-18z', 'M12 11v5', 'M12 8h.01'],
  reply: ['M10 7L5 12l5 5', 'M5 12h9a5 5 0 015 5v1'],
  edit: ['M4 20l1-4L16 5l3 3L8 19z', 'M14 7l3 3'],
  trash: ['M5 7h14', 'M10 7V4h4v3', 'M7 7l1 13h8l1-13'],
  smile: ['M12 3a9 9 0 100 18 9 9 0 000-18z', 'M8.500 14.500a4.500 4.500 0 007 0', 'M9 10h.01', 'M15 10h.01'],
  search: ['M11 4a7 7 0 100 14 7 7 0 000-14z', 'M16 16l5 5'],
  shrink: ['M9 4v5H4', 'M15 20v-5h5', 'M9 9L3 3', 'M15 15l6 6'],
  grow: ['M14 4h6v6', 'M10 20H4v-6', 'M20 4l-7 7', 'M4 20l7-7'],
  down: ['M12 5v14', 'M6 13l6 6 6-6'],
  keypad: ['M6 5h.01M12 5h.01M18 5h.01M6 12h.01M12 12h.01M18 12h.01M6 19h.01M12 19h.01M18 19h.01'],
  hash: ['M5 9h15', 'M4 15h15', 'M10 4L8 20', 'M16 4l-2 16'],
  copy: ['M9 9h10a1 1 0 011 1v10a1 1 0 01-1 1H9a1 1 0 01-1-1V10a1 1 0 011-1z', 'M16 9V5a1 1 0 00-1-1H5a1 1 0 00-1 1v10a1 1 0 001 1h3'],
};

/** One of the drawings, for eyes only. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('focusable', 'false');
  svg.setAttribute('class', 'icon');
  for (const line of ICONS[name]) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', line);
    svg.append(path);
  }
  return svg;
}

/** A button that is a drawing; `label` is its name for all who cannot see it, and its hint. */
export function iconButton(name, label, props = {}) {
  const { class: extra = '', ...rest } = props;
  return h('button', { type: 'button', class: `icon-button ${extra}`, 'aria-label': label, title: label, ...rest }, icon(name));
}

/** A coloured disc with the first letter of a name; always the same colour for the same address. */
export function avatar(name, address, { size = '' } = {}) {
  let sum = 7;
  for (const c of address) sum = (sum * 31 + c.codePointAt(0)) >>> 0;
  const letters = [...name.replace(/^[^\p{L}\p{N}]+/u, '')];
  return h('span', { class: `avatar tint-${sum % 10} ${size}`, 'aria-hidden': 'true', text: (letters[0] ?? '?').toLocaleUpperCase() });
}
