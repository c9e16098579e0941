// Where one writes: a field that grows, what it answers or edits above it. Drafts stay with their
// conversation until the page is closed. Called by `conversation`.

import { h, fill, iconButton } from '../dom.js';
import { t } from '../i18n.js';
import { toPlain } from '../markdown.js';
import { authorOf } from './message.js';

/** The longest message, in bytes: its base64 has to fit into a frame of 256 KiB. */
const LONGEST = 180_000;

export class Composer {
  #onSend;
  #onLast;
  #onFile;
  #files;
  #attach;
  #about = h('div', { class: 'about', hidden: true });
  #field;
  #button;
  #address;
  #drafts;
  #replyTo = null;
  #replaces = null;

  /** `drafts`: texts by address. `onSend(text, {replyTo, replaces})` with ids; `onFile(file)` sends one and resolves when that
   * is over; `onLast()` edits the last own message. */
  constructor({ address, name, drafts, onSend, onFile, onLast }) {
    this.#address = address;
    this.#drafts = drafts;
    this.#onSend = onSend;
    this.#onLast = onLast;
    this.#onFile = onFile;
    const label = t('message.placeholder', { name });
    this.#field = h('textarea', { rows: '1', 'aria-label': label, placeholder: label, dir: 'auto', enterkeyhint: 'send', data: { testid: 'composer' }, on: {
      input: () => this.#changed(),
      keydown: (event) => this.#key(event),
      paste: (event) => this.#pasted(event),
    } });
    this.#files = h('input', { type: 'file', hidden: true, 'aria-label': t('message.attach'), data: { testid: 'files' }, on: { change: () => this.#chosen() } });
    this.#attach = iconButton('plus', t('message.attach'), { data: { testid: 'attach' }, on: { click: () => this.#files.click() } });
    this.#button = iconButton('send', t('message.send'), { class: 'accent send', type: 'submit', data: { testid: 'send' } });
    this.element = h('form', { class: 'composer', on: { submit: (event) => {
      event.preventDefault();
      this.#send();
    } } }, this.#about, h('div', { class: 'composer-row' }, this.#attach, this.#files, this.#field, this.#button));
    this.#field.value = drafts.get(address) ?? '';
    requestAnimationFrame(() => this.#changed());
  }

  focus() {
    this.#field.focus();
  }

  reply(item) {
    this.#begin(t('message.replying', { name: authorOf(item) }), toPlain(item.text));
    this.#replyTo = item.id;
    this.focus();
  }

  edit(item) {
    this.#begin(t('message.editing'), toPlain(item.text));
    this.#replaces = item.id;
    this.#field.value = item.text;
    this.#button.setAttribute('aria-label', t('message.save'));
    this.#changed();
    this.focus();
  }

  #begin(title, words) {
    this.#end();
    fill(this.#about, h('span', { class: 'about-words' }, h('strong', { text: title }), h('span', { dir: 'auto', text: words })),
      iconButton('close', t('action.cancel'), { on: { click: () => this.#cancel() } }));
    this.#about.hidden = false;
  }

  #end() {
    [this.#replyTo, this.#replaces] = [null, null];
    this.#about.hidden = true;
    this.#button.setAttribute('aria-label', t('message.send'));
  }

  #cancel() {
    if (this.#replaces) this.#field.value = '';
    this.#end();
    this.#changed();
    this.focus();
  }

  #changed() {
    const field = this.#field;
    field.style.setProperty('height', 'auto');
    field.style.setProperty('height', `${Math.min(field.scrollHeight, 200)}px`);
    if (!this.#replaces) this.#drafts.set(this.#address, field.value);
    this.#button.disabled = field.value.trim() === '';
  }

  #pasted(event) {
    const [file] = event.clipboardData?.files ?? [];
    if (!file) return;
    event.preventDefault();
    this.#sendFile(file);
  }

  #chosen() {
    const [file] = this.#files.files;
    if (file) this.#sendFile(file);
    this.#files.value = '';
  }

  /** One after the other: the button waits until the file is there. */
  async #sendFile(file) {
    if (this.#attach.disabled) return;
    this.#attach.disabled = true;
    this.#attach.setAttribute('aria-busy', 'true');
    await this.#onFile(file);
    this.#attach.disabled = false;
    this.#attach.removeAttribute('aria-busy');
  }

  #key(event) {
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey && !matchMedia('(pointer: coarse)').matches) {
      event.preventDefault();
      this.#send();
    } else if (event.key === 'Escape' && !this.#about.hidden) {
      event.preventDefault();
      this.#cancel();
    } else if (event.key === 'ArrowUp' && this.#field.value === '') {
      event.preventDefault();
      this.#onLast();
    }
  }

  #send() {
    const text = this.#field.value.trim();
    if (text === '') return;
    const tooLong = new TextEncoder().encode(text).length > LONGEST;
    this.#field.setCustomValidity(tooLong ? t('message.long') : '');
    if (tooLong) {
      this.#field.reportValidity();
      return;
    }
    const about = { replyTo: this.#replyTo ?? undefined, replaces: this.#replaces ?? undefined };
    this.#field.value = '';
    this.#end();
    this.#changed();
    this.focus();
    this.#onSend(text, about);
  }
}
