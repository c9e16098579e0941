// The conversation on the screen: its head, its messages, where one writes. Called by `app`, which makes
// a new one for each conversation that is opened.

import { h, fill, avatar, icon, iconButton } from '../dom.js';
import { t, day } from '../i18n.js';
import { networkOf, nameOf } from '../address.js';
import { toPlain } from '../markdown.js';
import { messageElement, authorOf } from './message.js';
import { wordsOf } from './callline.js';
import { Composer } from './composer.js';
import { ask, toast } from './modal.js';

/** Messages of one author within so many ms stand together. */
const TOGETHER = 5 * 60_000;
/** So near the end, in px, new messages are followed. */
const NEAR = 80;

export class ConversationView {
  #client;
  #address;
  #calls;
  #on;
  #list = h('ol', { class: 'messages', data: { testid: 'messages' } });
  #scroller;
  #older;
  #begin;
  #down;
  #request = h('div', { class: 'request', hidden: true, data: { testid: 'request' } });
  #announcer = h('div', { class: 'visually-hidden', role: 'log', 'aria-live': 'polite', data: { testid: 'announcer' } });
  #title = h('h2', { class: 'title', dir: 'auto' });
  #subtitle = h('p', { class: 'subtitle' });
  #callButtons;
  #rows = new Map();
  #follows = true;
  #undo = [];

  /** `on`: `card(address)`, `call(video)`, `back()`. */
  constructor({ client, calls, address, on }) {
    [this.#client, this.#calls, this.#address, this.#on] = [client, calls, address, on];
    const conversation = client.conversation(address);
    this.composer = new Composer({
      address, name: conversation.name, drafts: client.drafts,
      onSend: (text, about) => client.send(address, text, about),
      onFile: (file) => client.sendFile(address, file).catch((error) => toast(t('message.attach-failed', { why: error.message }))),
      onLast: () => this.#editLast(),
    });
    this.#older = h('button', { type: 'button', class: 'button older', text: t('chat.older'), data: { testid: 'older' }, on: { click: () => this.#loadOlder() } });
    this.#begin = h('p', { class: 'begin', text: t('chat.begin') });
    this.#down = iconButton('down', t('chat.down'), { class: 'down', hidden: true, on: { click: () => this.#toEnd(true) } });
    this.#scroller = h('div', { class: 'scroller', tabIndex: -1, on: { scroll: () => this.#scrolled() } }, this.#older, this.#begin, this.#list);
    this.element = h('section', { class: 'chat', id: 'conversation', 'aria-label': t('chat.label', { name: conversation.name }), data: { address, testid: 'chat' } },
      this.#head(conversation), this.#request,
      h('div', { class: 'scroll-box' }, this.#scroller, this.#down), this.composer.element, this.#announcer);
    this.#list.setAttribute('aria-label', t('chat.messages'));
    this.#list.addEventListener('keydown', (event) => this.#arrow(event));
    this.#list.addEventListener('focusin', (event) => this.#roam(event.target.closest('.message')));
    const observer = new IntersectionObserver(([entry]) => entry.isIntersecting && this.#loadOlder(), { root: this.#scroller, rootMargin: '200px' });
    observer.observe(this.#older);
    const resizes = new ResizeObserver(() => this.#follows && this.#toEnd());
    resizes.observe(this.#scroller);
    resizes.observe(this.#list);
    this.#undo.push(() => observer.disconnect(), () => resizes.disconnect(),
      client.on('messages', (changed, item) => changed === address && this.#update(item)),
      client.on('incoming', ({ address: where }, item) => where === address && this.#announce(item)),
      client.on('conversations', () => this.#updateHead()),
      calls.on('change', () => this.#updateHead()));
    this.#updateHead();
    this.#update(null);
    client.load(address);
  }

  destroy() {
    for (const undo of this.#undo) undo();
  }

  /** The person is looking at it. */
  seen() {
    if (this.#follows) this.#client.markRead(this.#address);
  }

  #head(conversation) {
    this.#callButtons = [
      iconButton('phone', t('chat.voice'), { on: { click: () => this.#on.call(false) }, data: { testid: 'call-voice' } }),
      iconButton('video', t('chat.video'), { on: { click: () => this.#on.call(true) }, data: { testid: 'call-video' } }),
    ];
    return h('header', { class: 'chat-head' },
      iconButton('back', t('action.back'), { class: 'back', on: { click: this.#on.back }, data: { testid: 'back' } }),
      h('button', { type: 'button', class: 'who', title: t('chat.info', { name: conversation.name }), data: { testid: 'info' }, on: { click: () => this.#on.card(this.#address) } },
        avatar(conversation.name, this.#address), h('span', { class: 'who-words' }, this.#title, this.#subtitle)),
      h('div', { class: 'head-buttons' }, this.#callButtons));
  }

  #updateHead() {
    const { name, address, relation, kind } = this.#client.conversation(this.#address);
    this.#title.textContent = name;
    this.#subtitle.textContent = networkOf(address) ? `${networkOf(address)} · ${address}` : address;
    for (const button of this.#callButtons) button.disabled = this.#calls.isBusy;
    this.#request.hidden = kind === 'group' || (relation !== 'invited' && relation !== 'asked');
    if (this.#request.dataset.relation === String(relation)) return;
    this.#request.dataset.relation = String(relation);
    const decide = (action) => async () => {
      try {
        await action();
      } catch (error) {
        toast(error.message);
      }
    };
    if (relation === 'invited') {
      fill(this.#request, h('p', { text: t('request.text', { name }) }),
        h('button', { type: 'button', class: 'button', text: t('request.decline'), data: { testid: 'decline' }, on: { click: decide(() => this.#client.leave(address)) } }),
        h('button', { type: 'button', class: 'button primary', text: t('request.accept'), data: { testid: 'accept' }, on: { click: decide(() => this.#client.join(address)) } }));
    } else fill(this.#request, h('p', { text: t('request.asked', { name }) }));
  }

  // -- messages -----------------------------------------------------------------------------------

  /** Shows what has changed: one message, or (null) all. */
  #update(item) {
    const { items } = this.#client.timeline(this.#address);
    const older = this.#client.hasOlder(this.#address);
    this.#older.hidden = !older || items.length === 0;
    this.#begin.hidden = older;
    const isLast = item && items.at(-1) === item && !this.#rows.has(item.id);
    const { scrollHeight, scrollTop } = this.#scroller;
    if (item && this.#rows.has(item.id) && items.includes(item)) this.#redraw(item, items);
    else if (isLast) this.#append(items, items.length - 1);
    else this.#drawAll(items);
    if (this.#follows) this.#toEnd();
    else if (!isLast && item === null) this.#scroller.scrollTop = scrollTop + this.#scroller.scrollHeight - scrollHeight;
  }

  #drawAll(items) {
    const focused = document.activeElement?.closest?.('.message')?.dataset.id;
    this.#rows.clear();
    this.#list.replaceChildren();
    items.forEach((_, at) => this.#append(items, at));
    if (focused) this.#rows.get(focused)?.focus();
    this.#roam(this.#list.querySelector('.message:last-of-type'));
  }

  #append(items, at) {
    const [item, above] = [items[at], items[at - 1]];
    if (!above || new Date(above.at).toDateString() !== new Date(item.at).toDateString()) {
      this.#list.append(h('li', { class: 'day' }, h('span', { text: day(item.at) })));
    }
    const element = this.#element(items, at);
    this.#rows.set(item.id, element);
    this.#list.append(element);
    this.#roam(element);
  }

  #redraw(item, items) {
    const before = this.#rows.get(item.id);
    const made = this.#element(items, items.indexOf(item));
    made.tabIndex = before.tabIndex;
    const focused = before.contains(document.activeElement);
    before.replaceWith(made);
    this.#rows.set(item.id, made);
    if (focused) made.focus();
  }

  #element(items, at) {
    const [item, above] = [items[at], items[at - 1]];
    const joined = above && above.from === item.from && item.at - above.at < TOGETHER && above.kind === 'text' && item.kind === 'text' &&
      new Date(above.at).toDateString() === new Date(item.at).toDateString();
    return messageElement(item, {
      joined: Boolean(joined),
      agrees: item.kind === 'request' && agreesToOther(items, at),
      find: (id) => this.#client.timeline(this.#address).get(id),
      onReply: (one) => this.composer.reply(one),
      onEdit: (one) => this.composer.edit(one),
      onRecall: (one) => this.#recall(one),
      onReact: (one, emoji) => this.#client.react(this.#address, one.id, emoji),
      onRecallReaction: (reaction) => this.#client.recall(this.#address, reaction.id),
      onRetry: (one) => this.#client.retry(this.#address, one),
      onCopy: (one) => this.#copy(one),
      onAddress: (address) => this.#on.card(address),
      onQuote: (id) => this.#jump(id),
    });
  }

  #announce(item) {
    if (!item || !['text', 'notice'].includes(item.kind)) return;
    this.#announcer.append(h('p', { text: t('chat.announce', { name: authorOf(item), text: toPlain(wordsOf(item)).slice(0, 300) }) }));
    while (this.#announcer.childElementCount > 5) this.#announcer.firstElementChild.remove();
    if (!this.#follows) this.#down.classList.add('news');
  }

  async #recall(item) {
    if (item.status === 'failed') {
      this.#client.timeline(this.#address).remove(item.id);
      this.#update(null);
    } else if (await ask(t('message.recall.sure'), t('message.recall'))) {
      await this.#client.recall(this.#address, item.id);
    }
  }

  async #copy(item) {
    try {
      await navigator.clipboard.writeText(item.text);
      toast(t('action.copied'));
    } catch {
      toast(item.text);
    }
  }

  #editLast() {
    const last = this.#client.timeline(this.#address).items.findLast((item) => item.mine && item.kind === 'text' && !item.recalled && item.status !== 'failed');
    if (last) this.composer.edit(last);
  }

  #jump(id) {
    const item = this.#client.timeline(this.#address).get(id);
    const element = item && this.#rows.get(item.id);
    if (!element) return;
    element.scrollIntoView({ block: 'center', behavior: 'smooth' });
    element.focus({ preventScroll: true });
    element.classList.add('shown');
    setTimeout(() => element.classList.remove('shown'), 1500);
  }

  // -- moving ---------------------------------------------------------------------------------------

  async #loadOlder() {
    if (!this.#client.hasOlder(this.#address)) return;
    this.#older.textContent = t('chat.loading');
    await this.#client.loadOlder(this.#address).catch((error) => toast(error.message));
    this.#older.textContent = t('chat.older');
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    this.#follows = scrollHeight - scrollTop - clientHeight < NEAR;
    this.#down.hidden = this.#follows;
    if (this.#follows) {
      this.#down.classList.remove('news');
      if (document.hasFocus()) this.seen();
    }
  }

  #toEnd(smooth = false) {
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior: smooth ? 'smooth' : 'instant' });
  }

  /** One stop of the Tab key for all messages; arrows go from one to the next. */
  #roam(element) {
    if (!element) return;
    for (const other of this.#list.querySelectorAll('.message[tabindex="0"]')) other.tabIndex = -1;
    element.tabIndex = 0;
  }

  #arrow(event) {
    if (!event.target.classList?.contains('message')) return;
    const rows = [...this.#list.querySelectorAll('.message')];
    const at = rows.indexOf(event.target);
    const next = { ArrowUp: rows[at - 1], ArrowDown: rows[at + 1], Home: rows[0], End: rows.at(-1) }[event.key];
    if (event.key === 'Escape') this.composer.focus();
    else if (next) {
      event.preventDefault();
      next.focus();
    }
  }
}

/** A request that the other side had made before is agreed to by one's own. */
function agreesToOther(items, at) {
  const earlier = items.slice(0, at).findLast((item) => item.kind === 'request' || item.kind === 'close');
  return earlier?.kind === 'request' && earlier.from !== items[at].from;
}

/** What stands there while no conversation is open. */
export function emptyView() {
  return h('section', { class: 'chat nothing', id: 'conversation', 'aria-label': t('chat.none') },
    h('div', { class: 'nothing-words' }, icon('hash'), h('h2', { text: t('chat.none') }), h('p', { text: t('chat.none.lead') })));
}

/** The name by which an address is known to the client, without a conversation being made. */
export function nameFor(client, address) {
  return client.conversations.get(address)?.name ?? nameOf(address);
}
