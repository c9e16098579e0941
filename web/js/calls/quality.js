// How good a connection is: two readings of `RTCPeerConnection.getStats` → figures, and figures → a
// grade for people. Pure; `call` reads every second, `ui/callview` shows.

/** The figures of one reading, summed over all media. Counters are totals; times in ms. */
export function reading(report) {
  const found = { at: 0, received: 0, lost: 0, bytesIn: 0, bytesOut: 0, frames: 0, freezes: 0, jitter: 0, rtt: null, theirLoss: null, relay: false, width: 0, height: 0 };
  const stats = [...report.values()];
  const byId = new Map(stats.map((one) => [one.id, one]));
  for (const one of stats) {
    found.at = Math.max(found.at, one.timestamp ?? 0);
    if (one.type === 'inbound-rtp') {
      found.received += one.packetsReceived ?? 0;
      found.lost += Math.max(0, one.packetsLost ?? 0);
      found.bytesIn += one.bytesReceived ?? 0;
      found.jitter = Math.max(found.jitter, (one.jitter ?? 0) * 1000);
      if (one.kind === 'video') {
        found.frames += one.framesDecoded ?? 0;
        found.freezes += one.freezeCount ?? 0;
        found.width = one.frameWidth ?? found.width;
        found.height = one.frameHeight ?? found.height;
      }
    } else if (one.type === 'outbound-rtp') {
      found.bytesOut += one.bytesSent ?? 0;
    } else if (one.type === 'remote-inbound-rtp') {
      found.theirLoss = Math.max(found.theirLoss ?? 0, one.fractionLost ?? 0);
      if (one.roundTripTime > 0) found.rtt ??= one.roundTripTime * 1000;
    } else if (one.type === 'transport' && one.selectedCandidatePairId) {
      const pair = byId.get(one.selectedCandidatePairId);
      if (pair?.currentRoundTripTime !== undefined) found.rtt = pair.currentRoundTripTime * 1000;
      found.relay = byId.get(pair?.localCandidateId)?.candidateType === 'relay';
    }
  }
  return found;
}

/**
 * What happened between two readings: `loss` 0–1 (the worse of both ways), `jitter` and `rtt` in ms
 * (`rtt` null if unknown), `kbitIn`/`kbitOut` per second, `mos` 1–4.5 and `grade` 0 (nothing comes) to 4.
 */
export function compare(earlier, later) {
  const seconds = Math.max(0.001, (later.at - earlier.at) / 1000);
  const received = later.received - earlier.received;
  const lost = Math.max(0, later.lost - earlier.lost);
  const ours = received + lost > 0 ? lost / (received + lost) : 0;
  const loss = Math.max(ours, later.theirLoss ?? 0);
  const rate = (bytes) => Math.max(0, Math.round((bytes * 8) / 1000 / seconds));
  const mos = mosOf({ loss, jitter: later.jitter, rtt: later.rtt ?? 0 });
  return {
    loss,
    jitter: later.jitter,
    rtt: later.rtt,
    relay: later.relay,
    width: later.width,
    height: later.height,
    kbitIn: rate(later.bytesIn - earlier.bytesIn),
    kbitOut: rate(later.bytesOut - earlier.bytesOut),
    mos,
    grade: received === 0 ? 0 : gradeOf(mos),
  };
}

/** An estimate after the E-model (ITU-T G.107) with Opus's resilience to loss: 1 (bad) to 4.5. */
export function mosOf({ loss, jitter, rtt }) {
  const delay = rtt / 2 + 2 * jitter + 20;
  const late = delay > 177.3 ? 0.11 * (delay - 177.3) : 0;
  const delayed = 0.024 * delay + late;
  const percent = loss * 100;
  const lossy = (95 * percent) / (percent + 20);
  const r = Math.max(0, Math.min(100, 93.2 - delayed - lossy));
  return Math.max(1, 1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r));
}

function gradeOf(mos) {
  if (mos >= 4) return 4;
  if (mos >= 3.6) return 3;
  return mos >= 2.8 ? 2 : 1;
}
