// The home socket (docs/protocol.md "A local account"): opened again whenever it ends, requests sent
// again until they are answered (a `messageId` makes that safe), what is pushed answered with what the
// owner's handler says. What frames mean is `client`'s business.

import { Emitter } from './events.js';
import { readFrame, newId, statusOf, RequestError, CODE } from './protocol.js';

/** The pause before the socket is opened again: grows from the first to the last, in ms. */
const PAUSE = { first: 500, last: 30_000 };
/** Silence after which the gateway is asked for a sign of life, and how long that may take, in ms. */
const SILENCE = 25_000;
const ANSWER_WITHIN = 15_000;
/** A live request (a step of a call) is not sent again after so long, in ms. */
const LIVE_FOR = 30_000;
/** So many requests may wait for their answers. */
const MOST_PENDING = 500;

/** The pause before try number `tries` (from 0), in ms; `random` in [0, 1). */
export function pauseBefore(tries, random) {
  const longest = Math.min(PAUSE.last, PAUSE.first * 2 ** Math.min(tries, 10));
  return longest / 2 + (random * longest) / 2;
}

/** The code of a close that may mean that the token has ended (RFC 6455 §7.4.1). */
const POLICY = 1008;

/**
 * Emits `state` (`'connecting' | 'open' | 'waiting' | 'closed'`) and, before each further try after one
 * that never opened or was closed for a reason of policy, `refused` (the token may have been revoked; a
 * WebSocket cannot tell).
 */
export class HomeSocket extends Emitter {
  state = 'closed';
  #url;
  #onPush;
  #Socket;
  #socket = null;
  #pending = new Map();
  #tries = 0;
  #timer = null;
  #watch = null;
  #heard = 0;
  #undo = [];

  /** `url` with its query; `onPush(frame)` gives (a promise of) the fields of the answer. */
  constructor(url, onPush, Socket = globalThis.WebSocket) {
    super();
    this.#url = url;
    this.#onPush = onPush;
    this.#Socket = Socket;
  }

  open() {
    if (globalThis.window) {
      const hurry = () => this.state === 'waiting' && this.#connect();
      const offline = () => this.#lose(this.#socket);
      const visible = () => document.visibilityState === 'visible' && hurry();
      window.addEventListener('online', hurry);
      window.addEventListener('offline', offline);
      document.addEventListener('visibilitychange', visible);
      this.#undo.push(() => {
        window.removeEventListener('online', hurry);
        window.removeEventListener('offline', offline);
        document.removeEventListener('visibilitychange', visible);
      });
    }
    this.#connect();
  }

  /** Ends it for good. What was not answered fails. */
  close() {
    for (const undo of this.#undo.splice(0)) undo();
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    this.#become('closed');
    for (const { reject } of this.#pending.values()) reject(new Error('closed'));
    this.#pending.clear();
  }

  /**
   * Sends a request, now or once there is a connection, and gives the gateway's good answer.
   * Fails with a `RequestError` for a 300, 400 or 500; for a `live` one also when it got too old.
   */
  request(frame, { live = false } = {}) {
    if (this.state === 'closed') return Promise.reject(new Error('closed'));
    if (this.#pending.size >= MOST_PENDING) return Promise.reject(new Error('too many requests wait'));
    return new Promise((resolve, reject) => {
      this.#pending.set(frame.messageId, { frame, resolve, reject, live, since: Date.now(), sent: 0 });
      if (this.state === 'open') this.#send(frame.messageId);
    });
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.emit('state', state);
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#become('connecting');
    const socket = new this.#Socket(this.#url);
    this.#socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.#tries = 0;
      this.#heard = Date.now();
      this.#become('open');
      this.#expire();
      for (const id of this.#pending.keys()) this.#send(id);
      clearInterval(this.#watch);
      this.#watch = setInterval(() => this.#look(), 5000);
    };
    socket.onmessage = ({ data }) => {
      this.#heard = Date.now();
      if (socket === this.#socket) this.#hear(socket, data);
    };
    socket.onclose = ({ code }) => {
      if (socket !== this.#socket) return;
      if (!opened || code === POLICY) this.emit('refused');
      this.#lose(socket);
    };
    socket.onerror = () => {};
  }

  #lose(socket) {
    if (!socket || socket !== this.#socket) return;
    this.#socket = null;
    clearInterval(this.#watch);
    socket.close();
    this.#become('waiting');
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), pauseBefore(this.#tries, Math.random()));
    this.#tries += 1;
  }

  #send(id) {
    const pending = this.#pending.get(id);
    pending.sent = Date.now();
    this.#socket.send(JSON.stringify(pending.frame));
  }

  #expire() {
    for (const [id, { live, since, reject }] of this.#pending) {
      if (live && Date.now() - since > LIVE_FOR) {
        this.#pending.delete(id);
        reject(new Error('the connection was lost'));
      }
    }
  }

  /** A connection that is dead and does not know it is ended. */
  #look() {
    this.#expire();
    const now = Date.now();
    const waits = [...this.#pending.values()].filter(({ sent }) => sent > 0);
    if (waits.some(({ sent }) => now - Math.max(sent, this.#heard) > ANSWER_WITHIN)) this.#lose(this.#socket);
    else if (waits.length === 0 && now - this.#heard > SILENCE) {
      this.request({ messageId: newId(), code: CODE.INFO }, { live: true }).catch(() => {});
    }
  }

  #hear(socket, data) {
    const read = typeof data === 'string' ? readFrame(data) : null;
    if (!read) return;
    const { kind, frame } = read;
    if (kind === 'response') {
      const pending = this.#pending.get(frame.messageId);
      if (!pending) return;
      this.#pending.delete(frame.messageId);
      if (statusOf(frame) <= 2) pending.resolve(frame);
      else pending.reject(new RequestError(frame));
      return;
    }
    const answer = (fields) => {
      if (socket.readyState === 1) socket.send(JSON.stringify({ messageId: frame.messageId, ...fields }));
    };
    Promise.resolve()
      .then(() => this.#onPush(frame))
      .then(answer, () => answer({ statusCode: '500', error: 'the client could not keep it' }));
  }
}
