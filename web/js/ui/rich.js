// The tree of `markdown` → DOM nodes. Only elements named here are made, every text is a text node, and
// a link leads only where `markdown` lets one lead. Used by `message`.

import { h } from '../dom.js';
import { parse } from '../markdown.js';
import { t } from '../i18n.js';

/** A message of emoji alone is shown large, up to so many. */
const LARGE = 3;

/** Names of pictures that are shown where their link stands. */
const PICTURE = /\.(png|jpe?g|gif|webp|avif)$/i;

/** The nodes of a text. `onMention(address)` is called when somebody presses a mention. */
export function rich(text, onMention) {
  const blocks = parse(text);
  const root = h('div', { class: `rich${isEmoji(text) ? ' rich-large' : ''}`, dir: 'auto' });
  const open = [root];
  for (const block of blocks) {
    const depth = Math.min(block.quote, 8);
    while (open.length - 1 > depth) open.pop();
    while (open.length - 1 < depth) {
      const quote = h('blockquote');
      open.at(-1).append(quote);
      open.push(quote);
    }
    open.at(-1).append(block.spans ? h('p', {}, block.spans.map((span) => nodeOf(span, onMention))) : codeBlock(block));
  }
  return root;
}

function codeBlock({ code, language }) {
  return h('pre', { tabIndex: 0, ...(language && { data: { language } }) }, h('code', { text: code }));
}

function nodeOf(span, onMention) {
  let node = span.mono ? h('code', { text: span.text }) : document.createTextNode(span.text);
  if (span.strike) node = h('s', {}, node);
  if (span.italic) node = h('em', {}, node);
  if (span.bold) node = h('strong', {}, node);
  if (span.mention) node = mention(span, onMention);
  else if (span.link) node = h('a', { href: span.link, target: '_blank', rel: 'noopener noreferrer nofollow', referrerpolicy: 'no-referrer' }, node, span.spoiler ? null : picture(span.link));
  return span.spoiler ? spoiler(node) : node;
}

/** The picture behind a link to a file that the gateway itself hands out; no other is ever loaded. */
function picture(link) {
  const url = URL.canParse(link) ? new URL(link) : null;
  if (url?.origin !== location.origin || !url.pathname.startsWith('/media/') || !PICTURE.test(url.pathname)) return null;
  const image = h('img', { class: 'picture', src: url.href, alt: '', loading: 'lazy', decoding: 'async' });
  image.addEventListener('error', () => image.remove());
  return image;
}

function mention({ text, mention: address }, onMention) {
  return h('button', { type: 'button', class: 'mention', title: address, text, on: { click: () => onMention(address) } });
}

function spoiler(node) {
  const hidden = h('span', { class: 'spoiler', role: 'button', tabIndex: 0, 'aria-label': t('message.spoiler') }, h('span', { 'aria-hidden': 'true', inert: true }, node));
  const show = (event) => {
    if (!hidden.classList.contains('spoiler')) return;
    if (event.type === 'keydown' && event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    hidden.className = 'revealed';
    for (const name of ['role', 'tabindex', 'aria-label']) hidden.removeAttribute(name);
    hidden.replaceChildren(node);
  };
  hidden.addEventListener('click', show);
  hidden.addEventListener('keydown', show);
  return hidden;
}

function isEmoji(text) {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed.length > 40) return false;
  const parts = [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(trimmed.replace(/\s/g, ''))];
  return parts.length <= LARGE && parts.every(({ segment }) => /\p{Extended_Pictographic}|\p{Regional_Indicator}/u.test(segment) && !/^[\d#*©®™]$/.test(segment));
}
