// Frames, call contexts, addresses as they are read and written.

import test from 'node:test';
import assert from 'node:assert/strict';
import { toBase64, fromBase64, readFrame, readCall, callFrame, statusOf, newId } from '../js/protocol.js';
import { partsOf, addressOf, readAddress, readSignIn, pathOf, nameOf, networkOf } from '../js/address.js';

test('base64 of UTF-8 goes both ways, whatever the length', () => {
  for (const text of ['', 'hello', '你好，世界', '👩‍👩‍👧', 'x'.repeat(100_001)]) assert.equal(fromBase64(toBase64(text)), text);
  assert.throws(() => fromBase64('/w=='));
  assert.throws(() => fromBase64('not base64!'));
});

test('a frame with a statusCode is a response, one with a code a request, anything else nothing', () => {
  assert.equal(readFrame('{"messageId":"1","statusCode":"200"}').kind, 'response');
  assert.equal(readFrame('{"messageId":"1","code":"2001"}').kind, 'request');
  assert.equal(readFrame('{"messageId":"1","code":"2001","statusCode":200}').kind, 'response');
  for (const bad of ['', '[]', 'null', '1', '{}', '{"code":"2001"}', '{"code":"2001","messageId":7}', '<b>']) assert.equal(readFrame(bad), null);
});

test('only the hundreds of a statusCode count, and an unreadable one is a 500', () => {
  assert.deepEqual(['100', 200, '404', '5xx', undefined, '900'].map((statusCode) => statusOf({ statusCode })), [1, 2, 4, 5, 5, 5]);
});

test('ids do not repeat', () => {
  assert.equal(new Set(Array.from({ length: 1000 }, newId)).size, 1000);
});

const callOf = (context, code = '2002') => readCall({ code, messageId: 'm1', text: toBase64(typeof context === 'string' ? context : JSON.stringify(context)) });

test('call contexts are read as the protocol has them', () => {
  assert.equal(callOf({ type: 'offer', callId: 'c', sdp: 'v=0' }).callId, 'c');
  assert.equal(callOf({ type: 'offer', sdp: 'v=0' }).callId, 'm1');
  assert.deepEqual([callOf('v=0\r\n').type, callOf('v=0\r\n').callId], ['offer', 'm1']);
  assert.equal(callOf({ type: 'hangup', callId: 'c', reason: 'bye' }, '2003').video, true);
  assert.deepEqual(callOf({ type: 'update', callId: 'c', muted: { audio: true, video: 'yes' } }).muted, { audio: true, video: false });
});

test('what is no step of a call is not taken for one', () => {
  const bad = ['', 'ring me', '{', 'null', { type: 'dance', callId: 'c' }, { type: 'hangup' }, { type: 'offer', callId: 'c' }, { type: 'answer', callId: 'c', sdp: 7 }, { type: 'update', callId: 'c' }];
  for (const context of bad) assert.equal(callOf(context), null, JSON.stringify(context));
  assert.equal(readCall({ code: '2002', messageId: 'm' }), null);
});

test('candidates of a wrong kind are left out, and more than 64 as well', () => {
  const candidates = [...Array.from({ length: 70 }, () => ({ candidate: 'candidate:1' })), null, 'x', { candidate: 7 }];
  assert.equal(callOf({ type: 'candidates', callId: 'c', candidates }).candidates.length, 64);
  assert.equal(callOf({ type: 'candidates', callId: 'c', candidates: [null, { candidate: 'x'.repeat(2000) }] }).candidates.length, 0);
});

test('a step is sent as base64 of its context, with the code of the call', () => {
  const frame = callFrame({ type: 'hangup', callId: 'c' }, { to: '@bob:h', video: true });
  assert.deepEqual([frame.code, frame.to, fromBase64(frame.text)], ['2003', '@bob:h', '{"type":"hangup","callId":"c"}']);
  assert.ok(!('to' in callFrame({ type: 'hangup' }, { video: false })));
});

test('addresses are taken apart and put together again', () => {
  const cases = {
    '@alice:gw.example.org': ['alice', [], 'gw.example.org'],
    '@#rust:libera:gw.example.org': ['#rust', ['libera'], 'gw.example.org'],
    '@bob@matrix.org:matrix:gw.example.org:7580': ['bob@matrix.org', ['matrix'], 'gw.example.org:7580'],
    '@carol:[2001:db8::1]:8080': ['carol', [], '[2001:db8::1]:8080'],
    '@a%3Ab:h:80': ['a:b', [], 'h:80'],
    '@bobcbui:api:232.222.123:8080': ['bobcbui', ['api'], '232.222.123:8080'],
    '@张三:网关.example': ['张三', [], '网关.example'],
  };
  for (const [text, [name, path, host]] of Object.entries(cases)) {
    assert.deepEqual(partsOf(text), { name, path, host }, text);
    assert.equal(addressOf({ name, path, host }), text);
  }
  assert.equal(pathOf('@#rust:libera:gw.example.org'), '/libera/%23rust');
  assert.deepEqual([nameOf('@bob:libera:gw.example.org'), networkOf('@bob:libera:gw.example.org'), networkOf('@bob:gw')], ['bob', 'libera', '']);
});

test('what is no address is none', () => {
  for (const bad of ['', 'alice', '@', '@:h', '@a', '@a::h', '@..:h', '@%2e%2e:h', `@${'a'.repeat(3000)}:h`, null, 7]) assert.equal(partsOf(bad), null, String(bad));
});

test('what is typed as an address may leave out the marks and the host', () => {
  const here = 'gw.example.org';
  assert.equal(readAddress('alice', here), '@alice:gw.example.org');
  assert.equal(readAddress('#rust:libera', here), '@#rust:libera:gw.example.org');
  assert.equal(readAddress('@bob:other.example', here), '@bob:other.example');
  assert.equal(readAddress(' @echo:echo:localhost:7580 ', here), '@echo:echo:localhost:7580');
  assert.equal(readAddress('wss://gw.example.org/libera/%23rust?token=x', here), '@#rust:libera:gw.example.org');
  for (const bad of ['', 'two words', '@', 'a::b']) assert.equal(readAddress(bad, here), null);
});

test('signing in understands a name, an address and a pasted URL, and only of this host', () => {
  const read = (account, token = '') => readSignIn(account, token, 'gw.example.org');
  assert.deepEqual(read(' alice ', ' t '), { name: 'alice', token: 't' });
  assert.deepEqual(read('@alice:gw.example.org', 't'), { name: 'alice', token: 't' });
  assert.deepEqual(read('wss://gw.example.org/alice?token=abc'), { name: 'alice', token: 'abc' });
  assert.equal(read('@alice:other.example', 't'), null);
  assert.equal(read('wss://other.example/alice?token=abc'), null);
  assert.equal(read('@bob:libera:gw.example.org', 't'), null);
});
