// The lines of calls, in words.

import test from 'node:test';
import assert from 'node:assert/strict';
import { wordsOf } from '../js/ui/callline.js';
import { LANGUAGES } from '../js/i18n.js';

const line = (fields) => wordsOf({ text: 'the gateway’s words', call: { incoming: false, video: false, outcome: 'answered', ...fields } });

test('what became of a call is said in the reader’s language', () => {
  assert.equal(line({ seconds: 192 }), 'Voice call, 3:12');
  assert.equal(line({ video: true, seconds: 2, guest: 'Bob', roundTrip: 31, lost: 4 }), 'Video call with Bob, 0:02 · round trip 31 ms, 0.4 % lost');
  assert.equal(line({ seconds: 5, reason: 'gone' }), 'Voice call, 0:05 (the connection was lost)');
  assert.equal(line({ reason: 'gateway_stopped' }), 'Voice call (the gateway stopped)');
  assert.equal(line({ outcome: 'missed' }), 'Voice call: no answer');
  assert.equal(line({ outcome: 'missed', reason: 'gateway_stopped' }), 'Voice call: not put through, the gateway stopped');
  assert.equal(line({ outcome: 'failed', reason: 'failed: bob is not online' }), 'Voice call: bob is not online');
  assert.equal(line({ outcome: 'failed', reason: 'no_media' }), 'Voice call: nothing could be heard');
  assert.equal(line({ incoming: true, missed: true, outcome: 'cancelled', video: true }), 'Missed video call');
  assert.equal(line({ incoming: true, missed: true, outcome: 'busy' }), 'Missed voice call (busy)');
  assert.equal(line({ incoming: true, outcome: 'declined' }), 'Voice call: declined');
});

test('what is not understood is in the gateway’s words, and no line of a call is the text itself', () => {
  assert.equal(line({ outcome: 'teleported' }), 'the gateway’s words');
  assert.equal(wordsOf({ text: 'hi' }), 'hi');
  assert.equal(wordsOf({}), '');
});

test('every piece of a line is in every language', () => {
  const keys = Object.keys(LANGUAGES.en).filter((key) => key.startsWith('line.'));
  assert.ok(keys.length > 15);
  for (const words of Object.values(LANGUAGES)) for (const key of keys) assert.ok(words[key], key);
});
