// An XMPP client of the tests: stanza.js, whose sessions (Jingle, without the messages of XEP-0353) run over
// this browser's WebRTC. The library is put into the page as `window.Stanza` before `open`. Driven from Rust
// through `window.xmpp` (tests/calls/xmpp.rs).

// A connection of a device that does not know of BUNDLE, if `window.xmpp.apart`: a transport for each section.
class Connection extends RTCPeerConnection {
  constructor(config, ...rest) {
    super(window.xmpp.apart ? { ...config, bundlePolicy: "max-compat" } : config, ...rest);
  }

  async createOffer(...options) {
    return this.#unbundled(await super.createOffer(...options));
  }

  async createAnswer(...options) {
    return this.#unbundled(await super.createAnswer(...options));
  }

  setRemoteDescription(description) {
    return super.setRemoteDescription(this.#unbundled(description));
  }

  #unbundled({ type, sdp }) {
    return { type, sdp: window.xmpp.apart ? sdp.replace(/^a=group:BUNDLE.*\r\n/m, "") : sdp };
  }
}
window.RTCPeerConnection = Connection;

class Xmpp {
  // does not know of BUNDLE
  apart = false;
  // "idle", "calling", "ringing" (there), "invited" (here), "talking" or "over"
  state = "idle";
  // why the call is over
  reason = "";
  // what the other side told of itself: "mute", "unmute", "hold", "resumed"
  told = [];

  async open({ jid, password, url, apart }) {
    this.apart = apart;
    this.client = window.Stanza.createClient({ jid, password, transports: { websocket: url, bosh: false } });
    this.client.jingle.iceServers = [];
    this.#listen(this.client.jingle);
    await new Promise((resolve, reject) => {
      this.client.on("session:started", resolve);
      this.client.on("auth:failed", () => reject(new Error("not let in")));
      this.client.on("stream:error", (error) => reject(new Error(JSON.stringify(error))));
      this.client.connect();
    });
    this.client.sendPresence();
  }

  // Lets somebody see that this device is there.
  show(to) {
    this.client.sendPresence({ to });
  }

  async call(to, video) {
    const stream = await this.#capture(video);
    const session = this.client.jingle.createMediaSession(to, undefined, stream);
    this.#begin(session, "calling");
    await session.start();
  }

  ring() {
    return this.session.ring();
  }

  async answer(video) {
    const stream = await this.#capture(video);
    for (const track of stream.getTracks()) await this.session.addTrack(track, stream);
    await this.session.accept();
    this.state = "talking";
  }

  hold() {
    return this.session.hold();
  }

  resume() {
    return this.session.resume();
  }

  mute(name) {
    return this.session.mute("initiator", name);
  }

  // How many transports the call has.
  transports() {
    const { pc } = this.session;
    const senders = pc.getTransceivers().map(({ sender }) => sender.transport);
    return new Set(senders.filter((transport) => transport)).size;
  }

  // Ends the call, or declines it.
  end(reason = "success") {
    this.session.end(reason);
    this.#over(reason);
  }

  // What happens to sessions is told by what keeps them.
  #listen(jingle) {
    const own = (name, does) => {
      jingle.on(name, (session, what) => {
        if (session === this.session) does(what);
      });
    };
    jingle.on("incoming", (session) => this.#begin(session, "invited"));
    own("ringing", () => {
      if (this.state === "calling") this.state = "ringing";
    });
    own("accepted", () => {
      this.state = "talking";
    });
    // (Of a session that comes, before it is told that it came.)
    jingle.on("peerTrackAdded", (_, track) => this.#play(track));
    own("terminated", (reason) => this.#over(reason?.condition ?? reason ?? ""));
    for (const name of ["mute", "unmute", "hold", "resumed"]) own(name, () => this.told.push(name));
  }

  #begin(session, state) {
    this.session = session;
    this.state = state;
    this.told = [];
  }

  // (What nobody plays is not decoded.)
  #play(track) {
    const player = document.createElement(track.kind);
    player.autoplay = true;
    player.srcObject = new MediaStream([track]);
    document.body.append(player);
  }

  async #capture(video) {
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: true, video });
    return this.stream;
  }

  #over(reason) {
    if (this.state === "over") return;
    this.state = "over";
    this.reason = reason;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
  }
}

window.xmpp = new Xmpp();
