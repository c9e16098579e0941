// Negotiation, the ends of calls, and the figures of a connection.

import test from 'node:test';
import assert from 'node:assert/strict';
import { decide, audioDirection, isHeldBy, Negotiation } from '../js/calls/negotiation.js';
import { endOf } from '../js/calls/ending.js';
import { reading, compare, mosOf } from '../js/calls/quality.js';
import { readContext, readRefusal } from '../js/join.js';

const quiet = { type: 'offer', polite: false, making: false, state: 'stable', answerPending: false };

test('an offer that crosses ours is taken by the polite peer and ignored by the other', () => {
  for (const crossing of [{ making: true }, { state: 'have-local-offer' }]) {
    assert.equal(decide({ ...quiet, ...crossing, polite: true }), 'take');
    assert.equal(decide({ ...quiet, ...crossing, polite: false }), 'ignore');
  }
  assert.equal(decide(quiet), 'take');
  assert.equal(decide({ ...quiet, state: 'have-local-offer', answerPending: true }), 'take');
});

test('an answer is taken only by who waits for one', () => {
  assert.equal(decide({ ...quiet, type: 'answer', state: 'have-local-offer' }), 'take');
  assert.equal(decide({ ...quiet, type: 'answer' }), 'ignore');
});

test('the direction of the audio is read from its section, or from the session', () => {
  const sdp = (audio, session = '') => `v=0\r\n${session}m=audio 9 UDP 111\r\n${audio}m=video 9 UDP 96\r\na=inactive\r\n`;
  assert.equal(audioDirection(sdp('a=sendonly\r\n')), 'sendonly');
  assert.equal(audioDirection(sdp('', 'a=inactive\r\n')), 'inactive');
  assert.equal(audioDirection(sdp('')), 'sendrecv');
  assert.equal(audioDirection('v=0\r\nm=video 9 UDP 96\r\n'), null);
  assert.equal(audioDirection('v=0\r\nm=audio 0 UDP 111\r\n'), null);
  assert.deepEqual(['sendonly', 'inactive', 'recvonly', 'sendrecv'].map((direction) => isHeldBy(sdp(`a=${direction}\r\n`))), [true, true, false, false]);
});

/** Just enough of an `RTCPeerConnection` for the order of things. */
class Peer {
  signalingState = 'stable';
  localDescription = null;
  remoteDescription = null;
  pendingLocalDescription = null;
  added = [];
  #count = 0;

  async setLocalDescription(description) {
    if (description?.type === 'rollback') {
      this.signalingState = 'stable';
      this.pendingLocalDescription = null;
      return;
    }
    const type = this.signalingState === 'have-remote-offer' ? 'answer' : 'offer';
    this.#count += 1;
    this.localDescription = { type, sdp: `${type} ${this.#count}` };
    this.signalingState = type === 'offer' ? 'have-local-offer' : 'stable';
    this.pendingLocalDescription = type === 'offer' ? this.localDescription : null;
  }

  async setRemoteDescription(description) {
    this.remoteDescription = description;
    this.signalingState = description.type === 'offer' ? 'have-remote-offer' : 'stable';
    this.pendingLocalDescription = null;
  }

  async addIceCandidate(candidate) {
    this.added.push(candidate.candidate);
  }
}

function stage({ polite = false, refuse = () => false } = {}) {
  const pc = new Peer();
  const sent = [];
  const refused = [];
  const negotiation = new Negotiation(pc, {
    polite,
    send: async (context) => {
      sent.push(context);
      if (refuse(context)) throw new Error('refused');
    },
    onRefused: (error, type) => refused.push(type),
  });
  return { pc, sent, refused, negotiation };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('a caller offers first, updates later, and candidates never travel before their description', async () => {
  const { pc, sent, negotiation } = stage();
  pc.onicecandidate({ candidate: { candidate: 'candidate:early', sdpMid: '0', sdpMLineIndex: 0 } });
  await pc.onnegotiationneeded();
  await negotiation.take({ type: 'answer', sdp: 'theirs' });
  await pc.onnegotiationneeded();
  assert.deepEqual(sent.map(({ type }) => type), ['offer', 'candidates', 'update']);
  negotiation.close();
});

test('candidates of the other side wait for its description', async () => {
  const { pc, negotiation } = stage();
  await pc.onnegotiationneeded();
  negotiation.candidates([{ candidate: 'candidate:1' }]);
  await settled();
  assert.deepEqual(pc.added, []);
  await negotiation.take({ type: 'answer', sdp: 'theirs' });
  negotiation.candidates([{ candidate: 'candidate:2' }]);
  await settled();
  assert.deepEqual(pc.added, ['candidate:1', 'candidate:2']);
  negotiation.close();
});

test('a callee answers, and its later changes are updates', async () => {
  const { pc, sent, negotiation } = stage({ polite: true });
  await negotiation.take({ type: 'offer', sdp: 'theirs' });
  await pc.onnegotiationneeded();
  assert.deepEqual(sent.map(({ type }) => type), ['answer', 'update']);
  negotiation.close();
});

test('where two offers cross, the polite one gives way and the other goes on', async () => {
  for (const polite of [true, false]) {
    const { pc, sent, negotiation } = stage({ polite });
    await pc.onnegotiationneeded();
    await negotiation.take({ type: 'offer', sdp: 'theirs' });
    assert.deepEqual(sent.map(({ type }) => type), polite ? ['offer', 'answer'] : ['offer']);
    negotiation.close();
  }
});

test('an update that the gateway refuses is undone', async () => {
  const { pc, refused, negotiation } = stage({ refuse: ({ type }) => type === 'update' });
  await pc.onnegotiationneeded();
  await negotiation.take({ type: 'answer', sdp: 'theirs' });
  await pc.onnegotiationneeded();
  assert.deepEqual([pc.signalingState, refused], ['stable', ['update']]);
  negotiation.close();
});

test('an offer that is wanted while another is under way is made after it, once', async () => {
  const { pc, sent, negotiation } = stage();
  await pc.onnegotiationneeded();
  negotiation.renegotiate();
  negotiation.renegotiate();
  await settled();
  assert.deepEqual(sent.map(({ type }) => type), ['offer']);
  await negotiation.take({ type: 'answer', sdp: 'theirs' });
  pc.onsignalingstatechange();
  pc.onsignalingstatechange();
  await settled();
  assert.deepEqual(sent.map(({ type }) => type), ['offer', 'update']);
  negotiation.close();
});

test('nothing is sent once it is closed', async () => {
  const { pc, sent, negotiation } = stage();
  negotiation.close();
  await negotiation.take({ type: 'offer', sdp: 'theirs' });
  assert.deepEqual([sent, pc.onnegotiationneeded], [[], null]);
});

test('the end of a call is what the other side, or the gateway, says', () => {
  const caller = { incoming: false, answered: false };
  const callee = { incoming: true, answered: false };
  const talking = { incoming: false, answered: true };
  const end = (context, who) => endOf(context, who).end;
  assert.equal(end({ type: 'busy' }, caller), 'busy');
  assert.equal(end({ type: 'reject' }, caller), 'declined');
  assert.equal(end({ type: 'hangup', reason: 'no_answer' }, caller), 'no-answer');
  for (const reason of ['', 'cancelled', 'no_answer', 'gone', 'gateway_stopped']) assert.equal(end({ type: 'hangup', reason }, callee), 'missed');
  assert.equal(end({ type: 'hangup', reason: 'answered_elsewhere' }, callee), 'elsewhere');
  assert.equal(end({ type: 'hangup' }, talking), 'hung-up');
  assert.deepEqual(endOf({ type: 'hangup', reason: 'failed: no codec in common' }, caller), { end: 'failed', words: 'no codec in common' });
  assert.deepEqual(endOf({ type: 'hangup', reason: 'something unforeseen' }, talking), { end: 'said', words: 'something unforeseen' });
});

const stats = (values) => new Map(Object.entries(values).map(([id, one]) => [id, { id, ...one }]));

test('the figures of a connection are those of its last second', () => {
  const at = (timestamp, packetsReceived, packetsLost, bytesReceived) => reading(stats({
    i: { type: 'inbound-rtp', kind: 'audio', timestamp, packetsReceived, packetsLost, bytesReceived, jitter: 0.004 },
    o: { type: 'outbound-rtp', timestamp, bytesSent: bytesReceived },
    t: { type: 'transport', timestamp, selectedCandidatePairId: 'p' },
    p: { type: 'candidate-pair', timestamp, currentRoundTripTime: 0.05, localCandidateId: 'l' },
    l: { type: 'local-candidate', timestamp, candidateType: 'relay' },
  }));
  const figures = compare(at(1000, 100, 0, 10_000), at(2000, 145, 5, 15_000));
  assert.deepEqual([figures.loss, figures.rtt, figures.kbitIn, figures.relay], [0.1, 50, 40, true]);
  assert.equal(compare(at(1000, 100, 0, 0), at(2000, 150, 0, 0)).grade, 4);
  assert.equal(compare(at(1000, 100, 0, 0), at(2000, 100, 0, 0)).grade, 0);
});

test('more loss and more delay never sound better', () => {
  const grades = [0, 0.01, 0.05, 0.1, 0.3, 1].map((loss) => mosOf({ loss, jitter: 5, rtt: 40 }));
  assert.deepEqual(grades, [...grades].sort((a, b) => b - a));
  assert.ok(grades[0] > 4.2 && grades.at(-1) < 1.5 && grades.at(-1) >= 1);
  assert.ok(mosOf({ loss: 0, jitter: 5, rtt: 800 }) < mosOf({ loss: 0, jitter: 5, rtt: 100 }));
});

test('a guest takes only contexts of the call that the invitation names', () => {
  const invitation = { callId: 'c', media: 'video' };
  assert.equal(readContext('{"type":"offer","callId":"c","sdp":"v=0"}', invitation).video, true);
  for (const bad of ['', 'null', '[]', '{"type":"offer","callId":"d"}']) assert.equal(readContext(bad, invitation), null);
  assert.equal(readRefusal('{"type":"refused","error":"no"}'), 'no');
  for (const other of ['', 'null', '[]', '{"type":"offer"}']) assert.equal(readRefusal(other), null);
});
