// The page of somebody who is signed in: which conversation is open, where the call is, what is told
// when. Puts the views together and follows the address line (`#/c/<address>`). Called by `main`.

import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { toPlain } from '../markdown.js';
import { Sidebar, linkTo } from './sidebar.js';
import { ConversationView, emptyView } from './conversation.js';
import { wordsOf } from './callline.js';
import { CallView, CallStrip, ringCard } from './callview.js';
import { openNew, openCard } from './dialogs.js';
import { openSettings } from './settings.js';
import { toast } from './modal.js';
import * as notify from './notify.js';

/** So many ms after a call it is looked what line it has left. */
const LINE_AFTER = 1500;

/** The call that ended and the line that it left are one piece of news. */
const missedTag = (address) => `missed ${address}`;

export class App {
  #client;
  #calls;
  #options;
  #sidebar;
  #main = h('main', { class: 'main', id: 'main', tabIndex: -1 });
  #strip = h('div', { class: 'strip-place' });
  #ring = h('div', { class: 'ring-place' });
  #view = null;
  #call = null;
  #callView = null;
  #callStrip = null;
  #shrunk = false;
  #frame = null;
  #rung = null;
  #takeAway = () => {};
  #undo = [];

  /** `options`: `onLanguage()`, `onSignOut()`. */
  constructor(root, { client, calls, ...options }) {
    [this.#client, this.#calls, this.#options] = [client, calls, options];
    this.#sidebar = new Sidebar(client, {
      onNew: () => openNew({ onAddress: (address) => this.#card(address) }),
      onSettings: () => openSettings({ client, ...options }),
    });
    fill(root, h('a', { class: 'skip', href: '#main', text: t('app.skip'), on: { click: (event) => {
      event.preventDefault();
      (this.#view?.composer ?? this.#main).focus();
    } } }), h('div', { class: 'app' }, this.#strip, this.#sidebar.element, this.#main), this.#ring);
    const listen = (target, name, listener) => {
      target.addEventListener(name, listener);
      this.#undo.push(() => target.removeEventListener(name, listener));
    };
    listen(window, 'hashchange', () => this.#route());
    listen(window, 'focus', () => {
      this.#view?.seen();
      client.catchUp();
    });
    listen(window, 'beforeunload', (event) => calls.isBusy && event.preventDefault());
    this.#undo.push(
      client.on('conversations', () => this.#changed()),
      client.on('connection', () => this.#sidebar.update()),
      client.on('incoming', (conversation, item) => this.#incoming(conversation, item)),
      client.on('problem', (words) => toast(words)),
      calls.on('change', () => this.#updateCall()),
      calls.on('rings', (call) => this.#rings(call)),
      calls.on('ended', (call) => this.#ended(call)));
    this.#changed();
    this.#route();
    this.#updateCall();
  }

  destroy() {
    for (const undo of this.#undo) undo();
    this.#view?.destroy();
    this.#callView?.destroy();
    this.#callStrip?.destroy();
    this.#takeAway();
  }

  // -- conversations --------------------------------------------------------------------------------

  #route() {
    const match = /^#\/c\/(.+)$/.exec(location.hash);
    let address = null;
    try {
      address = match && decodeURIComponent(match[1]);
    } catch {
      // Somebody has changed the address line.
    }
    this.#open(address);
  }

  #open(address) {
    const found = address && this.#client.conversation(address);
    this.#client.active = found?.address ?? null;
    document.body.dataset.view = found ? 'chat' : 'list';
    this.#view?.destroy();
    this.#view = null;
    if (found) {
      this.#view = new ConversationView({
        client: this.#client, calls: this.#calls, address: found.address,
        on: {
          card: (which) => this.#card(which),
          call: (video) => this.#dial(found.address, found.name, video),
          back: () => { location.hash = ''; },
        },
      });
    }
    this.#draw();
    this.#sidebar.update();
    if (this.#call && found) this.#setShrunk(true);
    if (this.#view && matchMedia('(pointer: fine)').matches) this.#view.composer.focus();
    this.#view?.seen();
  }

  #draw() {
    const showsCall = this.#callView && !this.#shrunk;
    fill(this.#main, showsCall ? this.#callView.element : this.#view?.element ?? emptyView());
    if (showsCall) this.#callView.resume();
    document.body.dataset.call = showsCall ? 'shown' : this.#call ? 'shrunk' : '';
    fill(this.#strip, this.#callStrip?.element);
  }

  /** Draws the list at most once per frame, however much comes. */
  #changed() {
    notify.title(this.#client.unread);
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      this.#sidebar.update();
    });
  }

  #card(address) {
    openCard(this.#client, address, {
      onWrite: (which, name, isRoom) => {
        const conversation = this.#client.conversation(which);
        if (!conversation.last) Object.assign(conversation, { name, kind: isRoom ? 'group' : 'person' });
        location.hash = linkTo(conversation.address);
      },
      onCall: (which, name, video) => this.#dial(which, name, video),
    });
  }

  #incoming(conversation, item) {
    const away = !document.hasFocus();
    const elsewhere = away || this.#client.active !== conversation.address;
    if (!elsewhere || !item) return;
    notify.beep();
    if (!away) return;
    const isRequest = item.kind === 'request';
    const title = isRequest ? t('notify.request', { name: conversation.name }) : conversation.name;
    const author = conversation.kind === 'group' ? `${item.name}: ` : '';
    const body = isRequest ? conversation.address : author + toPlain(wordsOf(item)).slice(0, 200);
    notify.show(title, body, { tag: item.call ? missedTag(conversation.address) : conversation.address, onClick: () => { location.hash = linkTo(conversation.address); } });
  }

  // -- calls ------------------------------------------------------------------------------------------

  #dial(address, name, video) {
    this.#shrunk = false;
    this.#calls.dial(address, name, video);
  }

  #updateCall() {
    const { current, ringing } = this.#calls;
    if (current !== this.#call) {
      this.#callView?.destroy();
      this.#callStrip?.destroy();
      this.#call = current;
      this.#shrunk = false;
      this.#callView = current && new CallView(current, { onShrink: () => this.#setShrunk(true) });
      this.#callStrip = null;
      this.#draw();
      this.#callView?.focus();
    }
    if (ringing !== this.#rung) {
      this.#rung = ringing;
      this.#takeAway();
      fill(this.#ring, ringing && ringCard(ringing, { accept: (video) => this.#calls.accept({ video }), decline: () => this.#calls.decline() }));
      // Nobody answers by a key they were about to type.
      const isTyping = document.activeElement?.matches('input, textarea');
      if (ringing && !isTyping) this.#ring.querySelector('.go').focus();
    }
  }

  #setShrunk(on) {
    this.#shrunk = on;
    this.#callStrip?.destroy();
    this.#callStrip = on && this.#call ? new CallStrip(this.#call, { onGrow: () => this.#setShrunk(false) }) : null;
    if (on && !this.#view && this.#call?.peer.address) location.hash = linkTo(this.#call.peer.address);
    this.#draw();
    if (!on) this.#callView?.focus();
  }

  #rings(call) {
    const kind = call.video ? 'video' : 'voice';
    this.#takeAway = notify.show(t(`notify.call.${kind}`, { name: call.peer.name }), call.peer.address, { tag: call.id, lasting: true, onClick: () => {} });
  }

  #ended(call) {
    // The line that is left of it is on its way.
    setTimeout(() => this.#client.settle(call.peer.address).catch(() => {}), LINE_AFTER);
    if (call.end === 'missed') notify.show(t('notify.missed', { name: call.peer.name }), call.peer.address, { tag: missedTag(call.peer.address), onClick: () => { location.hash = linkTo(call.peer.address); } });
    if (call !== this.#calls.current && call.end === 'elsewhere') toast(t('call.end.elsewhere'));
    if (this.#shrunk) toast(`${call.peer.name}: ${t('call.state.ended')}`);
  }
}
