// Runs in every page before the page's own scripts: remembers the page's peer connections and
// captured tracks, so that a test can read what really arrives (`__observed.figures()`) without the
// page knowing. Changes nothing of what the page sees.

(() => {
  const connections = [];
  const captured = [];

  const Connection = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Connection {
    constructor(...args) {
      super(...args);
      connections.push(this);
    }
  };
  for (const source of ["getUserMedia", "getDisplayMedia"]) {
    const original = navigator.mediaDevices?.[source]?.bind(navigator.mediaDevices);
    if (!original) continue;
    navigator.mediaDevices[source] = async (...args) => {
      const stream = await original(...args);
      captured.push(...stream.getTracks());
      return stream;
    };
  }
  document.addEventListener("securitypolicyviolation", (event) => {
    console.error(`content security policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
  });

  const open = () => connections.filter((connection) => connection.connectionState !== "closed");
  const empty = () => ({
    packets: 0, bytes: 0, lost: 0, energy: 0, frames: 0, keyFrames: 0, freezes: 0, frozen: 0,
    width: 0, sentPackets: 0, sentFrames: 0, nacks: 0, plis: 0, repaired: 0, codec: null,
  });

  function addReceived(sums, row) {
    sums.packets += row.packetsReceived ?? 0;
    sums.bytes += row.bytesReceived ?? 0;
    sums.lost += row.packetsLost ?? 0;
    sums.energy += row.totalAudioEnergy ?? 0;
    sums.frames += row.framesDecoded ?? 0;
    sums.keyFrames += row.keyFramesDecoded ?? 0;
    sums.freezes += row.freezeCount ?? 0;
    sums.frozen += row.totalFreezesDuration ?? 0;
    sums.width = Math.max(sums.width, row.frameWidth ?? 0);
    sums.nacks += row.nackCount ?? 0;
    sums.plis += row.pliCount ?? 0;
    sums.repaired += row.retransmittedPacketsReceived ?? 0;
  }

  function pathOf(rows) {
    for (const transport of rows.values()) {
      if (transport.type !== "transport" || !transport.selectedCandidatePairId) continue;
      const pair = rows.get(transport.selectedCandidatePairId);
      const local = rows.get(pair?.localCandidateId);
      const remote = rows.get(pair?.remoteCandidateId);
      return {
        local: local?.candidateType, protocol: local?.protocol, relayProtocol: local?.relayProtocol,
        remote: remote?.candidateType, roundTrip: pair?.currentRoundTripTime, dtls: transport.dtlsState,
        ufrag: transport.iceLocalUsernameFragment, srtp: transport.srtpCipher,
      };
    }
    return null;
  }

  // What the page receives and sends now, summed over its open connections; cumulative counts.
  async function figures() {
    const sums = { audio: empty(), video: empty(), path: null, connections: open().length, capturing: [] };
    for (const connection of open()) {
      const rows = await connection.getStats();
      for (const row of rows.values()) {
        if (row.type === "inbound-rtp") {
          addReceived(sums[row.kind], row);
          sums[row.kind].codec = rows.get(row.codecId)?.mimeType ?? sums[row.kind].codec;
        }
        if (row.type === "outbound-rtp") {
          sums[row.kind].sentPackets += row.packetsSent ?? 0;
          sums[row.kind].sentFrames += row.framesEncoded ?? 0;
        }
      }
      sums.path = pathOf(rows) ?? sums.path;
    }
    sums.capturing = captured.filter((track) => track.readyState === "live").map((track) => track.kind);
    return sums;
  }

  // Watches for `ms` milliseconds: the longest time without a newly decoded video frame, in ms, and
  // what was received and sent meanwhile, sample by sample.
  async function longestGap(ms) {
    const start = performance.now();
    let longest = { length: 0, samples: [] };
    let gap = { since: start, samples: [(await figures()).video] };
    while (performance.now() - start < ms) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      const { video } = await figures();
      const length = performance.now() - gap.since;
      gap.samples.push({ at: Math.round(length), ...video });
      if (length > longest.length) longest = { length, samples: gap.samples };
      if (video.frames > gap.samples[0].frames) gap = { since: performance.now(), samples: [video] };
    }
    return longest;
  }

  window.__observed = { figures, longestGap, connections, open };
})();
