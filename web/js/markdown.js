// The Markdown-flavoured text of messages → a tree of plain objects. Pure, and linear in the length of
// the text. The same rules as the gateway's own reader (`src/core/markdown`), so that a message looks
// here as it looks on the other networks. `ui/rich.js` makes DOM nodes of the tree.
//
// A block is `{quote, spans}` or `{quote, code, language}`; a span is `{text, …}` with any of `bold`,
// `italic`, `strike`, `spoiler`, `mono`, `link` (URL), `mention` (address).

import { partsOf, addressOf } from './address.js';

/** Stands between marks in what the gateway writes; has no width and no meaning. */
const GLUE = '\u2060';
const ESCAPABLE = '\\*_~|`[]()>';
const LONGEST_MENTION = 512;
const SCHEMES = ['http', 'https', 'mailto', 'irc', 'ircs', 'xmpp', 'matrix', 'tel', 'geo', 'ws', 'wss', 'ftp', 'sip', 'magnet'];
const MARKS = {
  '*': { 1: ['italic'], 2: ['bold'], 3: ['bold', 'italic'] },
  _: { 1: ['italic'] },
  '~': { 2: ['strike'] },
  '|': { 2: ['spoiler'] },
};
const MARK_OF = { spoiler: '||', strike: '~~', bold: '**', italic: '*' };

/** The blocks of a text. */
export function parse(text) {
  const lines = text.replace(/\r\n?/g, '\n').split('\n');
  const blocks = [];
  const openUntil = new Map();
  let joins = false;
  for (let at = 0; at < lines.length; ) {
    const [depth, line] = depthOf(lines[at]);
    const fence = fenceOf(line);
    const end = fence && closing(lines, at, depth, fence.length, openUntil);
    if (end) {
      const code = lines.slice(at + 1, end).map((inner) => unquoted(inner, depth) ?? '').join('\n');
      blocks.push({ quote: depth, code, language: fence.info });
      joins = false;
      at = end + 1;
      continue;
    }
    const last = blocks[blocks.length - 1];
    if (joins && last?.spans && last.quote === depth) {
      push(last.spans, '\n', {});
      inline(line, last.spans);
    } else {
      const spans = [];
      inline(line, spans);
      blocks.push({ quote: depth, spans });
    }
    joins = true;
    at += 1;
  }
  return blocks;
}

/** The words of a text without its formatting, on one line: for lists and notifications. */
export function toPlain(text) {
  const plain = (block) => (block.spans ? block.spans.map((span) => (span.spoiler ? '███' : span.text)).join('') : block.code);
  return parse(text.slice(0, 4096)).map(plain).join(' ').replace(/\s+/g, ' ').trim();
}

/** True for what a link may lead to. */
export function leadsSomewhere(target) {
  const colon = target.indexOf(':');
  return colon > 0 && colon + 1 < target.length && SCHEMES.includes(target.slice(0, colon).toLowerCase());
}

// -- blocks ---------------------------------------------------------------------------------------

function quotation(line) {
  const depth = /^>*/.exec(line)[0].length;
  const rest = line.slice(depth);
  if (depth === 0) return [0, line];
  if (rest.startsWith(' ')) return [depth, rest.slice(1)];
  return rest === '' ? [depth, rest] : [0, line];
}

function depthOf(line) {
  let [depth, rest] = quotation(line);
  while (depth > 0 && depth < 256) {
    const [more, inner] = quotation(rest);
    if (more === 0) break;
    depth += more;
    rest = inner;
  }
  return [Math.min(depth, 255), rest];
}

function unquoted(line, depth) {
  if (depth === 0) return line;
  if (line === undefined || !line.startsWith('>'.repeat(depth))) return undefined;
  const rest = line.slice(depth);
  if (rest.startsWith(' ')) return rest.slice(1);
  return rest === '' ? '' : undefined;
}

function fenceOf(line) {
  const length = /^`*/.exec(line)[0].length;
  const info = line.slice(length).trim();
  if (length < 3 || length > 64 || info.includes('`')) return null;
  return info === '' || /^[A-Za-z0-9+\-#._]{1,32}$/.test(info) ? { length, info } : null;
}

/** The line that closes the fence of line `at`; 0 if none does. `openUntil` keeps it linear. */
function closing(lines, at, depth, length, openUntil) {
  const key = `${depth}/${length}`;
  if (at < (openUntil.get(key) ?? 0)) return 0;
  let next = at + 1;
  for (; next < lines.length; next += 1) {
    const line = unquoted(lines[next], depth);
    if (line === undefined) break;
    const fence = fenceOf(line);
    if (fence && fence.length === length && fence.info === '') return next;
  }
  openUntil.set(key, next);
  return 0;
}

// -- within a line --------------------------------------------------------------------------------

function inline(line, spans) {
  emit(tokensOf(line, false), spans);
}

/** Letters and digits of scripts that write spaces between words. */
function isWordy(c) {
  return c !== undefined && /[\p{L}\p{N}]/u.test(c) &&
    !/[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\u{20000}-\u{3ffff}]/u.test(c);
}

const isSpace = (c) => c !== undefined && /\s/.test(c);
const opens = (before, after) => after !== undefined && !isSpace(after) && !isWordy(before);
const closes = (before, after) => before !== undefined && !isSpace(before) && !isWordy(after);

const after = (line, at) => (at < line.length ? String.fromCodePoint(line.codePointAt(at)) : undefined);

function before(line, at) {
  if (at === 0) return undefined;
  const low = line.charCodeAt(at - 1);
  const pair = low >= 0xdc00 && low <= 0xdfff && at > 1;
  return line.slice(at - (pair ? 2 : 1), at);
}

function rowOf(line, at, c) {
  let end = at;
  while (line[end] === c) end += 1;
  return end - at;
}

function ticksOf(line) {
  const rows = new Map();
  for (const row of line.matchAll(/`+/g)) {
    const length = row[0].length;
    if (!rows.has(length)) rows.set(length, []);
    rows.get(length).push(row.index);
  }
  return rows;
}

/** Where the next row of exactly `length` backticks begins; -1 if there is none. */
function nextTicks(rows, length, from) {
  const places = rows.get(length) ?? [];
  let low = 0;
  let high = places.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle] < from) low = middle + 1;
    else high = middle;
  }
  return places[low] ?? -1;
}

function tokensOf(line, inLabel) {
  const scan = { line, at: 0, literal: 0, tokens: [], ticks: ticksOf(line), noTargetBefore: 0 };
  while (scan.at < line.length) {
    const taken = special(scan, line[scan.at], inLabel);
    if (!taken) scan.at += 1;
  }
  endLiteral(scan);
  return scan.tokens;
}

function special(scan, c, inLabel) {
  switch (c) {
    case '\\': return escaped(scan);
    case '`': return code(scan);
    case '*': case '_': case '~': case '|': return mark(scan, c);
    case '[': return !inLabel && link(scan);
    case '@': return !inLabel && mention(scan);
    case 'h': case 'H': return !inLabel && bareLink(scan);
    case GLUE:
      endLiteral(scan);
      skip(scan, 1);
      return true;
    default: return false;
  }
}

function endLiteral(scan) {
  if (scan.literal < scan.at) scan.tokens.push({ text: scan.line.slice(scan.literal, scan.at) });
  scan.literal = scan.at;
}

function skip(scan, length) {
  scan.at += length;
  scan.literal = scan.at;
}

function take(scan, length, spans) {
  endLiteral(scan);
  scan.tokens.push({ spans });
  skip(scan, length);
  return true;
}

function escaped(scan) {
  const next = scan.line[scan.at + 1];
  if (next === undefined || !ESCAPABLE.includes(next)) return false;
  endLiteral(scan);
  skip(scan, 1);
  scan.at += 1;
  return true;
}

function code(scan) {
  const length = rowOf(scan.line, scan.at, '`');
  const begin = scan.at + length;
  const end = nextTicks(scan.ticks, length, begin);
  if (end <= begin) {
    scan.at += length;
    return true;
  }
  let text = scan.line.slice(begin, end);
  if (text.startsWith(' ') && text.endsWith(' ') && text.trim() !== '') text = text.slice(1, -1);
  return take(scan, end + length - scan.at, [{ text: text.replaceAll(GLUE, ''), mono: true }]);
}

function mark(scan, c) {
  const length = rowOf(scan.line, scan.at, c);
  const kinds = MARKS[c][length] ?? [];
  const [left, right] = [before(scan.line, scan.at), after(scan.line, scan.at + length)];
  const canOpen = kinds.length > 0 && opens(left, right);
  const canClose = kinds.length > 0 && closes(left, right);
  if (!canOpen && !canClose) {
    scan.at += length;
    return true;
  }
  endLiteral(scan);
  scan.tokens.push({ mark: scan.line.slice(scan.at, scan.at + length), kinds, opens: canOpen, closes: canClose });
  skip(scan, length);
  return true;
}

/** `[label](target)`. */
function link(scan) {
  const { line } = scan;
  const labelEnd = labelEndOf(scan);
  if (labelEnd < 0) return false;
  const begin = labelEnd + 1;
  if (line[begin] !== '(' || begin < scan.noTargetBefore) return false;
  let target = '';
  let at = begin + 1;
  for (; line[at] !== ')'; at += 1) {
    const c = line[at];
    if (c === undefined || /[\s\p{Cc}]/u.test(c)) {
      scan.noTargetBefore = at;
      return false;
    }
    if (c === '\\') {
      const next = line[at + 1];
      if (next === undefined || isSpace(next)) return false;
      target += ESCAPABLE.includes(next) ? next : `\\${next}`;
      at += 1;
    } else target += c;
  }
  if (!leadsSomewhere(target)) return false;
  const spans = [];
  emit(tokensOf(line.slice(scan.at + 1, labelEnd), true), spans);
  if (spans.length === 0) return false;
  for (const span of spans) span.link = target;
  return take(scan, at + 1 - scan.at, spans);
}

function labelEndOf({ line, at: begin, ticks }) {
  for (let at = begin + 1; at < line.length; ) {
    const c = line[at];
    if (c === ']') return at;
    if (c === '[') return -1;
    if (c === '`') {
      const length = rowOf(line, at, '`');
      const end = nextTicks(ticks, length, at + length);
      at = (end < 0 ? at : end) + length;
    } else at += c === '\\' && ESCAPABLE.includes(line[at + 1] ?? ' ') ? 2 : 1;
  }
  return -1;
}

/** `@name:host`, where nothing but a space or an opening mark stands before it. */
function mention(scan) {
  const left = before(scan.line, scan.at);
  if (left !== undefined && !isSpace(left) && !`${GLUE}([{*~|"'`.includes(left)) return false;
  const [found] = /^[^\s\p{Cc}<>()[\]{}"'|,;!?*~`\\\u2060]*/u.exec(scan.line.slice(scan.at, scan.at + LONGEST_MENTION));
  const text = found.replace(/[.:_]+$/, '');
  const parts = partsOf(text);
  if (!parts || !(/\./.test(parts.host) || /^localhost:/.test(parts.host))) return false;
  return take(scan, text.length, [{ text, mention: addressOf(parts) }]);
}

function bareLink(scan) {
  if (isWordy(before(scan.line, scan.at))) return false;
  const url = urlIn(scan.line.slice(scan.at));
  return url !== null && take(scan, url.length, [{ text: url, link: url }]);
}

/** The URL that a text begins with, without the punctuation behind it. */
export function urlIn(text) {
  const scheme = /^https?:\/\//i.exec(text)?.[0].length;
  if (!scheme) return null;
  let end = scheme;
  while (end < text.length) {
    const c = text[end];
    if (/[\s\p{Cc}<>"`*|\\\u2060]/u.test(c) || (c === '~' && text[end - 1] === '~')) break;
    end += 1;
  }
  const count = (c) => text.slice(scheme, end).split(c).length - 1;
  let round = count('(') - count(')');
  let square = count('[') - count(']');
  for (; end > scheme; end -= 1) {
    const c = text[end - 1];
    if (c === ')' && round < 0) round += 1;
    else if (c === ']' && square < 0) square += 1;
    else if (!".,;:!?'_~。，）".includes(c)) break;
  }
  return end > scheme ? text.slice(0, end) : null;
}

// -- pairing marks --------------------------------------------------------------------------------

const STYLES = ['bold', 'italic', 'strike', 'spoiler', 'mono', 'link', 'mention'];
const alike = (a, b) => STYLES.every((key) => (a[key] ?? false) === (b[key] ?? false));

function push(spans, text, style) {
  if (text === '') return;
  const last = spans[spans.length - 1];
  if (last && !last.mention && alike(last, style)) last.text += text;
  else spans.push({ ...style, text });
}

function emit(tokens, spans) {
  const changes = pair(tokens);
  const style = {};
  tokens.forEach((token, at) => {
    if (token.text !== undefined) push(spans, token.text, style);
    else if (token.spans) for (const span of token.spans) push(spans, span.text, { ...style, ...span });
    else {
      for (const kind of token.kinds) {
        const change = changes.get(at)?.find(([changed]) => changed === kind);
        if (!change) push(spans, token.kinds.length === 1 ? token.mark : MARK_OF[kind], style);
        else if (change[1]) style[kind] = true;
        else delete style[kind];
      }
    }
  });
}

/** For each mark's place, the formattings that it begins (true) or ends (false). */
function pair(tokens) {
  const changes = new Map();
  const change = (at, kind, on) => changes.set(at, [...(changes.get(at) ?? []), [kind, on]]);
  let open = [];
  tokens.forEach((token, at) => {
    if (!token.kinds) return;
    const places = token.kinds.map((kind) => open.findIndex((known) => known.kind === kind));
    if (token.closes && places.every((place) => place >= 0)) {
      const lowest = Math.min(...places);
      // What was opened in between and not closed is literal.
      for (const { kind, began } of open.slice(lowest)) {
        if (token.kinds.includes(kind)) {
          change(began, kind, true);
          change(at, kind, false);
        }
      }
      open = open.slice(0, lowest);
    } else if (token.opens && places.every((place) => place < 0)) {
      open.push(...token.kinds.map((kind) => ({ kind, began: at })));
    }
  });
  return changes;
}
