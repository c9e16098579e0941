// Settings of this browser: language, appearance, notifications, devices; and signing out. The dialog,
// and the pieces that other pages use as well. Called by `app`, `signin`, `join`, `callview`.

import { h } from '../dom.js';
import { t, LANGUAGES, current, choose } from '../i18n.js';
import * as media from '../calls/media.js';
import * as notify from './notify.js';
import { modal } from './modal.js';

const THEME = 'monster.theme';

/** Light, dark, or as the system has it; kept in this browser. */
export function applyTheme() {
  const theme = localStorage.getItem(THEME);
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/** A choice of language; `onChange` draws the page anew. */
export function languagePicker(onChange) {
  const options = Object.entries(LANGUAGES).map(([name, words]) => h('option', { value: name, selected: name === current(), lang: name, text: words['language.name'] }));
  const select = h('select', { id: 'language', data: { testid: 'language' }, on: { change: () => {
    choose(select.value);
    onChange();
  } } }, options);
  return h('div', { class: 'language' }, h('label', { for: 'language', text: t('settings.language') }), select);
}

/** The choices of microphone, camera, speaker; `onChange(kind)` after each. */
export function devicePickers(onChange = () => {}) {
  const root = h('div', { class: 'devices' });
  const draw = async () => {
    const found = await media.devices();
    const kinds = ['microphone', 'camera', ...('setSinkId' in HTMLMediaElement.prototype ? ['speaker'] : [])];
    root.replaceChildren(...kinds.map((kind) => picker(kind, found[kind], onChange)));
  };
  navigator.mediaDevices?.addEventListener?.('devicechange', () => root.isConnected && draw());
  draw();
  return root;
}

function picker(kind, list, onChange) {
  const id = `device-${kind}`;
  const selected = media.chosen()[kind] ?? '';
  const select = h('select', { id, data: { testid: id }, on: { change: () => {
    media.choose(kind, select.value);
    onChange(kind);
  } } },
  h('option', { value: '', text: t('device.default') }),
  list.filter((one) => one.id !== 'default').map((one, at) => h('option', { value: one.id, selected: one.id === selected, text: one.label || t('device.unnamed', { number: at + 1 }) })));
  return h('div', { class: 'field' }, h('label', { for: id, text: t(`device.${kind}`) }), select);
}

/** Opens the dialog. */
export function openSettings({ client, onLanguage, onSignOut }) {
  const { close } = modal(t('settings.title'), [
    h('section', {},
      h('h3', { text: t('settings.account') }),
      h('p', { class: 'address', text: client.address, data: { testid: 'own-address' } })),
    h('section', {},
      languagePicker(() => {
        close();
        onLanguage();
      }),
      themePicker()),
    h('section', {}, h('h3', { text: t('settings.notify') }), notifySwitch(), soundSwitch()),
    h('section', {}, h('h3', { text: t('settings.devices') }), devicePickers()),
    h('section', {},
      h('p', { class: 'hint', text: t('settings.signout.lead') }),
      h('button', { type: 'button', class: 'button danger wide', text: t('settings.signout'), data: { testid: 'signout' }, on: { click: () => {
        close();
        onSignOut();
      } } })),
  ], { testid: 'settings' });
}

function themePicker() {
  const now = localStorage.getItem(THEME) ?? 'auto';
  const select = h('select', { id: 'theme', data: { testid: 'theme' }, on: { change: () => {
    localStorage.setItem(THEME, select.value);
    applyTheme();
  } } }, ['auto', 'light', 'dark'].map((name) => h('option', { value: name, selected: name === now, text: t(`settings.theme.${name}`) })));
  return h('div', { class: 'field' }, h('label', { for: 'theme', text: t('settings.theme') }), select);
}

function notifySwitch() {
  const box = h('input', { type: 'checkbox', id: 'notify', checked: notify.isOn(), disabled: !notify.isPossible() || notify.isDenied(), on: { change: async () => {
    box.checked = await notify.turn(box.checked);
  } } });
  return h('div', {}, h('label', { class: 'check', for: 'notify' }, box, t('settings.notify.on')),
    notify.isDenied() && h('p', { class: 'hint', text: t('settings.notify.denied') }));
}

function soundSwitch() {
  const box = h('input', { type: 'checkbox', id: 'sound', checked: notify.hasSound(), on: { change: () => notify.turnSound(box.checked) } });
  return h('label', { class: 'check', for: 'sound' }, box, t('settings.sound'));
}
