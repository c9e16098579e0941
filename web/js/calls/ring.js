// The sounds of a call, made by WebAudio: somebody rings, it rings there, it is over. No files. Silent
// where the browser allows no sound before the person has touched the page.

/** Frequencies in Hz, times in s. */
const PATTERNS = {
  incoming: { period: 2.4, notes: [[659, 0, 0.18], [784, 0.2, 0.18], [988, 0.4, 0.3], [784, 0.9, 0.18], [988, 1.1, 0.4]], gain: 0.12 },
  outgoing: { period: 4, notes: [[425, 0, 1]], gain: 0.05 },
  busy: { period: 0.96, notes: [[425, 0, 0.48]], gain: 0.05, times: 3 },
  over: { period: 1, notes: [[494, 0, 0.12], [392, 0.14, 0.2]], gain: 0.06, times: 1 },
  message: { period: 1, notes: [[880, 0, 0.08], [1175, 0.09, 0.12]], gain: 0.05, times: 1 },
};

let context = null;
let stopLast = () => {};

function audio() {
  context ??= globalThis.AudioContext ? new AudioContext() : null;
  if (context?.state === 'suspended') context.resume().catch(() => {});
  return context;
}

function play(pattern) {
  const ctx = audio();
  if (!ctx) return [];
  return pattern.notes.map(([frequency, start, length]) => {
    const [oscillator, gain] = [ctx.createOscillator(), ctx.createGain()];
    const at = ctx.currentTime + 0.02 + start;
    oscillator.frequency.value = frequency;
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(pattern.gain, at + 0.02);
    gain.gain.setValueAtTime(pattern.gain, at + length - 0.03);
    gain.gain.linearRampToValueAtTime(0, at + length);
    oscillator.connect(gain).connect(ctx.destination);
    oscillator.start(at);
    oscillator.stop(at + length);
    return oscillator;
  });
}

/** Plays one of the sounds, in place of the one before; gives what ends it. */
export function sound(name) {
  stopLast();
  const pattern = PATTERNS[name];
  let playing = play(pattern);
  let count = 1;
  const timer = setInterval(() => {
    if (pattern.times && count >= pattern.times) clearInterval(timer);
    else {
      playing = play(pattern);
      count += 1;
    }
  }, pattern.period * 1000);
  const stop = () => {
    clearInterval(timer);
    for (const oscillator of playing) {
      try {
        oscillator.stop();
      } catch {
        // It has not begun yet, or has ended.
      }
    }
  };
  stopLast = stop;
  return stop;
}
