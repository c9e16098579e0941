// A dialog on the browser's own `<dialog>`: it keeps the focus inside, closes with Escape, and gives the
// focus back. And questions with yes and no. Used by `dialogs`, `message`, `callview`.

import { h, iconButton } from '../dom.js';
import { t } from '../i18n.js';

let count = 0;

/** Opens a dialog with this title and content; gives `{element, close}`. */
export function modal(title, content, { testid, onClose = () => {} } = {}) {
  count += 1;
  const id = `dialog-title-${count}`;
  const close = () => element.close();
  const element = h('dialog', { class: 'modal', 'aria-labelledby': id, data: { testid } },
    h('header', { class: 'modal-head' },
      h('h2', { id, text: title }),
      iconButton('close', t('action.close'), { on: { click: close }, data: { testid: 'dialog-close' } })),
    h('div', { class: 'modal-body' }, content));
  element.addEventListener('close', () => {
    element.remove();
    onClose();
  });
  element.addEventListener('click', (event) => event.target === element && close());
  document.body.append(element);
  element.showModal();
  element.querySelector('[autofocus]')?.focus();
  return { element, close };
}

/** Asks; resolves to true or false. */
export function ask(question, yes) {
  return new Promise((resolve) => {
    let answer = false;
    const decide = (value) => () => {
      answer = value;
      close();
    };
    const { close } = modal(question, h('div', { class: 'buttons' },
      h('button', { type: 'button', class: 'button', text: t('action.cancel'), on: { click: decide(false) }, data: { testid: 'ask-no' } }),
      h('button', { type: 'button', class: 'button danger', text: yes, on: { click: decide(true) }, data: { testid: 'ask-yes' } }),
    ), { testid: 'ask', onClose: () => resolve(answer) });
  });
}

let toasts = null;

/** A short line at the edge, gone by itself; read out by screen readers. */
export function toast(words) {
  if (!toasts?.isConnected) {
    toasts = h('div', { class: 'toasts', role: 'status', 'aria-live': 'polite', data: { testid: 'toasts' } });
    document.body.append(toasts);
  }
  const line = h('p', { class: 'toast', text: words });
  toasts.append(line);
  setTimeout(() => line.remove(), 6000);
}
