// Every language has every key, and no key that the code uses is missing.

import test from 'node:test';
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { LANGUAGES, pick } from '../js/i18n.js';

const root = new URL('../js/', import.meta.url);
const placeholders = (words) => [...words.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test('every language has the same keys with the same values to put in', () => {
  const [first, ...others] = Object.entries(LANGUAGES);
  for (const [name, words] of others) {
    assert.deepEqual(Object.keys(words).sort(), Object.keys(first[1]).sort(), name);
    for (const key of Object.keys(words)) assert.deepEqual(placeholders(words[key]), placeholders(first[1][key]), `${name}: ${key}`);
  }
});

test('every key that the code names is there', () => {
  const files = readdirSync(root, { recursive: true }).filter((name) => name.endsWith('.js') && !name.startsWith('i18n'));
  const used = new Set();
  for (const name of files) {
    const code = readFileSync(new URL(name, root), 'utf8');
    for (const [, key] of code.matchAll(/\bt\('([a-z][\w.-]+)'/g)) used.add(key);
  }
  assert.ok(used.size > 50);
  for (const key of used) assert.ok(key in LANGUAGES.en, key);
});

test('every end and state of a call has words', () => {
  const ends = ['hung-up', 'rejected', 'declined', 'busy', 'missed', 'no-answer', 'elsewhere', 'gone', 'no-media', 'gateway', 'lost', 'failed', 'said', 'no-microphone'];
  const states = ['incoming', 'preparing', 'calling', 'ringing', 'connecting', 'connected', 'reconnecting', 'ended'];
  for (const key of [...ends.map((end) => `call.end.${end}`), ...states.map((state) => `call.state.${state}`)]) assert.ok(key in LANGUAGES.en, key);
});

test('the language is the first that the browser prefers and we have', () => {
  assert.equal(pick(['fr-FR', 'zh-TW', 'en']), 'zh');
  assert.equal(pick(['en-GB']), 'en');
  assert.equal(pick([]), 'en');
});
