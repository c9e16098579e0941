// One call of this browser: its state, its connection to the gateway's relay, its tracks. Shared by the
// client (`calls`) and the join page; both give it `send` and hand it the contexts that come. What it
// looks like is `ui/callview`'s business.
//
// States: `incoming` (not yet accepted), `preparing` (asks for the microphone), `calling`, `linked` (they
// were sent a link, and somebody has to open it), `ringing` (there), `connecting`, `connected`, `reconnecting`, `ended`.
// Emits `change()` for anything to be seen, `quality(figures)`, `problem(key, words)`.

import { Emitter } from '../events.js';
import { endOf } from './ending.js';
import { Negotiation, isHeldBy } from './negotiation.js';
import * as media from './media.js';
import { reading, compare } from './quality.js';

/** A lost connection is repaired after so many ms, again after so many, and given up after so many. */
const REPAIR = { after: 2000, every: 6000, giveUp: 30_000 };

/** What the other side pressed is shown so far back. */
const KEYS_SHOWN = 24;

export class Call extends Emitter {
  state;
  /** One of the `call.end.*` keys, once it has ended; `words` are the gateway's own, if any. */
  end = null;
  words = '';
  /** True if it was this side that ended it. */
  endedHere = false;
  /** When it was answered and connected, ms since the epoch. */
  since = null;
  held = false;
  heldByOther = false;
  muted = { audio: false, video: true };
  otherMuted = { audio: false, video: false };
  /** The keys that the other side has pressed lately. */
  otherKeys = '';
  /** True if the other side is whoever opened a link. */
  byLink = false;
  sharing = false;
  quality = null;
  remote = null;
  /** What is sent as video now: a camera's or a screen's track. */
  preview = null;
  #pc = null;
  #negotiation = null;
  #send;
  #iceServers;
  #offer;
  #early = [];
  #tracks = { audio: null, video: null };
  #directions = new Map();
  #camera = false;
  #timers = { stats: null, repair: null };
  #brokenSince = null;
  #last = null;
  #undo = [];

  /**
   * `offer`: the context that began it, for one that came in. `send(context)` gives a promise;
   * `iceServers()` too.
   */
  constructor({ id, peer, video, offer = null, send, iceServers }) {
    super();
    Object.assign(this, { id, peer, video, incoming: Boolean(offer) });
    this.state = offer ? 'incoming' : 'preparing';
    this.#offer = offer;
    this.#early = [...(offer?.candidates ?? [])];
    this.#send = (context) => send({ callId: id, ...context }, this.video);
    this.#iceServers = iceServers;
  }

  get isOver() {
    return this.state === 'ended';
  }

  /** True while nobody has answered the call that is made here. */
  get #isAsking() {
    return ['calling', 'linked', 'ringing'].includes(this.state);
  }

  get hasVideo() {
    return this.showsRemote || Boolean(this.preview);
  }

  /** True while there is something of the other side to see. */
  get showsRemote() {
    const receiving = (transceiver) => ['sendrecv', 'recvonly'].includes(transceiver.currentDirection);
    return !this.otherMuted.video && !this.isOver &&
      (this.#transceivers('video').some((one) => receiving(one) && !one.receiver.track.muted));
  }

  // -- beginning and end --------------------------------------------------------------------------

  /** Calls; a video call perhaps with the camera off at first. */
  async start({ camera = this.video } = {}) {
    if (!(await this.#prepare(camera)) || this.isOver) return;
    this.#begin(false);
    this.#become('calling');
    this.#pc.addTransceiver(this.#tracks.audio, { direction: 'sendrecv', streams: [this.#stream] });
    if (this.video) this.#pc.addTransceiver(this.#tracks.video ?? 'video', { direction: 'sendrecv', streams: [this.#stream] });
  }

  /** Tells the caller that it rings here. */
  ring() {
    this.#send({ type: 'ringing' }).catch(() => {});
  }

  /** Takes the call, with the camera on or not. */
  async accept({ video }) {
    if (this.state !== 'incoming') return;
    this.#become('preparing');
    if (!(await this.#prepare(video)) || this.isOver) return;
    this.#begin(true);
    this.#become('connecting');
    try {
      await this.#negotiation.take({ type: 'offer', sdp: this.#offer.sdp });
    } catch (error) {
      this.#finish('failed', error.message, { type: 'hangup', reason: 'failed: the session description could not be used' });
    }
  }

  /** Hangs up, cancels or declines, whatever it is now. */
  hangUp() {
    const type = this.state === 'incoming' ? 'reject' : 'hangup';
    this.endedHere = true;
    if (!this.isOver) this.#finish(type === 'reject' ? 'rejected' : 'hung-up', '', { type });
  }

  /** Says that this side is in another call. */
  refuseBusy() {
    this.#finish('missed', '', { type: 'busy' });
  }

  /** The other side is called this, as it turns out: a guest has come by a link, say. */
  callPeer(name) {
    if (typeof name !== 'string' || name === '' || name === this.peer.name) return;
    this.peer = { ...this.peer, name };
    this.emit('change');
  }

  /** A context of this call that came. */
  async handle(context) {
    if (this.isOver) return;
    const { type, sdp, muted, keys, link, candidates = [] } = context;
    if (candidates.length > 0) this.#takeCandidates(candidates);
    switch (type) {
      case 'ringing':
        if (link) this.byLink = true;
        if (['calling', 'linked'].includes(this.state)) this.#become(link ? 'linked' : 'ringing');
        break;
      case 'answer':
        if (this.#isAsking) this.#become('connecting');
        await this.#describe({ type: 'answer', sdp });
        break;
      case 'update':
        if (muted) this.otherMuted = muted;
        if (sdp) await this.#describe({ type: 'offer', sdp });
        this.emit('change');
        break;
      case 'dtmf':
        if (!/^[\d*#A-D]{1,64}$/.test(keys)) break;
        this.otherKeys = (this.otherKeys + keys).slice(-KEYS_SHOWN);
        this.emit('change');
        break;
      case 'hangup': case 'reject': case 'busy': {
        const { end, words } = endOf(context, { incoming: this.incoming, answered: this.state !== 'incoming' });
        this.#finish(end, words);
        break;
      }
      default:
    }
  }

  // -- within the call ----------------------------------------------------------------------------

  setMuted(muted) {
    this.muted = { ...this.muted, audio: muted };
    if (this.#tracks.audio) this.#tracks.audio.enabled = !muted;
    this.#tellMuted();
  }

  /** Turns the camera on or off; in a voice call, this makes it a video call. */
  async setCamera(on) {
    if (on === this.#camera && !this.sharing) return;
    if (!on) {
      this.#camera = false;
      return this.#show(null);
    }
    try {
      const track = await media.camera();
      if (this.isOver) return track.stop();
      this.#camera = true;
      this.sharing = false;
      await this.#show(track);
    } catch (error) {
      this.emit('problem', media.problemOf(error, 'camera'));
    }
  }

  /** Shows the screen, or a window, until told otherwise. */
  async setSharing(on) {
    if (on === this.sharing) return;
    if (!on) {
      this.sharing = false;
      if (!this.#camera) return this.#show(null);
      this.#camera = false;
      return this.setCamera(true);
    }
    try {
      const track = await media.screen();
      if (this.isOver) return track.stop();
      this.sharing = true;
      track.onended = () => this.setSharing(false);
      await this.#show(track);
    } catch (error) {
      if (error.name !== 'NotAllowedError') this.emit('problem', 'media.screen');
    }
  }

  /** Nothing is sent or received while it is held. */
  hold(on) {
    if (on === this.held || !this.#pc) return;
    this.held = on;
    for (const transceiver of this.#pc.getTransceivers()) {
      if (transceiver.direction === 'stopped') continue;
      if (on) {
        this.#directions.set(transceiver, transceiver.direction);
        transceiver.direction = 'inactive';
      } else transceiver.direction = this.#directions.get(transceiver) ?? 'sendrecv';
    }
    this.#negotiation.renegotiate();
    this.emit('change');
  }

  /** Presses keys of a telephone: as tones in the media (RFC 4733), and told to who cannot hear them there. */
  dial(keys) {
    const sender = this.#transceivers('audio')[0]?.sender;
    if (sender?.dtmf?.canInsertDTMF) sender.dtmf.insertDTMF(sender.dtmf.toneBuffer + keys);
    this.#send({ type: 'dtmf', keys }).catch(() => {});
  }

  /** Uses the devices that are chosen now. */
  async changeDevice(kind) {
    if (this.isOver || !this.#pc) return;
    try {
      if (kind === 'microphone') await this.#setMicrophone(await media.microphone());
      else if (kind === 'camera' && this.#camera && !this.sharing) await this.#show(await media.camera());
    } catch (error) {
      this.emit('problem', media.problemOf(error, kind));
    }
  }

  /** The figures of the connection as the browser has them. */
  stats() {
    return this.#pc?.getStats();
  }

  /** Finds a new way to the gateway: this machine's network has changed. */
  restartIce() {
    if (!this.#pc || !this.since || this.isOver) return;
    this.#pc.restartIce();
    this.#negotiation.renegotiate();
  }

  // -- tracks --------------------------------------------------------------------------------------

  #stream = globalThis.MediaStream ? new MediaStream() : null;

  async #prepare(video) {
    try {
      this.#tracks.audio = await media.microphone();
    } catch (error) {
      this.emit('problem', media.problemOf(error, 'microphone'));
      const was = this.incoming ? { type: 'reject' } : null;
      if (!this.isOver) this.#finish('no-microphone', '', was);
      return false;
    }
    if (video && !this.isOver) {
      try {
        this.#tracks.video = await media.camera();
        this.#camera = true;
        this.preview = this.#tracks.video;
        this.muted.video = false;
      } catch (error) {
        this.emit('problem', media.problemOf(error, 'camera'));
      }
    }
    if (this.isOver) this.#release();
    return !this.isOver;
  }

  /** The connection of a call that has been accepted, or that we make. */
  #begin(polite) {
    this.remote = new MediaStream();
    const pc = new RTCPeerConnection({ iceServers: this.#servers ?? [], bundlePolicy: 'max-bundle' });
    this.#pc = pc;
    this.#negotiation = new Negotiation(pc, {
      polite,
      send: (context) => this.#send(context),
      onDescription: (description) => this.#described(description),
      onRefused: (error, type) => this.#refused(error, type),
    });
    pc.ontrack = ({ track }) => this.#heard(track);
    pc.onconnectionstatechange = () => this.#moved();
    pc.oniceconnectionstatechange = () => this.#moved();
    const again = () => this.restartIce();
    globalThis.addEventListener?.('online', again);
    navigator.connection?.addEventListener?.('change', again);
    this.#undo.push(() => {
      globalThis.removeEventListener?.('online', again);
      navigator.connection?.removeEventListener?.('change', again);
    });
    this.#negotiation.candidates(this.#early.splice(0));
  }

  #servers = null;

  /** To be awaited before `start` or `accept`: without an answer it goes on without servers. */
  async findServers() {
    this.#servers = await this.#iceServers().catch(() => []);
  }

  #heard(track) {
    this.remote.addTrack(track);
    track.onmute = track.onunmute = () => this.emit('change');
    this.emit('change');
  }

  #transceivers(kind) {
    const live = (one) => one.receiver.track.kind === kind && one.direction !== 'stopped' && one.currentDirection !== 'stopped';
    return this.#pc?.getTransceivers().filter(live) ?? [];
  }

  /** Sends this track as video in place of the one before; `null` sends none. */
  async #show(track) {
    this.#tracks.video?.stop();
    this.#tracks.video = track;
    this.preview = track;
    this.muted = { ...this.muted, video: !track };
    const [transceiver] = this.#transceivers('video');
    if (transceiver) {
      await transceiver.sender.replaceTrack(track).catch(() => {});
      if (track && this.#sends(transceiver)) this.#negotiation.renegotiate();
    } else if (track) {
      this.video = true;
      const added = this.#pc.addTransceiver(track, { direction: this.held ? 'inactive' : 'sendrecv', streams: [this.#stream] });
      this.#directions.set(added, 'sendrecv');
      this.#negotiation.renegotiate();
    }
    this.#tellMuted();
  }

  /** Lets it send as well. True if it did not, and that has to be offered. */
  #sends(transceiver) {
    this.#directions.set(transceiver, 'sendrecv');
    if (this.held || transceiver.direction === 'sendrecv') return false;
    transceiver.sender.setStreams?.(this.#stream);
    transceiver.direction = 'sendrecv';
    return true;
  }

  async #setMicrophone(track) {
    track.enabled = !this.muted.audio;
    const before = this.#tracks.audio;
    this.#tracks.audio = track;
    await this.#transceivers('audio')[0]?.sender.replaceTrack(track);
    before?.stop();
  }

  #tellMuted() {
    this.emit('change');
    if (this.#pc && !this.#isAsking) {
      this.#send({ type: 'update', muted: this.muted }).catch(() => {});
    }
  }

  // -- negotiation ---------------------------------------------------------------------------------

  #takeCandidates(candidates) {
    if (this.#negotiation) this.#negotiation.candidates(candidates);
    else if (this.#early.length < 256) this.#early.push(...candidates);
  }

  async #describe(description) {
    try {
      await this.#negotiation?.take(description);
    } catch (error) {
      if (!this.isOver) this.#finish('failed', error.message, { type: 'hangup', reason: 'failed: the session description could not be used' });
    }
  }

  /** The other side's description was taken; an answer to an offer is about to be made. */
  async #described({ type, sdp }) {
    if (!this.held) this.heldByOther = isHeldBy(sdp);
    if (type === 'offer' && this.#offer) {
      this.#offer = null;
      for (const transceiver of this.#pc.getTransceivers()) {
        const track = this.#tracks[transceiver.receiver.track.kind];
        if (!track) continue;
        await transceiver.sender.replaceTrack(track);
        this.#sends(transceiver);
      }
    }
    if (sdp.includes('m=video')) this.video = true;
    this.emit('change');
  }

  /** An offer of ours was refused, and undone. What it was about is undone as well. */
  #refused(error, type) {
    if (type === 'offer') {
      this.#finish('failed', error.message, { type: 'hangup' });
      return;
    }
    if (this.state === 'reconnecting') {
      // A new way is asked for, and the gateway does not know the call (any more).
      this.#finish('lost');
      return;
    }
    for (const transceiver of this.#pc.getTransceivers()) {
      if (transceiver.currentDirection === 'stopped') continue;
      // One that was added is not taken out but rests, until it is wanted again.
      transceiver.direction = transceiver.currentDirection ?? 'inactive';
    }
    const [audio] = this.#transceivers('audio');
    this.held = audio?.direction === 'inactive' && this.held;
    if (this.preview && !this.#transceivers('video').some((one) => one.direction.startsWith('send'))) {
      this.#camera = false;
      this.sharing = false;
      this.#tracks.video?.stop();
      this.#tracks.video = null;
      this.preview = null;
      this.muted.video = true;
    }
    this.emit('problem', 'call.problem.refused', error.message);
    this.emit('change');
  }

  // -- the connection --------------------------------------------------------------------------------

  #moved() {
    const { connectionState, iceConnectionState } = this.#pc;
    if (this.isOver) return;
    if (connectionState === 'connected' && iceConnectionState !== 'disconnected') {
      clearTimeout(this.#timers.repair);
      this.#timers.repair = null;
      this.#brokenSince = null;
      if (this.since === null) {
        this.since = Date.now();
        this.#timers.stats = setInterval(() => this.#read(), 1000);
        if (this.muted.audio) this.#tellMuted();
      }
      this.#become('connected');
    } else if (['disconnected', 'failed'].includes(iceConnectionState) || connectionState === 'failed') {
      if (this.since !== null) this.#become('reconnecting');
      this.#brokenSince ??= Date.now();
      this.#timers.repair ??= setTimeout(() => this.#repair(), iceConnectionState === 'failed' ? 0 : REPAIR.after);
    }
  }

  #repair() {
    if (this.isOver) return;
    if (Date.now() - this.#brokenSince > REPAIR.giveUp) {
      this.#finish('lost', '', { type: 'hangup', reason: 'gone' });
      return;
    }
    this.restartIce();
    this.#timers.repair = setTimeout(() => this.#repair(), REPAIR.every);
  }

  async #read() {
    const report = await this.stats();
    if (!report || this.isOver) return;
    const now = reading(report);
    if (this.#last) {
      this.quality = compare(this.#last, now);
      this.emit('quality', this.quality);
    }
    this.#last = now;
  }

  #become(state) {
    if (this.state === state || this.isOver) return;
    this.state = state;
    this.emit('change');
  }

  /** Ends it, for `why`; `context` is what the other side is told. */
  #finish(why, words = '', context = null) {
    if (this.isOver) return;
    if (context) this.#send(context).catch(() => {});
    this.end = why;
    this.words = words ?? '';
    this.lasted = this.since ? Date.now() - this.since : 0;
    this.#become('ended');
    this.#release();
  }

  #release() {
    clearInterval(this.#timers.stats);
    clearTimeout(this.#timers.repair);
    for (const undo of this.#undo.splice(0)) undo();
    this.#negotiation?.close();
    this.#pc?.close();
    for (const track of Object.values(this.#tracks)) track?.stop();
    this.preview = null;
    this.sharing = false;
    this.emit('change');
  }
}
