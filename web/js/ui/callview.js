// A call as it is seen: the stage with pictures and buttons, the small bar while one writes, and the
// card of somebody who rings. Shared by the client and the join page. What the buttons do is `Call`'s.

import { h, fill, avatar, icon, iconButton } from '../dom.js';
import { t, duration } from '../i18n.js';
import * as media from '../calls/media.js';
import { devicePickers } from './settings.js';
import { modal, toast } from './modal.js';

const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'];

/** What a call's state or end reads like. */
export function stateWords(call) {
  const { name } = call.peer;
  if (call.state === 'ended') {
    const words = ['failed', 'said'].includes(call.end) && call.words ? call.words : t(`call.end.${call.end}`, { name });
    return call.lasted > 0 ? `${words} · ${t('call.lasted', { time: duration(call.lasted) })}` : words;
  }
  if (call.state === 'connected' && call.held) return t('call.held');
  if (call.state === 'connected' && call.heldByOther) return t('call.held.other', { name });
  return t(`call.state.${call.state}`);
}

export class CallView {
  #call;
  /** On no page, so that the sound goes on while the call is not shown. */
  #sound = new Audio();
  #remote = h('video', { class: 'remote', autoplay: true, playsInline: true, muted: true, data: { testid: 'remote-video' } });
  #local = h('video', { class: 'local', autoplay: true, playsInline: true, muted: true, 'aria-label': t('call.you'), data: { testid: 'local-video' } });
  #name = h('h2', { class: 'call-name', dir: 'auto' });
  #state = h('p', { class: 'call-state', role: 'status', data: { testid: 'call-state' } });
  #timer = h('p', { class: 'call-timer', 'aria-label': t('call.timer'), data: { testid: 'call-timer' } });
  #quality = h('button', { type: 'button', class: 'quality', data: { testid: 'quality' } });
  #notes = h('p', { class: 'call-notes', data: { testid: 'call-notes' } });
  #face;
  #faceName = h('p', { class: 'face-name', dir: 'auto', data: { testid: 'call-peer' } });
  #buttons = {};
  #clock;
  #awake = false;
  #lock = null;
  #undo = [];

  /** `onShrink`: shows the messages instead; without it there is no such button. */
  constructor(call, { onShrink = null } = {}) {
    this.#call = call;
    this.#remote.setAttribute('aria-label', call.peer.name);
    this.#face = h('div', { class: 'face' }, avatar(call.peer.name, call.peer.address ?? call.peer.name, { size: 'huge' }), this.#faceName);
    this.element = h('section', { class: 'call', 'aria-label': t('call.label', { name: call.peer.name }), data: { testid: 'call' } },
      this.#remote, this.#face,
      h('header', { class: 'call-head' },
        h('div', { class: 'call-words' }, this.#name, this.#state, this.#timer, this.#notes),
        this.#quality,
        onShrink && iconButton('shrink', t('call.shrink'), { class: 'shrink', on: { click: onShrink }, data: { testid: 'call-shrink' } })),
      this.#local, this.#bar());
    this.#quality.append(bars());
    this.#quality.addEventListener('click', () => toast(this.#quality.title));
    this.#undo.push(call.on('change', () => this.#update()), call.on('quality', (figures) => this.#grade(figures)),
      call.on('problem', (key, words) => toast(words ? `${t(key)}: ${words}` : t(key))));
    this.#clock = setInterval(() => this.#tick(), 500);
    this.#update();
    this.#useSpeaker();
  }

  destroy() {
    clearInterval(this.#clock);
    this.#stayAwake(false);
    for (const undo of this.#undo) undo();
    this.#sound.srcObject = null;
    this.#remote.srcObject = null;
    this.#local.srcObject = null;
  }

  /** Shows what goes on, after it was not on the page: pictures stop there. */
  resume() {
    this.#update();
  }

  focus() {
    (this.#buttons.mute.disabled ? this.#buttons.hangup : this.#buttons.mute).focus();
  }

  #bar() {
    const call = this.#call;
    const button = (key, drawing, label, action) => {
      this.#buttons[key] = iconButton(drawing, label, { class: `round ${key}`, on: { click: action }, data: { testid: `call-${key}` } });
      return this.#buttons[key];
    };
    return h('div', { class: 'call-bar', role: 'toolbar', 'aria-label': t('call.label', { name: call.peer.name }) },
      button('mute', 'mic', t('call.mute'), () => call.setMuted(!call.muted.audio)),
      button('camera', 'video', t('call.camera.on'), () => call.setCamera(!call.preview || call.sharing)),
      media.canShareScreen() && button('share', 'screen', t('call.share'), () => call.setSharing(!call.sharing)),
      button('hold', 'pause', t('call.hold'), () => call.hold(!call.held)),
      button('keypad', 'keypad', t('call.keypad'), () => this.#openKeypad()),
      button('devices', 'sliders', t('call.devices'), () => this.#openDevices()),
      button('hangup', 'hangup', t('call.hangup'), () => call.hangUp()));
  }

  #set(key, on, drawing, label) {
    const button = this.#buttons[key];
    if (!button) return;
    const before = `${on}${drawing}${label}`;
    if (button.dataset.shown === before) return;
    button.dataset.shown = before;
    fill(button, icon(drawing));
    button.setAttribute('aria-label', label);
    button.title = label;
    button.setAttribute('aria-pressed', String(on));
  }

  #update() {
    const call = this.#call;
    const words = stateWords(call);
    if (this.#state.textContent !== words) this.#state.textContent = words;
    this.#name.textContent = call.peer.name;
    this.#faceName.textContent = call.peer.name;
    this.element.dataset.state = call.state;
    this.element.dataset.held = String(call.held);
    this.element.dataset.end = call.end ?? '';
    attach(this.#sound, call.remote);
    attach(this.#remote, call.remote);
    const shows = call.showsRemote;
    this.#remote.classList.toggle('audio-only', !shows);
    this.#face.hidden = shows;
    this.#name.hidden = !shows;
    this.#showLocal(call);
    this.#set('mute', call.muted.audio, call.muted.audio ? 'micOff' : 'mic', t(call.muted.audio ? 'call.unmute' : 'call.mute'));
    const camera = Boolean(call.preview) && !call.sharing;
    this.#set('camera', camera, camera ? 'video' : 'videoOff', t(camera ? 'call.camera.off' : 'call.camera.on'));
    this.#set('share', call.sharing, 'screen', t(call.sharing ? 'call.share.stop' : 'call.share'));
    this.#set('hold', call.held, call.held ? 'play' : 'pause', t(call.held ? 'call.resume' : 'call.hold'));
    const talking = ['connected', 'reconnecting'].includes(call.state);
    for (const key of ['camera', 'share', 'hold', 'keypad']) if (this.#buttons[key]) this.#buttons[key].disabled = !talking;
    for (const key of ['mute', 'devices', 'hangup']) this.#buttons[key].disabled = call.isOver;
    this.#notes.textContent = this.#noteWords(call);
    this.#quality.hidden = call.state !== 'connected';
    this.#stayAwake(call.hasVideo && !call.isOver);
    this.#tick();
  }

  /** The screen of a phone stays on while there is something to see. */
  async #stayAwake(on) {
    if (on === this.#awake || !navigator.wakeLock) return;
    this.#awake = on;
    if (!on) this.#lock?.release().catch(() => {});
    else this.#lock = await navigator.wakeLock.request('screen').catch(() => null);
    if (!this.#awake) this.#lock?.release().catch(() => {});
  }

  #noteWords(call) {
    const { name } = call.peer;
    const notes = [];
    if (call.byLink && call.since && !call.isOver) notes.push(t('call.guest'));
    if (call.otherKeys && !call.isOver) notes.push(t('call.other.keys', { name, keys: call.otherKeys }));
    if (call.sharing) notes.push(t('call.sharing'));
    if (call.otherMuted.audio && !call.isOver) notes.push(t('call.other.muted', { name }));
    if (call.otherMuted.video && call.video && call.state === 'connected') notes.push(t('call.other.camera', { name }));
    return notes.join(' · ');
  }

  #showLocal(call) {
    this.#local.hidden = !call.preview;
    this.#local.classList.toggle('mirrored', !call.sharing);
    const shown = this.#local.srcObject?.getVideoTracks()[0] ?? null;
    if (shown !== call.preview) this.#local.srcObject = call.preview ? new MediaStream([call.preview]) : null;
    else if (shown && this.#local.paused) this.#local.play().catch(() => {});
  }

  #tick() {
    const { since, isOver } = this.#call;
    this.#timer.textContent = since && !isOver ? duration(Date.now() - since) : '';
  }

  #grade(figures) {
    const grade = this.#call.held || this.#call.heldByOther ? 4 : figures.grade;
    const detail = t('call.quality.detail', {
      rtt: figures.rtt === null ? '–' : Math.round(figures.rtt), loss: (figures.loss * 100).toFixed(1), jitter: Math.round(figures.jitter), in: figures.kbitIn, out: figures.kbitOut,
    });
    const words = `${t(`call.quality.${grade}`)} · ${detail}`;
    this.#quality.dataset.grade = String(grade);
    this.#quality.title = words;
    this.#quality.setAttribute('aria-label', words);
  }

  #openDevices() {
    modal(t('call.devices'), devicePickers((kind) => (kind === 'speaker' ? this.#useSpeaker() : this.#call.changeDevice(kind))), { testid: 'call-devices-dialog' });
  }

  #useSpeaker() {
    const { speaker } = media.chosen();
    if (this.#sound.setSinkId && speaker !== undefined) this.#sound.setSinkId(speaker).catch(() => {});
  }

  #openKeypad() {
    const pressed = h('output', { class: 'pressed', 'aria-live': 'polite' });
    modal(t('call.keypad'), [pressed, h('div', { class: 'keys', role: 'group', 'aria-label': t('call.keypad.keys') },
      KEYS.map((key) => h('button', { type: 'button', class: 'key', text: key, on: { click: () => {
        this.#call.dial(key);
        pressed.textContent += key;
      } } })))], { testid: 'keypad' });
  }
}

function attach(element, stream) {
  if (stream && element.srcObject !== stream) element.srcObject = stream;
  if (stream && element.paused) element.play().catch(() => {});
}

function bars() {
  return h('span', { class: 'bars', 'aria-hidden': 'true' }, h('i'), h('i'), h('i'), h('i'));
}

/** The bar at the top while the call goes on behind the messages. */
export class CallStrip {
  #call;
  #name = h('strong', { dir: 'auto' });
  #words = h('span', { class: 'strip-words' });
  #hangUp;
  #clock;
  #undo;

  constructor(call, { onGrow }) {
    this.#call = call;
    this.#hangUp = iconButton('hangup', t('call.hangup'), { class: 'round hangup', on: { click: () => call.hangUp() }, data: { testid: 'strip-hangup' } });
    this.element = h('div', { class: 'strip', role: 'region', 'aria-label': t('call.strip'), data: { testid: 'call-strip' } },
      h('button', { type: 'button', class: 'strip-open', title: t('call.grow'), on: { click: onGrow }, data: { testid: 'call-grow' } }, icon('phone'), this.#name, this.#words, icon('grow')),
      this.#hangUp);
    this.#undo = call.on('change', () => this.#update());
    this.#clock = setInterval(() => this.#update(), 1000);
    this.#update();
  }

  destroy() {
    clearInterval(this.#clock);
    this.#undo();
  }

  #update() {
    const { since, isOver, state, held, peer } = this.#call;
    this.element.dataset.state = state;
    this.#hangUp.hidden = isOver;
    this.#name.textContent = peer.name;
    const words = since && !isOver && state === 'connected' && !held ? duration(Date.now() - since) : stateWords(this.#call);
    if (this.#words.textContent !== words) this.#words.textContent = words;
  }
}

/** The card of somebody who rings. `on`: `accept(video)`, `decline()`. */
export function ringCard(call, { accept, decline }) {
  const { name, address } = call.peer;
  const kind = call.video ? 'video' : 'voice';
  const id = 'ring-words';
  return h('div', { class: 'ring', role: 'alertdialog', 'aria-labelledby': id, 'aria-describedby': 'ring-kind', data: { testid: 'ring' } },
    h('div', { class: 'ring-who' }, avatar(name, address, { size: 'large' }), h('div', {}, h('p', { class: 'ring-name', id, dir: 'auto', text: name }), h('p', { id: 'ring-kind', text: t(`call.incoming.${kind}`) }))),
    h('div', { class: 'ring-buttons' },
      h('button', { type: 'button', class: 'button danger', on: { click: decline }, data: { testid: 'ring-decline' } }, icon('hangup'), t('call.decline')),
      call.video && h('button', { type: 'button', class: 'button go', on: { click: () => accept(true) }, data: { testid: 'ring-accept-video' } }, icon('video'), t('call.accept.video')),
      h('button', { type: 'button', class: `button${call.video ? '' : ' go'}`, on: { click: () => accept(false) }, data: { testid: 'ring-accept' } }, icon('phone'), t(call.video ? 'call.accept.audio' : 'call.accept.voice'))));
}
