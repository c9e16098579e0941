// The tests' own telephone: calls over a home socket with call contexts, as docs/protocol.md
// describes them and no more. Unlike the web client it lets a test choose every step, so the tests of
// the gateway's calls do not depend on what the client makes of them. Driven from Rust through
// `window.phone` (tests/calls/phone.rs).

const encode = (words) => btoa(String.fromCharCode(...new TextEncoder().encode(words)));
const decode = (text) => new TextDecoder().decode(Uint8Array.from(atob(text ?? ""), (letter) => letter.charCodeAt(0)));

class Phone {
  // "idle", "calling", "ringing" (there), "invited" (here), "talking" or "over"
  state = "idle";
  reason = "";
  // the types of the contexts of this call, in the order in which they came
  heard = [];
  // what the other side has muted
  muted = null;
  // what the gateway refused, in its words
  refused = [];

  async open(url, config = {}) {
    this.config = config;
    this.socket = new WebSocket(url);
    this.socket.onmessage = (event) => {
      const frame = JSON.parse(event.data);
      if (frame.code) this.#pushed(frame);
      else if (frame.error) this.refused.push(frame.error);
    };
    await new Promise((resolve, reject) => {
      this.socket.onopen = resolve;
      this.socket.onerror = () => reject(new Error("no socket"));
    });
  }

  // Calls `to`; with the camera if `video`.
  async call(to, { video = false } = {}) {
    this.#begin({ to, video, callId: crypto.randomUUID(), polite: false });
    await this.#capture(video);
    await this.connection.setLocalDescription();
    this.offerId = this.#send({ type: "offer", sdp: this.connection.localDescription.sdp });
    this.state = "calling";
  }

  // Says that it rings here.
  ring() {
    this.#send({ type: "ringing" });
  }

  // Answers the call that came.
  async answer({ video = this.video } = {}) {
    await this.connection.setRemoteDescription({ type: "offer", sdp: this.invitation });
    await this.#capture(video);
    await this.connection.setLocalDescription();
    await this.#drain();
    this.#send({ type: "answer", sdp: this.connection.localDescription.sdp });
    this.state = "talking";
  }

  // Ends the call, or declines it: `how` is "hangup", "reject" or "busy".
  end(how = "hangup", reason) {
    this.#send({ type: how, reason });
    this.#over(reason ?? how);
  }

  // Sends what the connection is like now as a new offer, once the one before is answered.
  async renegotiate() {
    while (this.connection.signalingState !== "stable") {
      await new Promise((resolve) => this.connection.addEventListener("signalingstatechange", resolve, { once: true }));
    }
    // (From here on an offer that comes crosses this one, although the connection does not say so yet.)
    this.making = true;
    try {
      await this.connection.setLocalDescription();
      this.#send({ type: "update", sdp: this.connection.localDescription.sdp });
    } finally {
      this.making = false;
    }
  }

  // New ICE credentials, as after moving to another network.
  restart() {
    this.connection.restartIce();
    return this.renegotiate();
  }

  // Voice → video.
  async addVideo() {
    await this.#capture(true);
    await this.renegotiate();
  }

  // Hold and resume: "inactive" or "sendrecv" for everything.
  direct(direction) {
    for (const transceiver of this.connection.getTransceivers()) transceiver.direction = direction;
    return this.renegotiate();
  }

  // Mutes (nothing but silence and black is sent), and says so.
  mute(audio, video) {
    for (const { track } of this.connection.getSenders()) {
      if (track) track.enabled = track.kind === "audio" ? !audio : !video;
    }
    this.#send({ type: "update", muted: { audio, video } });
  }

  // The keys 0–9, *, # and A–D.
  press(keys) {
    const sender = this.connection.getSenders().find((one) => one.dtmf);
    sender.dtmf.insertDTMF(keys);
  }

  // The other device's camera: the same kind of track from another source.
  async replaceVideo(width) {
    const [track] = (await navigator.mediaDevices.getUserMedia({ video: { width } })).getVideoTracks();
    await this.connection.getSenders().find((one) => one.track?.kind === "video").replaceTrack(track);
  }

  raw(frame) {
    this.socket.send(JSON.stringify({ messageId: crypto.randomUUID(), ...frame }));
  }

  #begin({ to, video, callId, polite }) {
    Object.assign(this, { to, video, callId, polite, early: [], heard: [], reason: "", muted: null });
    const { filter, videoCodec: _, apart, ...config } = this.config;
    if (apart) config.bundlePolicy = "max-compat";
    this.connection = new RTCPeerConnection(config);
    document.getElementById("there").srcObject = null;
    this.connection.onicecandidate = ({ candidate }) => {
      if (!candidate || (filter && !candidate.candidate.includes(filter))) return;
      const { candidate: line, sdpMid, sdpMLineIndex } = candidate;
      this.#send({ type: "candidates", candidates: [{ candidate: line, sdpMid, sdpMLineIndex }] });
    };
    this.connection.ontrack = ({ track }) => {
      const there = document.getElementById("there");
      there.srcObject ??= new MediaStream();
      there.srcObject.addTrack(track);
    };
  }

  async #capture(video) {
    const senders = this.connection.getSenders();
    const has = (kind) => senders.some((sender) => sender.track?.kind === kind);
    const wanted = { audio: !has("audio"), video: video && !has("video") };
    if (!wanted.audio && !wanted.video) return;
    const stream = await navigator.mediaDevices.getUserMedia(wanted);
    for (const track of stream.getTracks()) this.connection.addTrack(track, stream);
    this.#narrow();
  }

  // A device that takes one codec for video. What it sends it does not say: an answering Chromium goes
  // by the offer then, and sends what its own answer has left out.
  #narrow() {
    const { videoCodec } = this.config;
    if (!videoCodec) return;
    const all = RTCRtpReceiver.getCapabilities("video").codecs;
    const codecs = all.filter(({ mimeType }) => mimeType === videoCodec || mimeType === "video/rtx");
    for (const transceiver of this.connection.getTransceivers()) {
      if (transceiver.receiver.track.kind === "video") transceiver.setCodecPreferences(codecs);
    }
  }

  // A device that does not know of BUNDLE: a transport for each section.
  #unbundled(sdp) {
    return this.config.apart ? sdp.replace(/^a=group:BUNDLE.*\r\n/m, "") : sdp;
  }

  #send(context) {
    const messageId = crypto.randomUUID();
    const sdp = context.sdp && this.#unbundled(context.sdp);
    const text = encode(JSON.stringify({ callId: this.callId, ...context, sdp }));
    this.socket.send(JSON.stringify({ messageId, code: this.video ? "2003" : "2002", to: this.to, text }));
    return messageId;
  }

  #pushed(frame) {
    this.socket.send(JSON.stringify({ messageId: frame.messageId, statusCode: "200" }));
    if (frame.code !== "2002" && frame.code !== "2003") return;
    const context = JSON.parse(decode(frame.text));
    // One after the other: a description is set before the candidates for it.
    this.doing = (this.doing ?? Promise.resolve())
      .then(() => this.#heard(frame, context))
      .catch((error) => console.error(`${context.type}: ${error}`));
  }

  async #heard(frame, context) {
    if (context.type === "offer") {
      if (this.state !== "idle" && this.state !== "over") return;
      this.#begin({ to: frame.from, video: frame.code === "2003", callId: context.callId, polite: true });
      this.invitation = this.#unbundled(context.sdp);
      this.state = "invited";
    }
    if (context.callId !== this.callId) return;
    if (context.sdp) context.sdp = this.#unbundled(context.sdp);
    this.heard.push(context.type);
    for (const one of context.candidates ?? []) await this.#candidate(one);
    if (context.muted) this.muted = context.muted;
    if (context.type === "ringing") this.state = "ringing";
    if (context.type === "answer") await this.#answered(context.sdp);
    if (context.type === "update" && context.sdp) await this.#offered(context.sdp);
    if (["hangup", "reject", "busy"].includes(context.type)) this.#over(context.reason ?? context.type);
  }

  async #answered(sdp) {
    await this.connection.setRemoteDescription({ type: "answer", sdp });
    await this.#drain();
    this.state = "talking";
  }

  async #offered(sdp) {
    const crosses = this.making || this.connection.signalingState !== "stable";
    if (crosses && !this.polite) return;
    await this.connection.setRemoteDescription({ type: "offer", sdp });
    await this.connection.setLocalDescription();
    this.#send({ type: "answer", sdp: this.connection.localDescription.sdp });
  }

  async #candidate(one) {
    if (this.connection.remoteDescription) await this.connection.addIceCandidate(one);
    else this.early.push(one);
  }

  async #drain() {
    for (const one of this.early.splice(0)) await this.connection.addIceCandidate(one);
  }

  #over(reason) {
    this.reason = reason;
    this.state = "over";
    for (const { track } of this.connection.getSenders()) track?.stop();
    this.connection.close();
  }
}

window.phone = new Phone();
