// Why a call is over: the gateway's `reason` → what a person is told. Pure; `call` asks.

/** The reasons of docs/protocol.md "Why a call ended" → the `call.end.*` of who was talking, or calling. */
const ENDS = {
  '': 'hung-up', hung_up: 'hung-up', cancelled: 'hung-up', declined: 'declined', busy: 'busy', no_answer: 'no-answer',
  answered_elsewhere: 'elsewhere', gone: 'gone', no_media: 'no-media', gateway_stopped: 'gateway', failed: 'failed',
};
/** Those that make a call that was not answered here a missed one. */
const MISSED = ['hung-up', 'no-answer', 'gone', 'gateway', 'said'];

/**
 * Why a call is over, by the context that ended it: `{end, words}`, one of the `call.end.*` and the
 * gateway's own words, if any.
 */
export function endOf({ type, reason = '' }, { incoming, answered }) {
  const { code, words } = readReason(reason) ?? {};
  let end = { busy: 'busy', reject: 'declined' }[type] ?? ENDS[code] ?? 'said';
  if (incoming && !answered && MISSED.includes(end)) end = 'missed';
  return { end, words: end === 'said' ? reason : words ?? '' };
}

/** The code of a reason, and the words behind it; `null` where it is somebody's own words. */
export function readReason(reason) {
  const match = /^(\w*)(?:: (.*))?$/su.exec(reason);
  return match && { code: match[1], words: match[2] ?? '' };
}
