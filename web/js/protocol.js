// Frames and call contexts (docs/protocol.md "Frames", "Calls"): text ⇄ objects. Pure; what a frame
// leads to is in `store` and `calls/`, how it travels in `socket`.

/** What requests ask. */
export const CODE = { INFO: '1000', JOIN: '1001', LEAVE: '1004', TEXT: '2001', VOICE: '2002', VIDEO: '2003', RECALL: '2004' };

/** The longest session description, in bytes. */
export const MAX_SDP_BYTES = 64 * 1024;
/** The most candidates in one call frame. */
export const MAX_CANDIDATES = 64;

const STEPS = ['offer', 'ringing', 'answer', 'candidates', 'update', 'dtmf', 'hangup', 'reject', 'busy'];

/** An id that nobody else uses. (`randomUUID` is missing where the page came without TLS.) */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `web-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** Text as base64 of UTF-8. */
export function toBase64(text) {
  const bytes = new TextEncoder().encode(text);
  let binary = '';
  // A call of `fromCharCode` takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 8192) binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(binary);
}

/** The inverse. Throws if it is no base64 of UTF-8. */
export function fromBase64(text) {
  const binary = atob(text);
  return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(binary, (c) => c.charCodeAt(0)));
}

/** A frame that came: `{kind: 'request' | 'response', frame}`, or `null` for something else. */
export function readFrame(text) {
  let frame;
  try {
    frame = JSON.parse(text);
  } catch {
    return null;
  }
  if (frame === null || typeof frame !== 'object' || Array.isArray(frame)) return null;
  if (frame.statusCode != null) return { kind: 'response', frame };
  return frame.code != null && typeof frame.messageId === 'string' ? { kind: 'request', frame } : null;
}

/** The hundreds of a `statusCode`: 1, 2 good; 3 elsewhere; 4 our fault; 5 later. 5 if unreadable. */
export function statusOf(frame) {
  const status = Math.floor(Number(frame.statusCode) / 100);
  return status >= 1 && status <= 5 ? status : 5;
}

/** A failed request, with the gateway's words. */
export class RequestError extends Error {
  constructor(frame) {
    super(frame.error || `statusCode ${frame.statusCode}`);
    this.name = 'RequestError';
    this.status = statusOf(frame);
    this.location = frame.location;
  }
}

/** The request for one step of a call. `to` is left out where there is only one other side. */
export function callFrame(context, { to, video }) {
  return { messageId: newId(), code: video ? CODE.VIDEO : CODE.VOICE, ...(to && { to }), text: toBase64(JSON.stringify(context)) };
}

/**
 * The call context of a request, or `null` if it is none that can be understood. Strings where
 * strings belong, whatever the other side sent.
 */
export function readCall(frame) {
  let context;
  try {
    const text = fromBase64(frame.text ?? '');
    if (text.trimStart().startsWith('v=0')) context = { type: 'offer', sdp: text.trimStart() };
    else context = JSON.parse(text);
  } catch {
    return null;
  }
  if (context === null || typeof context !== 'object' || !STEPS.includes(context.type)) return null;
  const string = (value) => (typeof value === 'string' ? value : undefined);
  const call = {
    type: context.type,
    callId: string(context.callId) ?? (context.type === 'offer' ? frame.messageId : undefined),
    sdp: string(context.sdp),
    reason: string(context.reason),
    keys: string(context.keys),
    link: context.link === true,
    video: String(frame.code) === CODE.VIDEO,
    candidates: Array.isArray(context.candidates) ? context.candidates.filter(isCandidate).slice(0, MAX_CANDIDATES) : [],
    muted: undefined,
  };
  if (context.muted && typeof context.muted === 'object') {
    call.muted = { audio: context.muted.audio === true, video: context.muted.video === true };
  }
  const needsSdp = call.type === 'offer' || call.type === 'answer' || (call.type === 'update' && !call.muted);
  return call.callId && (call.sdp || !needsSdp) ? call : null;
}

function isCandidate(value) {
  return value !== null && typeof value === 'object' && typeof value.candidate === 'string' && value.candidate.length <= 1024;
}
