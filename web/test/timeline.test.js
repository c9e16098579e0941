// Messages as they read after what happened to them, in whatever order that is heard.

import test from 'node:test';
import assert from 'node:assert/strict';
import { Timeline, eventOfFrame, eventOfRow } from '../js/timeline.js';
import { toBase64 } from '../js/protocol.js';

const me = '@alice:gw';
const bob = '@bob:gw';
const text = (id, at, more = {}) => ({ id, kind: 'text', from: bob, name: 'Bob', at, mine: false, text: `text of ${id}`, ...more });

const history = [
  text('1', 10),
  text('2', 20, { from: me, mine: true }),
  { id: '3', kind: 'edit', from: bob, at: 30, replaces: '1', text: 'edited once' },
  { id: '4', kind: 'edit', from: bob, at: 40, replaces: '3', text: 'edited twice' },
  { id: '5', kind: 'reaction', from: me, at: 50, replyTo: '1', reaction: '👍', mine: true },
  { id: '6', kind: 'reaction', from: bob, name: 'Bob', at: 60, replyTo: '2', reaction: '🎉' },
  { id: '7', kind: 'recall', from: bob, at: 70, target: '6' },
  text('8', 80),
  { id: '9', kind: 'recall', from: bob, at: 90, target: '8' },
];

const read = (timeline) => timeline.items.map(({ id, text: words, edited, recalled, reactions }) => ({ id, words, edited, recalled, reactions: reactions.map(({ emoji }) => emoji) }));

const expected = [
  { id: '1', words: 'edited twice', edited: true, recalled: false, reactions: ['👍'] },
  { id: '2', words: 'text of 2', edited: false, recalled: false, reactions: [] },
  { id: '8', words: '', edited: false, recalled: true, reactions: [] },
];

function all(events) {
  const timeline = new Timeline();
  for (const event of events) timeline.add({ ...event });
  return timeline;
}

test('events apply in order, backwards, and any number of times', () => {
  assert.deepEqual(read(all(history)), expected);
  assert.deepEqual(read(all([...history].reverse())), expected);
  assert.deepEqual(read(all([...history, ...history, ...[...history].reverse()])), expected);
});

test('events apply in any order', () => {
  // A small generator, so that a failure can be seen again.
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (let round = 0; round < 300; round += 1) {
    const shuffled = history.map((event) => [random(), event]).sort((a, b) => a[0] - b[0]).map(([, event]) => event);
    assert.deepEqual(read(all(shuffled)), expected, shuffled.map(({ id }) => id).join(' '));
  }
});

test('only the author changes a message', () => {
  const timeline = all([text('1', 10), { id: '2', kind: 'edit', from: '@mallory:gw', at: 20, replaces: '1', text: 'not Bob' }]);
  assert.equal(timeline.get('1').text, 'text of 1');
});

test('an older edit does not undo a newer one', () => {
  const timeline = all([text('1', 10), { id: '3', kind: 'edit', from: bob, at: 30, replaces: '1', text: 'newer' }, { id: '2', kind: 'edit', from: bob, at: 20, replaces: '1', text: 'older' }]);
  assert.equal(timeline.get('1').text, 'newer');
});

test('the same reaction of the same person counts once', () => {
  const react = (id) => ({ id, kind: 'reaction', from: bob, at: 20, replyTo: '1', reaction: '👍' });
  assert.equal(all([text('1', 10), react('2'), react('3')]).get('1').reactions.length, 1);
});

test('what waits for a message that never comes is bounded', () => {
  const timeline = new Timeline();
  for (let at = 0; at < 5000; at += 1) timeline.add({ id: `e${at}`, kind: 'edit', from: bob, at, replaces: `m${at}`, text: 'x' });
  timeline.add(text('m0', 1));
  timeline.add(text('m4999', 2));
  assert.deepEqual([timeline.get('m0').text, timeline.get('m4999').text], ['x', 'text of m4999']);
});

test('a message that was sent here and comes back with the history is one', () => {
  const timeline = all([{ ...text('1', 10, { from: me, mine: true }), status: 'sending' }]);
  timeline.add({ ...text('1', 12, { from: me, mine: true }), number: 7 });
  assert.deepEqual([timeline.items.length, timeline.get('1').status, timeline.get('1').number, timeline.get('1').at], [1, 'sent', 7, 12]);
});

test('frames and rows tell of the same events', () => {
  const frame = { messageId: '1', code: '2001', from: bob, nickname: 'Bob', time: 5, text: toBase64('hi'), replyTo: '0' };
  const row = { number: 3, messageId: '1', kind: 'text', from: bob, nickname: 'Bob', time: 5, text: 'hi', replyTo: '0' };
  const pick = ({ id, kind, from, name, at, mine, text: words, replyTo }) => ({ id, kind, from, name, at, mine, words, replyTo });
  assert.deepEqual(pick(eventOfFrame(frame, me)), pick(eventOfRow(row, me)));
  const kinds = [{ replaces: '1' }, { reaction: '👍', replyTo: '1' }].map((more) => eventOfFrame({ ...frame, ...more }, me).kind);
  assert.deepEqual([...kinds, eventOfFrame({ messageId: '2', code: 2004, from: bob, recallMessageId: '1' }, me).target], ['edit', 'reaction', '1']);
  assert.equal(eventOfFrame({ messageId: '2', code: '9999', from: bob }, me), null);
  assert.equal(eventOfRow({ kind: 'hologram' }, me), null);
  assert.equal(eventOfRow({ ...row, kind: 'notice', from: me }, me), null);
  assert.throws(() => eventOfFrame({ ...frame, text: '/w==' }, me));
});
