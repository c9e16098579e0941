// Markdown-flavoured text as it is read, and that no text becomes anything but text.

import test from 'node:test';
import assert from 'node:assert/strict';
import { parse, toPlain, leadsSomewhere, urlIn } from '../js/markdown.js';

const spans = (text) => parse(text)[0].spans;

test('marks make bold, italic, struck, hidden and fixed-width text', () => {
  assert.deepEqual(spans('a **b** *c* _d_ ~~e~~ ||f|| `g`'), [
    { text: 'a ' }, { text: 'b', bold: true }, { text: ' ' }, { text: 'c', italic: true }, { text: ' ' }, { text: 'd', italic: true }, { text: ' ' },
    { text: 'e', strike: true }, { text: ' ' }, { text: 'f', spoiler: true }, { text: ' ' }, { text: 'g', mono: true },
  ]);
  assert.deepEqual(spans('***both***'), [{ text: 'both', bold: true, italic: true }]);
  assert.deepEqual(spans('中**文**字'), [{ text: '中' }, { text: '文', bold: true }, { text: '字' }]);
});

test('what people type without meaning it stays as typed', () => {
  for (const text of ['snake_case_name', '2*3*4', 'a * b * c', '**', '*', '_', '`', '``', '[', '[x]', '[x](', '(x)', '||', '>no quote', '5 > 3', '~', '@', '@bob', 'a@b.c:d', '****', '¯\\\u2060_(ツ)_/¯'.replace('\u2060', '')]) {
    const plain = parse(text).map((block) => block.spans.map((span) => span.text).join('')).join('\n');
    assert.equal(plain, text.replace(/\\([\\*_~|`[\]()>])/g, '$1'), text);
  }
});

test('a backslash makes a character literal', () => {
  assert.deepEqual(spans('\\*a\\*'), [{ text: '*a*' }]);
  assert.deepEqual(spans('\\[a\\](https://x.y)')[0], { text: '[a](' });
});

test('links lead where they say, without the punctuation behind them', () => {
  assert.deepEqual(spans('[here](https://a.b/c_(d\\))'), [{ text: 'here', link: 'https://a.b/c_(d)' }]);
  assert.deepEqual(spans('see https://a.b/c(d), ok'), [{ text: 'see ' }, { text: 'https://a.b/c(d)', link: 'https://a.b/c(d)' }, { text: ', ok' }]);
  assert.equal(urlIn('https://a.b/c)'), 'https://a.b/c');
  assert.equal(urlIn('https://'), null);
});

test('no link leads to a script, a file or data, however it is spelled', () => {
  for (const target of ['javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'data:text/html,x', 'vbscript:x', 'file:///etc/passwd', 'blob:x', ' javascript:x', 'java\tscript:x', 'https', ':x', 'about:blank', 'https:']) {
    assert.equal(leadsSomewhere(target), false, target);
    for (const span of parse(`[x](${target})`).flatMap((block) => block.spans ?? [])) assert.equal(span.link, undefined, target);
  }
});

test('markup is text like any other', () => {
  const text = '<img src=x onerror=alert(1)><script>alert(1)</script>&lt;b&gt;';
  assert.deepEqual(parse(text), [{ quote: 0, spans: [{ text }] }]);
});

test('mentions are addresses with a host', () => {
  assert.deepEqual(spans('hi @bob:libera:gw.example.org!'), [{ text: 'hi ' }, { text: '@bob:libera:gw.example.org', mention: '@bob:libera:gw.example.org' }, { text: '!' }]);
  assert.equal(spans('@bob:host')[0].mention, undefined);
  assert.equal(spans('@echo:echo:localhost:7580')[0].mention, '@echo:echo:localhost:7580');
});

test('code blocks keep their lines, quotations their depth', () => {
  assert.deepEqual(parse('a\n```rust\nfn *x*() {}\n\n```\n> b\n>> c'), [
    { quote: 0, spans: [{ text: 'a' }] },
    { quote: 0, code: 'fn *x*() {}\n', language: 'rust' },
    { quote: 1, spans: [{ text: 'b' }] },
    { quote: 2, spans: [{ text: 'c' }] },
  ]);
  assert.deepEqual(parse('```\nnot closed')[0].spans[0].text, '```\nnot closed');
});

test('the words alone are one line', () => {
  assert.equal(toPlain('**a**\n> b `c`\n```\nd\n```'), 'a b c d');
  assert.equal(toPlain('||secret||'), '███');
});

test('hostile texts take no longer than their length', { timeout: 10_000 }, () => {
  const parts = ['*', '**a', '_a ', '[', '[a](', '`', '``` \n', '>', '> > ', '||', '~~', 'https://(', '@a:b.c:', '\\', '[a](https://', '`a``b```'];
  for (const part of parts) {
    const started = performance.now();
    parse(part.repeat(Math.ceil(60_000 / part.length)));
    const took = performance.now() - started;
    assert.ok(took < 2000, `${JSON.stringify(part)} took ${Math.round(took)} ms`);
  }
});
