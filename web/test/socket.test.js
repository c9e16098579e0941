// The home socket: what is sent again, what is answered, and when it is tried again.

import test from 'node:test';
import assert from 'node:assert/strict';
import { HomeSocket, pauseBefore } from '../js/socket.js';

/** A WebSocket of which the test is the other end. */
class Fake {
  static all = [];
  readyState = 0;
  sent = [];

  constructor(url) {
    this.url = url;
    Fake.all.push(this);
  }

  open() {
    this.readyState = 1;
    this.onopen();
  }

  hear(frame) {
    this.onmessage({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) });
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code = 1006) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

function stage(t, onPush = () => ({ statusCode: '200' })) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  Fake.all = [];
  const socket = new HomeSocket('ws://h/alice?token=t', onPush, Fake);
  socket.open();
  t.after(() => socket.close());
  return socket;
}

test('a request without an answer is sent again, as it was, on the next socket', async (t) => {
  const socket = stage(t);
  const asked = socket.request({ messageId: '1', code: '2001', text: 'aA==' });
  Fake.all[0].open();
  Fake.all[0].close();
  assert.equal(socket.state, 'waiting');
  t.mock.timers.tick(1000);
  Fake.all[1].open();
  assert.deepEqual(Fake.all[1].sent, Fake.all[0].sent);
  Fake.all[1].hear({ messageId: '1', statusCode: '200' });
  assert.equal((await asked).statusCode, '200');
  Fake.all[1].close();
  t.mock.timers.tick(1000);
  Fake.all[2].open();
  assert.deepEqual(Fake.all[2].sent, []);
});

test('a socket that is closed for a reason of policy is one that may have lost its token', (t) => {
  const socket = stage(t);
  let refused = 0;
  socket.on('refused', () => (refused += 1));
  Fake.all[0].open();
  Fake.all[0].close(1001);
  assert.equal(refused, 0);
  t.mock.timers.tick(1000);
  Fake.all[1].open();
  Fake.all[1].close(1008);
  assert.equal(refused, 1);
});

test('a step of a call that has become too old is not sent again', async (t) => {
  const socket = stage(t);
  const asked = assert.rejects(socket.request({ messageId: '1', code: '2002' }, { live: true }));
  t.mock.timers.tick(40_000);
  Fake.all[0].open();
  await asked;
  assert.deepEqual(Fake.all[0].sent, []);
});

test('a failure comes with the words of the gateway', async (t) => {
  const socket = stage(t);
  Fake.all[0].open();
  const asked = socket.request({ messageId: '1', code: '1000' });
  Fake.all[0].hear({ messageId: '1', statusCode: '400', error: 'no' });
  await assert.rejects(asked, { message: 'no', status: 4 });
});

test('what is pushed is answered with what the owner says, once it has been kept', async (t) => {
  let keep;
  const kept = new Promise((resolve) => (keep = resolve));
  stage(t, () => kept.then(() => ({ statusCode: '200' })));
  Fake.all[0].open();
  Fake.all[0].hear({ messageId: 'p', code: '2001', text: '' });
  await settled();
  assert.deepEqual(Fake.all[0].sent, []);
  keep();
  await settled();
  assert.deepEqual(Fake.all[0].sent, [{ messageId: 'p', statusCode: '200' }]);
});

test('what could not be kept is answered such that it comes again', async (t) => {
  stage(t, () => Promise.reject(new Error('the disk is full')));
  Fake.all[0].open();
  Fake.all[0].hear({ messageId: 'p', code: '2001', text: '' });
  await settled();
  assert.equal(Fake.all[0].sent[0].statusCode, '500');
});

test('junk does nothing', async (t) => {
  stage(t);
  Fake.all[0].open();
  for (const junk of ['', '{', '[]', 'null', '{"statusCode":"200"}', '{"messageId":"x","statusCode":"200"}']) Fake.all[0].hear(junk);
  await settled();
  assert.deepEqual(Fake.all[0].sent, []);
});

test('a connection that is dead and does not know it is ended', (t) => {
  const socket = stage(t);
  Fake.all[0].open();
  t.mock.timers.tick(30_000);
  assert.equal(Fake.all[0].sent.length, 1);
  t.mock.timers.tick(20_000);
  assert.notEqual(socket.state, 'open');
});

test('pauses grow, are never the same for all, and have an end', () => {
  assert.ok(pauseBefore(0, 0) >= 250 && pauseBefore(0, 0.99) <= 500);
  assert.ok(pauseBefore(3, 0) > pauseBefore(0, 0.99));
  assert.ok(pauseBefore(1000, 0.99) <= 30_000);
});
