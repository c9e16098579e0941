// What happened in one conversation → the messages as they read now. Pure. Events come in any order
// (live, or backwards through the history) and any number of times; edits, reactions and recalls that
// come before their target wait for it. Used by `client`, tested by itself.
//
// An event is `{id, kind, from, name, at, mine, …}` with the kinds of docs/web-api.md and their fields
// (`text`, `replyTo`, `replaces`, `reaction`, `target` for what a recall withdraws, `quote`, `number`).

import { fromBase64, CODE } from './protocol.js';

/** So many events may wait for messages that have not been read yet. */
const MOST_WAITING = 1000;

/** The event that a pushed (or sent) frame tells of; `null` if it tells of none. Throws if unreadable. */
export function eventOfFrame(frame, me) {
  const from = frame.from ?? me;
  const event = {
    id: frame.messageId,
    from,
    name: typeof frame.nickname === 'string' ? frame.nickname : '',
    at: Number.isFinite(Number(frame.time)) && frame.time != null ? Number(frame.time) : Date.now(),
    mine: from === me,
  };
  switch (String(frame.code)) {
    case CODE.TEXT: {
      const text = fromBase64(frame.text ?? '');
      if (frame.reaction) return { ...event, kind: 'reaction', replyTo: frame.replyTo, reaction: String(frame.reaction) };
      if (frame.replaces) return { ...event, kind: 'edit', replaces: frame.replaces, text };
      const call = readCallLine(frame.call);
      if (call) return { ...event, kind: 'notice', text, call };
      return { ...event, kind: 'text', text, ...(frame.replyTo && { replyTo: frame.replyTo }) };
    }
    case CODE.RECALL: return { ...event, kind: 'recall', target: frame.recallMessageId };
    case CODE.JOIN: return { ...event, kind: 'request' };
    case CODE.LEAVE: return { ...event, kind: 'close' };
    default: return null;
  }
}

/**
 * The event that a row of the history tells of; `null` for kinds that are not known, and for notices
 * that told the other side of something.
 */
export function eventOfRow(row, me) {
  if (row.kind === 'notice' && row.from === me) return null;
  if (!['text', 'edit', 'reaction', 'recall', 'request', 'close', 'notice'].includes(row.kind)) return null;
  const { number, messageId: id, from, nickname, time: at, kind, text, replyTo, replaces, reaction, recallMessageId: target, quote } = row;
  const call = readCallLine(row.call);
  return { id, kind, from, name: nickname ?? '', at, mine: from === me, number, text, replyTo, replaces, reaction, target, quote, ...(call && { call }) };
}

/** What became of a call, if that is what it is; else `null`. */
export function readCallLine(value) {
  return value !== null && typeof value === 'object' && typeof value.outcome === 'string' ? value : null;
}

export class Timeline {
  #items = new Map();
  #sorted = [];
  /** Ids of edits and reactions → the message they are about. */
  #alias = new Map();
  /** Events that wait, by the id they wait for. */
  #waiting = new Map();
  #waitingCount = 0;
  /** Ids of reactions that were taken back. */
  #gone = new Set();

  /** The messages, oldest first. */
  get items() {
    return this.#sorted;
  }

  /** The message with this id, or of which an edit or reaction has it. */
  get(id) {
    return this.#items.get(id) ?? this.#items.get(this.#alias.get(id));
  }

  has(id) {
    return this.#items.has(id) || this.#alias.has(id);
  }

  /** Applies an event; gives the message that is new or changed, or `null`. */
  add(event) {
    switch (event.kind) {
      case 'edit': return this.#edit(event);
      case 'reaction': return this.#react(event);
      case 'recall': return this.#recall(event);
      default: return this.#insert(event);
    }
  }

  /** Sets fields of a message (its `status`, say); gives it, or `null`. */
  change(id, fields) {
    const item = this.#items.get(id);
    return item ? Object.assign(item, fields) : null;
  }

  /** Takes a message out, as if it had never been there. */
  remove(id) {
    const item = this.#items.get(id);
    if (!item) return;
    this.#items.delete(id);
    this.#sorted = this.#sorted.filter((other) => other !== item);
  }

  #insert(event) {
    const known = this.#items.get(event.id);
    if (known) {
      // The history knows more than the socket did: its number, what it answers, that it was a notice.
      for (const field of ['number', 'quote', 'call']) known[field] ??= event[field];
      if (event.number !== undefined) {
        known.kind = event.kind;
        if (known.at !== event.at) {
          known.at = event.at;
          this.#sorted.sort(inOrder);
        }
        known.status = known.mine ? 'sent' : undefined;
      }
      return known;
    }
    const item = { edited: false, recalled: false, reactions: [], ...event };
    this.#items.set(item.id, item);
    let at = this.#sorted.length;
    while (at > 0 && inOrder(this.#sorted[at - 1], item) > 0) at -= 1;
    this.#sorted.splice(at, 0, item);
    this.#release(item.id);
    return item;
  }

  #edit(event) {
    const item = this.get(event.replaces);
    if (!item) return this.#wait(event.replaces, event);
    this.#alias.set(event.id, item.id);
    if (item.from === event.from && !item.recalled && event.at >= (item.editedAt ?? 0)) {
      Object.assign(item, { text: event.text, edited: true, editedAt: event.at });
    }
    this.#release(event.id);
    return item;
  }

  #react(event) {
    const item = this.get(event.replyTo);
    if (!item) return this.#wait(event.replyTo, event);
    this.#alias.set(event.id, item.id);
    const same = (known) => known.id === event.id || (known.from === event.from && known.emoji === event.reaction);
    if (!item.recalled && !this.#gone.has(event.id) && !item.reactions.some(same)) {
      item.reactions.push({ id: event.id, from: event.from, name: event.name, emoji: event.reaction, mine: event.mine });
    }
    this.#release(event.id);
    return item;
  }

  #recall(event) {
    const item = this.get(event.target);
    if (!item) return this.#wait(event.target, event);
    if (item.id === event.target) Object.assign(item, { recalled: true, text: '', reactions: [] });
    else {
      this.#gone.add(event.target);
      item.reactions = item.reactions.filter((reaction) => reaction.id !== event.target);
    }
    return item;
  }

  #wait(id, event) {
    if (id === undefined || this.#waitingCount >= MOST_WAITING) return null;
    const waiting = this.#waiting.get(id) ?? [];
    if (!waiting.some((known) => known.id === event.id)) {
      waiting.push(event);
      this.#waitingCount += 1;
    }
    this.#waiting.set(id, waiting);
    return null;
  }

  #release(id) {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    this.#waitingCount -= waiting.length;
    for (const event of waiting.sort((a, b) => a.at - b.at)) this.add(event);
  }
}

function inOrder(a, b) {
  return a.at - b.at || (a.number ?? Infinity) - (b.number ?? Infinity) || 0;
}
