// Microphones, cameras, speakers, screens: asking the browser for them, and remembering which ones the
// person chose. Used by `call` and the device menus. What is done with a track is `call`'s business.

const KEY = 'monster.devices';
const KINDS = { audioinput: 'microphone', videoinput: 'camera', audiooutput: 'speaker' };

/** The devices chosen: `{microphone, camera, speaker}`, ids or absent. */
export function chosen() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY));
    return kept && typeof kept === 'object' ? kept : {};
  } catch {
    return {};
  }
}

export function choose(kind, id) {
  localStorage.setItem(KEY, JSON.stringify({ ...chosen(), [kind]: id }));
}

/** False where the browser gives no media at all: a page that came without TLS. */
export function isPossible() {
  return Boolean(globalThis.RTCPeerConnection && navigator.mediaDevices?.getUserMedia);
}

/** What there is to choose from: `{microphone, camera, speaker}`, lists of `{id, label}`. */
export async function devices() {
  const found = { microphone: [], camera: [], speaker: [] };
  for (const { kind, deviceId, label } of (await navigator.mediaDevices?.enumerateDevices()) ?? []) {
    if (deviceId && KINDS[kind]) found[KINDS[kind]].push({ id: deviceId, label });
  }
  return found;
}

const ideal = (id) => (id ? { deviceId: { ideal: id } } : {});

export function microphone() {
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...ideal(chosen().microphone) };
  return one({ audio });
}

export function camera() {
  const video = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 }, ...ideal(chosen().camera) };
  return one({ video });
}

/** A track of what the person chooses to show. */
export async function screen() {
  const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 15, max: 30 } }, audio: false });
  const [track] = stream.getVideoTracks();
  track.contentHint = 'detail';
  return track;
}

export function canShareScreen() {
  return Boolean(navigator.mediaDevices?.getDisplayMedia);
}

async function one(constraints) {
  if (!isPossible()) throw new DOMException('this page came without TLS', 'SecurityError');
  return (await navigator.mediaDevices.getUserMedia(constraints)).getTracks()[0];
}

/** The i18n key of why there is no microphone or camera. */
export function problemOf(error, kind) {
  switch (error?.name) {
    case 'NotAllowedError': return `media.${kind}.denied`;
    case 'NotFoundError': case 'OverconstrainedError': return `media.${kind}.missing`;
    case 'SecurityError': return 'media.insecure';
    default: return `media.${kind}.busy`;
  }
}
