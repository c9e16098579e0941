// Offers and answers of one `RTCPeerConnection` (RFC 8829; "perfect negotiation"). The only place where
// session descriptions are set. Shared by the client and the join page; `call` makes one per call and
// carries what it sends.
//
// The other end is always the gateway (ADR 10): where two offers cross, it gives way to the caller's
// and insists towards the callee's. So a callee is polite here, a caller is not.

import { MAX_CANDIDATES } from '../protocol.js';

/** Candidates that are found within so many ms travel together. */
const GATHER = 40;
/** An offer within a call that has no answer after so many ms is undone. */
const ANSWER_WITHIN = 20_000;

/**
 * What to do with a description that came: 'take', or 'ignore' an offer that crossed ours, or a stray
 * answer. Pure.
 */
export function decide({ type, polite, making, state, answerPending }) {
  if (type === 'answer') return state === 'have-local-offer' ? 'take' : 'ignore';
  const ready = !making && (state === 'stable' || answerPending);
  return ready || polite ? 'take' : 'ignore';
}

/** How the other side's audio is directed in a description: `sendrecv`, …, or `null` without audio. Pure. */
export function audioDirection(sdp) {
  const [session, ...sections] = sdp.split(/\r?\n(?=m=)/);
  const audio = sections.find((section) => section.startsWith('m=audio') && !/^m=audio 0 /.test(section));
  if (!audio) return null;
  const direction = (text) => /^a=(sendrecv|sendonly|recvonly|inactive)\s*$/m.exec(text)?.[1];
  return direction(audio) ?? direction(session) ?? 'sendrecv';
}

/** True if the other side, by its description, does not listen: the call is held. Pure. */
export function isHeldBy(sdp) {
  return ['sendonly', 'inactive'].includes(audioDirection(sdp));
}

export class Negotiation {
  #pc;
  #polite;
  #send;
  #onDescription;
  #began = false;
  #making = false;
  #answerPending = false;
  #ignoring = false;
  /** The last offer was refused: what the browser would offer by itself is the same again. */
  #wasRefused = false;
  /** An offer is to be made as soon as one can be. */
  #wanted = false;
  #remote = [];
  #local = [];
  #timer = null;
  #overdue = null;
  #chain = Promise.resolve();
  #closed = false;

  /**
   * `send(context)` carries `{type, sdp}` or `{type: 'candidates', candidates}` and gives a promise that
   * fails if the gateway refused it. `onDescription(description)` hears of each one of the other side
   * that was taken; `onRefused(error)` of an offer of ours that was undone.
   */
  constructor(pc, { polite, send, onDescription = () => {}, onRefused = () => {} }) {
    this.#pc = pc;
    this.#polite = polite;
    this.#send = send;
    this.#onDescription = onDescription;
    this.onRefused = onRefused;
    pc.onnegotiationneeded = () => this.#wasRefused || this.#offer();
    pc.onsignalingstatechange = () => this.#wanted && this.#offer();
    pc.onicecandidate = ({ candidate }) => this.#found(candidate);
  }

  /** A description of the other side, after those before it. Fails if the browser cannot take it. */
  take(description) {
    return this.#inOrder(() => this.#take(description));
  }

  /** Candidates of the other side; they wait for its description. */
  candidates(list) {
    this.#inOrder(() => {
      for (const candidate of list) {
        if (this.#pc.remoteDescription) this.#add(candidate);
        else if (this.#remote.length < 4 * MAX_CANDIDATES) this.#remote.push(candidate);
      }
    });
  }

  /**
   * Makes an offer, also where the browser sees no need of one: who answered `inactive` to somebody who
   * held the call has, for the browser, nothing to say when they would talk again; and Chromium sees no
   * need after an offer was undone.
   */
  renegotiate() {
    this.#wanted = true;
    this.#wasRefused = false;
    this.#offer();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#overdue);
    this.#pc.onnegotiationneeded = null;
    this.#pc.onsignalingstatechange = null;
    this.#pc.onicecandidate = null;
  }

  #inOrder(step) {
    const done = this.#chain.then(step);
    this.#chain = done.catch(() => {});
    return done;
  }

  async #take({ type, sdp }) {
    const pc = this.#pc;
    const what = decide({ type, polite: this.#polite, making: this.#making, state: pc.signalingState, answerPending: this.#answerPending });
    if (type === 'offer') this.#ignoring = what === 'ignore';
    if (what === 'ignore' || this.#closed) return;
    if (type === 'answer') clearTimeout(this.#overdue);
    this.#answerPending = type === 'answer';
    try {
      await pc.setRemoteDescription({ type, sdp });
    } finally {
      this.#answerPending = false;
    }
    for (const candidate of this.#remote.splice(0)) this.#add(candidate);
    await this.#onDescription({ type, sdp });
    if (type !== 'offer' || this.#closed) return;
    await pc.setLocalDescription();
    this.#began = true;
    await this.#send({ type: 'answer', sdp: pc.localDescription.sdp });
    this.#flush();
  }

  async #offer() {
    const pc = this.#pc;
    if (this.#closed || this.#making || pc.signalingState !== 'stable') return;
    const type = this.#began ? 'update' : 'offer';
    this.#wanted = false;
    try {
      this.#making = true;
      await pc.setLocalDescription();
      if (pc.localDescription.type !== 'offer') return;
    } catch (error) {
      this.onRefused(error, type);
      return;
    } finally {
      this.#making = false;
    }
    this.#began = true;
    const { sdp } = pc.localDescription;
    const sent = this.#send({ type, sdp });
    this.#flush();
    if (type === 'update') {
      clearTimeout(this.#overdue);
      this.#overdue = setTimeout(() => this.#undo(sdp, new Error('no answer'), type), ANSWER_WITHIN);
    }
    try {
      await sent;
    } catch (error) {
      await this.#undo(sdp, error, type);
    }
  }

  /** An offer of ours was refused: as if it had not been made. */
  async #undo(sdp, error, type) {
    clearTimeout(this.#overdue);
    if (this.#closed) return;
    const pc = this.#pc;
    const isCurrent = pc.signalingState === 'have-local-offer' && pc.pendingLocalDescription?.sdp === sdp;
    if (type === 'update' && !isCurrent) return;
    this.#wasRefused = true;
    if (isCurrent) await pc.setLocalDescription({ type: 'rollback' }).catch(() => {});
    this.onRefused(error, type);
  }

  #add(candidate) {
    this.#pc.addIceCandidate(candidate).catch((error) => {
      if (!this.#ignoring) console.debug('a candidate was not taken', error.name);
    });
  }

  #found(candidate) {
    if (!candidate?.candidate) return;
    const { sdpMid, sdpMLineIndex } = candidate;
    this.#local.push({ candidate: candidate.candidate, sdpMid, sdpMLineIndex });
    if (this.#began) this.#timer ??= setTimeout(() => this.#flush(), GATHER);
  }

  /** Sends what was found; never before the description that it belongs to. */
  #flush() {
    clearTimeout(this.#timer);
    this.#timer = null;
    if (!this.#began || this.#closed) return;
    while (this.#local.length > 0) {
      this.#send({ type: 'candidates', candidates: this.#local.splice(0, MAX_CANDIDATES) }).catch(() => {});
    }
  }
}
