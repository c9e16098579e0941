// The signed-in account: its conversations, their messages, what is unread, what is on its way. Joins
// the home socket, the account API and what the browser keeps; views read it and listen to it. Calls
// go through it untouched to `calls/calls`. No DOM here.
//
// Emits `connection(state)`, `conversations()`, `messages(address, item)` (`item` null: all may have
// changed), `incoming(conversation, item)`, `call(frame)`, `signedOut(why)` (an i18n key, or null where the person did it).

import { Emitter } from './events.js';
import { HomeSocket } from './socket.js';
import { ApiError } from './api.js';
import { Keep } from './keep.js';
import { Timeline, eventOfFrame, eventOfRow } from './timeline.js';
import { CODE, newId, toBase64, RequestError } from './protocol.js';
import { nameOf } from './address.js';
import { toPlain } from './markdown.js';

/** After so many ms it is looked what other devices of the account have said. */
const CATCH_UP = 30_000;
/** A look that failed is repeated after so many ms. */
const AGAIN = 5000;
/** How long reading goes on before the gateway is told, in ms. */
const READ_AFTER = 800;

export class Client extends Emitter {
  conversations = new Map();
  connection = 'connecting';
  /** The conversation on the screen. */
  active = null;
  /** What was begun to be written, by conversation. */
  drafts = new Map();
  #states = new Map();
  #readTimers = new Map();
  #keep = null;
  #channel = null;
  #caughtUp = 0;
  #again = null;
  /** Once it is known which conversations there are. */
  #listed;
  #nowListed;
  /** What is kept here is opened at once: a view may want it before the account has started. */
  #opening;

  /** `me` as the account API gives it; `Socket` only for tests. */
  constructor({ api, me, token, Socket }) {
    super();
    Object.assign(this, { api, me, address: me.address });
    this.#listed = new Promise((resolve) => { this.#nowListed = resolve; });
    this.#opening = globalThis.indexedDB ? Keep.open(this.address).catch(() => null) : Promise.resolve(null);
    // By its name this page is the same device in a call when it comes back on another socket.
    const url = `${me.socket}?ext=1&device=${newId()}&token=${encodeURIComponent(token)}`;
    this.socket = new HomeSocket(url, (frame) => this.#pushed(frame), Socket);
    this.socket.on('state', (state) => this.#connected(state));
    this.socket.on('refused', () => this.#checkToken());
  }

  get displayName() {
    return this.me.nickname || this.me.name;
  }

  async start() {
    this.#keep = await this.#opening;
    for (const kept of (await this.#keep?.get('conversations')) ?? []) this.conversations.set(kept.address, kept);
    if (globalThis.BroadcastChannel) {
      this.#channel = new BroadcastChannel(`monster ${this.address}`);
      this.#channel.onmessage = ({ data }) => this.#heardTab(data);
    }
    this.emit('conversations');
    this.socket.open();
    await this.#resume();
  }

  stop() {
    for (const timer of [this.#again, ...this.#readTimers.values()]) clearTimeout(timer);
    this.socket.close();
    this.#channel?.close();
    this.#keep?.close();
  }

  /** Forgets the account in this browser. */
  async signOut() {
    this.#channel?.postMessage({ signedOut: true });
    this.stop();
    await Keep.forget(this.address).catch(() => {});
  }

  // -- conversations ------------------------------------------------------------------------------

  /** The conversation that is led at an address (one of its places), made if there is none. */
  conversation(address) {
    const known = this.conversations.get(address) ?? [...this.conversations.values()].find((one) => one.places?.includes(address));
    if (known) return known;
    const made = { address, name: nameOf(address), kind: 'person', relation: null, places: [address], last: null, unread: 0, isNew: true };
    this.conversations.set(address, made);
    return made;
  }

  /** All, the newest first. */
  get list() {
    const at = (one) => one.last?.at ?? 0;
    return [...this.conversations.values()].sort((a, b) => at(b) - at(a) || (a.address < b.address ? -1 : 1));
  }

  get unread() {
    return [...this.conversations.values()].reduce((sum, one) => sum + one.unread, 0);
  }

  async refresh() {
    const found = new Set();
    let cursor;
    do {
      const page = await this.api.conversations(cursor);
      for (const row of page.items) {
        const known = this.conversations.get(row.address);
        const last = row.last && { at: row.last.time, from: row.last.from, name: row.last.nickname, text: row.last.excerpt, kind: row.last.kind, number: row.last.number, call: row.last.call };
        const isSeen = this.active === row.address && globalThis.document?.hasFocus?.();
        this.conversations.set(row.address, { ...known, ...row, last, unread: isSeen ? 0 : row.unread, isNew: false });
        found.add(row.address);
      }
      cursor = page.next;
    } while (cursor);
    this.#keep?.put('conversations', this.list.filter(({ address }) => found.has(address))).catch(() => {});
    this.emit('conversations');
  }

  /** Looks what was said on other devices, which a home socket does not tell; now and then. */
  async catchUp() {
    if (this.connection !== 'open' || Date.now() - this.#caughtUp < CATCH_UP) return;
    await this.#lookAgain();
  }

  /** 1000: `{nickname, accountType, info}` of an address. */
  info(address) {
    return this.socket.request({ messageId: newId(), code: CODE.INFO, to: address });
  }

  /** 1001: 'accepted', 'waiting' or 'wrong-pass'. */
  async join(address, pass) {
    const answer = await this.socket.request({ messageId: newId(), code: CODE.JOIN, to: address, ...(pass && { pass }) });
    const decision = { 1: 'accepted', 2: 'waiting', 3: 'wrong-pass' }[answer.type] ?? 'waiting';
    const conversation = this.conversation(address);
    if (decision === 'accepted') conversation.relation = 'accepted';
    else if (decision === 'waiting') conversation.relation = 'asked';
    this.emit('conversations');
    return decision;
  }

  /** 1004. */
  async leave(address) {
    await this.socket.request({ messageId: newId(), code: CODE.LEAVE, to: address });
    this.conversation(address).relation = null;
    this.emit('conversations');
  }

  // -- messages -----------------------------------------------------------------------------------

  timeline(address) {
    return this.#state(address).timeline;
  }

  /** True while older messages may be had. */
  hasOlder(address) {
    return this.#state(address).older !== null;
  }

  /** Reads what was said: first what the browser keeps, then the gateway's newest page. */
  async load(address) {
    const state = this.#state(address);
    if (!state.begun) {
      state.begun = true;
      const keep = await this.#opening;
      for (const event of (await keep?.events(address).catch(() => [])) ?? []) state.timeline.add(event);
      this.emit('messages', address, null);
    }
    if (state.current) return;
    state.current = true;
    await this.#listed;
    try {
      // Of somebody with whom there is no conversation yet the gateway has nothing to tell.
      if (this.conversation(address).isNew) state.older = null;
      else this.#takePage(address, await this.api.messages(address));
    } catch (error) {
      // A room that the account is not in.
      if (error.status === 404) state.older = null;
      else state.current = false;
    }
    this.emit('messages', address, null);
  }

  /** Reads further back. */
  async loadOlder(address) {
    const state = this.#state(address);
    if (state.loading || !state.older) return;
    state.loading = true;
    try {
      const page = await this.api.messages(address, { cursor: state.older });
      for (const row of page.items) this.#addRow(state, row);
      state.older = page.next ?? null;
    } finally {
      state.loading = false;
    }
    this.emit('messages', address, null);
  }

  /** Sends a file: it is taken first, and then said by its link. */
  async sendFile(address, file) {
    const { url } = await this.api.sendFile(file);
    await this.send(address, url);
  }

  /** Says something: `replyTo` or `replaces` name a message. Shown at once, marked until taken. */
  async send(address, text, { replyTo, replaces } = {}) {
    const frame = { messageId: newId(), code: CODE.TEXT, to: address, text: toBase64(text), ...(replyTo && { replyTo }), ...(replaces && { replaces }) };
    await this.#say(address, frame);
  }

  react(address, messageId, emoji) {
    return this.#say(address, { messageId: newId(), code: CODE.TEXT, to: address, text: toBase64(emoji), replyTo: messageId, reaction: emoji });
  }

  /** Withdraws a message or a reaction of ours. */
  recall(address, messageId) {
    return this.#say(address, { messageId: newId(), code: CODE.RECALL, to: address, recallMessageId: messageId });
  }

  /** Sends again what failed. */
  async retry(address, item) {
    this.timeline(address).remove(item.id);
    await this.send(address, item.text, { replyTo: item.replyTo });
  }

  /** All that is there has been seen. */
  markRead(address) {
    const conversation = this.conversations.get(address);
    if (!conversation) return;
    if (conversation.unread > 0) {
      conversation.unread = 0;
      this.#channel?.postMessage({ read: address });
      this.emit('conversations');
    }
    clearTimeout(this.#readTimers.get(address));
    this.#readTimers.set(address, setTimeout(() => this.#tellRead(address), READ_AFTER));
  }

  async #tellRead(address) {
    const conversation = this.conversations.get(address);
    if (!conversation?.last) return;
    try {
      const number = conversation.last.number ?? (await this.settle(address));
      if (number === undefined || number <= (conversation.readTo ?? 0)) return;
      await this.api.markRead(address, number);
      conversation.readTo = number;
    } catch {
      // It is told with the next message.
    }
  }

  /**
   * What came over the socket has no number, and does not tell a notice from a message: the newest rows
   * of the history do. Gives the newest number, if there is one.
   */
  async settle(address) {
    const { items } = await this.api.messages(address, { limit: 5 });
    const state = this.#state(address);
    for (const row of items) {
      const item = state.timeline.get(row.messageId);
      if (!item || item.number !== undefined) continue;
      this.#addRow(state, row);
      this.emit('messages', address, item);
    }
    return items[0]?.number;
  }

  #state(address) {
    if (!this.#states.has(address)) {
      this.#states.set(address, { timeline: new Timeline(), begun: false, current: false, loading: false, older: undefined });
    }
    return this.#states.get(address);
  }

  #addRow(state, row) {
    const event = eventOfRow(row, this.address);
    if (event) state.timeline.add(event);
  }

  /** The newest page. Where it does not join what is there, that is forgotten: there would be a gap. */
  #takePage(address, { items, next }) {
    const state = this.#state(address);
    const joins = state.older !== undefined && items.some(({ messageId }) => state.timeline.has(messageId));
    if (!joins) {
      const oldest = items[items.length - 1]?.time ?? 0;
      const fresh = state.timeline.items.filter((item) => item.status || item.at >= oldest);
      state.timeline = new Timeline();
      state.older = next ?? null;
      for (const row of items) this.#addRow(state, row);
      for (const item of fresh) if (!state.timeline.has(item.id)) state.timeline.add(item);
      return;
    }
    for (const row of items) this.#addRow(state, row);
  }

  async #say(address, frame) {
    const event = { ...eventOfFrame(frame, this.address), name: this.displayName };
    if (event.kind === 'text') event.status = 'sending';
    this.#show(address, event);
    this.#channel?.postMessage({ sent: { address, event: { ...event, status: undefined } } });
    await this.#keep?.putOutbox({ ...frame, at: event.at }).catch(() => {});
    await this.#deliver(address, frame, event);
  }

  async #deliver(address, frame, event) {
    try {
      await this.socket.request(frame);
      this.#keep?.addEvent(address, { ...event, status: undefined }).catch(() => {});
      this.timeline(address).change(event.id, { status: 'sent' });
    } catch (error) {
      // Without an answer it stays in the outbox, for the next time.
      if (!(error instanceof RequestError)) return;
      this.timeline(address).change(event.id, { status: 'failed', error: error.message });
      if (event.kind !== 'text') this.emit('problem', error.message);
    }
    this.#keep?.dropOutbox(frame.messageId).catch(() => {});
    this.emit('messages', address, this.timeline(address).get(event.id) ?? null);
  }

  #show(address, event) {
    const item = this.#state(address).timeline.add(event);
    const conversation = this.conversation(address);
    conversation.isNew = false;
    if (event.kind === 'text' || event.kind === 'notice') {
      conversation.last = { at: event.at, from: event.from, name: event.name, text: toPlain(event.text), kind: event.kind, call: event.call };
    } else if (event.kind === 'edit' && item && item === this.timeline(address).items.at(-1)) {
      conversation.last = { ...conversation.last, text: toPlain(event.text) };
    }
    this.emit('messages', address, item);
    this.emit('conversations');
    return item;
  }

  // -- what comes -----------------------------------------------------------------------------------

  async #pushed(frame) {
    const code = String(frame.code);
    if (code === CODE.INFO) return { statusCode: '100', nickname: this.displayName, accountType: '1' };
    if (code === CODE.VOICE || code === CODE.VIDEO) {
      this.emit('call', frame);
      return { statusCode: '200' };
    }
    let event;
    try {
      event = eventOfFrame(frame, this.address);
    } catch {
      event = null;
    }
    if (!event) return { statusCode: '400', error: 'the client does not understand this frame' };
    const said = frame.to && frame.to !== this.address ? frame.to : event.from;
    const conversation = this.conversation(said);
    if (said === frame.to) conversation.kind = 'group';
    const { address } = conversation;
    const isNew = (await this.#keep?.addEvent(address, event)) ?? !this.timeline(address).has(event.id);
    if (isNew && !this.timeline(address).has(event.id)) this.#tookIn(conversation, event);
    return { statusCode: '200' };
  }

  #tookIn(conversation, event) {
    const { address } = conversation;
    if (event.name && conversation.kind === 'person') conversation.name = event.name;
    if (event.kind === 'request' && conversation.relation !== 'accepted') {
      conversation.relation = conversation.relation === 'asked' ? 'accepted' : 'invited';
    }
    if (event.kind === 'close') conversation.relation = null;
    // Of the lines of calls only those about one that was missed are news.
    const counts = !event.mine && (['text', 'request'].includes(event.kind) || Boolean(event.call?.missed));
    const isSeen = this.active === address && globalThis.document?.hasFocus?.();
    if (counts && !isSeen) conversation.unread += 1;
    const item = this.#show(address, event);
    if (counts) {
      if (isSeen) this.markRead(address);
      this.emit('incoming', conversation, item);
    }
  }

  #heardTab(data) {
    if (data.signedOut) this.emit('signedOut', null);
    if (data.read && this.conversations.has(data.read)) {
      this.conversations.get(data.read).unread = 0;
      this.emit('conversations');
    }
    if (data.sent) this.#show(data.sent.address, data.sent.event);
  }

  async #resume() {
    const waiting = (await this.#keep?.outbox().catch(() => [])) ?? [];
    for (const { at, ...frame } of waiting.sort((a, b) => a.at - b.at)) {
      const event = { ...eventOfFrame(frame, this.address), at, name: this.displayName };
      if (event.kind === 'text') event.status = 'sending';
      this.#show(frame.to, event);
      this.#deliver(frame.to, frame, event);
    }
  }

  async #connected(state) {
    this.connection = state;
    this.emit('connection', state);
    if (state !== 'open') return;
    await this.#lookAgain();
  }

  async #lookAgain() {
    this.#caughtUp = Date.now();
    for (const one of this.#states.values()) one.current = false;
    try {
      await this.refresh();
      this.#nowListed();
      if (this.active) await this.load(this.active);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.emit('signedOut', 'signin.ended');
      else {
        clearTimeout(this.#again);
        this.#again = setTimeout(() => this.connection === 'open' && this.#lookAgain(), AGAIN);
      }
    }
  }

  async #checkToken() {
    const error = await this.api.me().then(() => null, (failed) => failed);
    if (error?.status === 401) this.emit('signedOut', 'signin.ended');
  }
}
