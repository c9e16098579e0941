// The line that a call leaves in a conversation (docs/protocol.md "The line of a call"), in the reader's
// language. What is not understood is shown in the gateway's own words. Pure but for the language.

import { t, duration } from '../i18n.js';
import { readReason } from '../calls/ending.js';

/** Why an answered call ended, where nobody just hung up. */
const BROKE = { gone: 'gone', no_media: 'no-media', gateway_stopped: 'gateway', failed: 'broke' };
const OUTCOMES = ['answered', 'missed', 'declined', 'busy', 'cancelled', 'failed'];

/** What a message (or an excerpt of one) says: its text, or the words for the call that it tells of. */
export function wordsOf({ call, text }) {
  return (call && callWords(call)) ?? text ?? '';
}

/** The words for a line; `null` for one that is not understood. */
function callWords(line) {
  if (!OUTCOMES.includes(line.outcome)) return null;
  const { code, words: own } = readReason(line.reason ?? '') ?? { code: '', words: line.reason };
  const media = line.video ? 'video' : 'voice';
  if (line.outcome === 'answered') return answered(line, media, code);
  if (line.missed) return t(`line.missed.${media}`) + (line.outcome === 'busy' ? t('line.note', { note: t('line.busy') }) : '');
  const what = line.outcome === 'missed' && code === 'gateway_stopped' ? 'stopped' : line.outcome;
  const said = own && code === 'failed' ? own : t(`line.${what === 'failed' && BROKE[code] ? BROKE[code] : what}`);
  return t('line.became', { call: t(`line.${media}`), what: said });
}

function answered({ guest, seconds, roundTrip, lost }, media, code) {
  const call = guest ? t('line.with', { call: t(`line.${media}`), name: guest }) : t(`line.${media}`);
  const lasted = Number.isFinite(seconds) ? t('line.lasted', { call, time: duration(seconds * 1000) }) : call;
  const broke = BROKE[code] ? t('line.note', { note: t(`line.${BROKE[code]}`) }) : '';
  const quality = Number.isFinite(roundTrip) ? t('line.quality', { rtt: roundTrip, loss: ((lost ?? 0) / 10).toFixed(1) }) : '';
  return lasted + broke + quality;
}
