// The signed-in account as a whole, with the gateway's ends of its socket and API in the test's hands.

import test from 'node:test';
import assert from 'node:assert/strict';
import { Client } from '../js/client.js';
import { ApiError } from '../js/api.js';
import { toBase64, fromBase64 } from '../js/protocol.js';

const me = '@alice:gw';
const bob = '@bob:gw';
const room = '@#rust:libera:gw';
const settled = async () => {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** The gateway's end of the socket. */
class Wire {
  static last = null;
  readyState = 0;
  sent = [];

  constructor() {
    Wire.last = this;
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code: 1006 });
  }

  push(frame) {
    this.onmessage({ data: JSON.stringify(frame) });
  }

  answer(request, fields = { statusCode: '200' }) {
    this.push({ messageId: request.messageId, ...fields });
  }
}

async function stage(t, { conversations = [], messages = {}, api: more = {} } = {}) {
  const read = [];
  const api = {
    me: async () => ({}),
    conversations: async () => ({ items: conversations }),
    messages: async (address) => messages[address] ?? { items: [] },
    markRead: async (address, number) => read.push([address, number]),
    ...more,
  };
  const client = new Client({ api, token: 't', me: { address: me, name: 'alice', nickname: 'Alice', socket: 'ws://gw/alice' }, Socket: Wire });
  t.after(() => client.stop());
  await client.start();
  Wire.last.readyState = 1;
  Wire.last.onopen();
  await settled();
  return { client, wire: Wire.last, read };
}

const said = (id, text, more = {}) => ({ messageId: id, code: '2001', text: toBase64(text), from: bob, to: me, nickname: 'Bob', time: 1000, ...more });

test('what is pushed is acknowledged, shown in its conversation and counted', async (t) => {
  const { client, wire } = await stage(t);
  wire.push(said('1', 'hi **there**'));
  wire.push(said('2', 'in the room', { to: room }));
  await settled();
  assert.deepEqual(wire.sent.map(({ messageId, statusCode }) => [messageId, statusCode]), [['1', '200'], ['2', '200']]);
  assert.deepEqual(client.list.map(({ address, unread, kind }) => [address, unread, kind]).sort(), [[room, 1, 'group'], [bob, 1, 'person']].sort());
  assert.equal(client.conversations.get(bob).last.text, 'hi there');
});

test('what is pushed again is acknowledged again and counted once', async (t) => {
  const { client, wire } = await stage(t);
  for (let time = 0; time < 3; time += 1) {
    wire.push(said('1', 'hi'));
    await settled();
  }
  assert.deepEqual([wire.sent.length, client.unread, client.timeline(bob).items.length], [3, 1, 1]);
});

test('a frame that is not understood is refused, and nothing else happens', async (t) => {
  const { client, wire } = await stage(t);
  wire.push(said('1', '', { text: '/w==' }));
  wire.push({ messageId: '2', code: '1234', from: bob });
  await settled();
  assert.deepEqual([wire.sent.map(({ statusCode }) => statusCode), client.list.length], [['400', '400'], 0]);
});

test('what is said in a linked room belongs to the conversation of the room that was joined', async (t) => {
  const linked = '@#rust:matrix:gw';
  const { client, wire } = await stage(t, { conversations: [{ address: room, name: '#rust', kind: 'group', relation: 'accepted', places: [room, linked], last: null, unread: 0 }] });
  wire.push(said('1', 'hi', { to: linked }));
  await settled();
  assert.deepEqual([client.list.length, client.conversations.get(room).unread], [1, 1]);
});

test('edits, reactions and recalls are not unread messages', async (t) => {
  const { client, wire } = await stage(t);
  wire.push(said('1', 'hi'));
  wire.push(said('2', 'hello', { replaces: '1' }));
  wire.push(said('3', '👍', { replyTo: '1', reaction: '👍' }));
  await settled();
  const [item] = client.timeline(bob).items;
  assert.deepEqual([client.unread, item.text, item.reactions.length], [1, 'hello', 1]);
  wire.push({ messageId: '4', code: '2004', from: bob, to: me, recallMessageId: '1' });
  await settled();
  assert.equal(item.recalled, true);
});

test('a message is shown at once, marked until it is taken, and says why it was not', async (t) => {
  const { client, wire } = await stage(t);
  client.send(bob, 'one');
  client.send(bob, 'two');
  await settled();
  const [one, two] = client.timeline(bob).items;
  assert.deepEqual([one.status, two.status], ['sending', 'sending']);
  assert.deepEqual(wire.sent.map(({ to, text }) => [to, fromBase64(text)]), [[bob, 'one'], [bob, 'two']]);
  wire.answer(wire.sent[0]);
  wire.answer(wire.sent[1], { statusCode: '400', error: 'too long' });
  await settled();
  assert.deepEqual([one.status, two.status, two.error], ['sent', 'failed', 'too long']);
  assert.equal(client.unread, 0);
});

test('reading tells the gateway the number of the newest message', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const row = { number: 7, messageId: '1', from: bob, nickname: 'Bob', time: 1000, kind: 'text', text: 'hi' };
  const { client, wire, read } = await stage(t, { messages: { [bob]: { items: [row] } } });
  wire.push(said('1', 'hi'));
  await settled();
  client.markRead(bob);
  assert.equal(client.unread, 0);
  t.mock.timers.tick(1000);
  await settled();
  client.markRead(bob);
  t.mock.timers.tick(1000);
  await settled();
  assert.deepEqual(read, [[bob, 7]]);
});

test('the history and what came live are one list, and older pages go before it', async (t) => {
  const row = (number) => ({ number, messageId: `m${number}`, from: bob, nickname: 'Bob', time: number * 100, kind: 'text', text: `${number}` });
  const pages = { first: { items: [row(4), row(3)], next: '3' }, 3: { items: [row(2), row(1)] } };
  const { client, wire } = await stage(t, { api: { messages: async (_, { cursor } = {}) => pages[cursor ?? 'first'] } });
  wire.push(said('m4', '4', { time: 400 }));
  wire.push(said('m5', '5', { time: 500 }));
  await client.load(bob);
  assert.deepEqual(client.timeline(bob).items.map(({ id }) => id), ['m3', 'm4', 'm5']);
  assert.equal(client.hasOlder(bob), true);
  await client.loadOlder(bob);
  assert.deepEqual(client.timeline(bob).items.map(({ id }) => id), ['m1', 'm2', 'm3', 'm4', 'm5']);
  assert.equal(client.hasOlder(bob), false);
});

test('after a long time away, what no longer joins is read anew', async (t) => {
  const row = (number) => ({ number, messageId: `m${number}`, from: bob, nickname: 'Bob', time: number * 100, kind: 'text', text: `${number}` });
  let page = { items: [row(2), row(1)], next: '1' };
  const conversations = [{ address: bob, name: 'Bob', kind: 'person', relation: null, places: [bob], last: null, unread: 0 }];
  const { client, wire } = await stage(t, { conversations, api: { messages: async () => page } });
  client.active = bob;
  await client.load(bob);
  page = { items: [row(90), row(89)], next: '89' };
  t.mock.timers.enable({ apis: ['setTimeout'] });
  wire.close();
  t.mock.timers.tick(1000);
  Wire.last.readyState = 1;
  Wire.last.onopen();
  await settled();
  assert.deepEqual(client.timeline(bob).items.map(({ id }) => id), ['m89', 'm90']);
});

test('of somebody with whom there is no conversation nothing is asked', async (t) => {
  const asked = [];
  const { client } = await stage(t, { api: { messages: async (address) => { asked.push(address); return { items: [] }; } } });
  await client.load(room);
  assert.deepEqual([asked, client.hasOlder(room)], [[], false]);
});

test('of the lines that calls leave only a missed one is counted', async (t) => {
  const { client, wire } = await stage(t);
  const line = (id, outcome, missed) => said(id, 'in words', { call: { incoming: true, video: false, outcome, ...(missed && { missed }) } });
  wire.push(line('1', 'answered', false));
  wire.push(line('2', 'cancelled', true));
  wire.push(line('3', 'declined', false));
  await settled();
  assert.equal(client.unread, 1);
  assert.deepEqual(client.timeline(bob).items.map(({ kind }) => kind), ['notice', 'notice', 'notice']);
  assert.equal(client.conversations.get(bob).last.call.outcome, 'declined');
});

test('a request waits for its answer, and agreeing makes a contact', async (t) => {
  const { client, wire } = await stage(t);
  wire.push({ messageId: '1', code: '1001', from: bob, to: me, nickname: 'Bob' });
  await settled();
  assert.deepEqual([client.conversations.get(bob).relation, client.unread], ['invited', 1]);
  const joined = client.join(bob);
  await settled();
  wire.answer(wire.sent.at(-1), { statusCode: '100', type: '1' });
  assert.equal(await joined, 'accepted');
  assert.equal(client.conversations.get(bob).relation, 'accepted');
});

test('a token that is no longer good signs out', async (t) => {
  let good = true;
  const { client, wire } = await stage(t, { api: { me: async () => { if (!good) throw new ApiError(401, 'no'); } } });
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let out = 0;
  client.on('signedOut', () => (out += 1));
  good = false;
  wire.close();
  t.mock.timers.tick(1000);
  Wire.last.close();
  await settled();
  assert.equal(out, 1);
});

test('calls go through untouched and are acknowledged', async (t) => {
  const { client, wire } = await stage(t);
  const heard = [];
  client.on('call', (frame) => heard.push(frame.messageId));
  wire.push({ messageId: 'c', code: '2003', from: bob, text: '' });
  await settled();
  assert.deepEqual([heard, wire.sent[0].statusCode], [['c'], '200']);
});
