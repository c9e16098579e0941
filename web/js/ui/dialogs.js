// The dialogs about addresses: starting a conversation, and the card of a person or a room (1000) with
// joining (1001) and leaving (1004). Called by `app`.

import { h, fill, avatar } from '../dom.js';
import { t } from '../i18n.js';
import { readAddress, nameOf } from '../address.js';
import { modal, ask } from './modal.js';

/** Asks for an address; `onAddress` gets it. */
export function openNew({ onAddress }) {
  const host = location.host;
  const echo = `@echo:echo:${host}`;
  const problem = h('p', { class: 'problem', role: 'alert', id: 'new-problem' });
  const input = h('input', { id: 'new-address', type: 'text', autocapitalize: 'none', autocomplete: 'off', spellcheck: 'false', autofocus: true, 'aria-describedby': 'new-hint new-problem', data: { testid: 'new-address' } });
  const form = h('form', { class: 'form', on: { submit: (event) => {
    event.preventDefault();
    const address = readAddress(input.value, host);
    problem.textContent = address ? '' : t('new.invalid');
    if (!address) return input.focus();
    close();
    onAddress(address);
  } } },
  h('p', { text: t('new.lead') }),
  h('div', { class: 'field' }, h('label', { for: 'new-address', text: t('new.address') }), input),
  h('p', { class: 'hint', id: 'new-hint', text: t('new.example', { address: `@#rust:libera:${host}` }) }),
  problem,
  h('button', { class: 'button primary wide', type: 'submit', text: t('new.open'), data: { testid: 'new-submit' } }),
  h('button', { class: 'link', type: 'button', text: t('new.echo'), data: { testid: 'new-echo' }, on: { click: () => {
    close();
    onAddress(echo);
  } } }));
  const { close } = modal(t('new.title'), form, { testid: 'new-dialog' });
}

/** Shows who or what an address is. `onWrite(address, name)` opens the conversation. */
export function openCard(client, address, { onWrite, onCall }) {
  const known = client.conversations.get(address);
  const name = known?.name ?? nameOf(address);
  const content = h('div', { class: 'card-content', data: { testid: 'card' } });
  const dialog = modal(t('card.title', { name }), content, { testid: 'card-dialog' });
  const view = { client, address, content, close: dialog.close, onWrite, onCall };
  fill(content, top(name, address, ''), h('p', { class: 'hint', text: t('card.loading') }));
  client.info(address).then(
    (info) => drawCard(view, info),
    (error) => fill(content, top(name, address, ''), h('p', { class: 'problem', role: 'alert', text: error.location ? t('card.elsewhere', { address: error.location }) : error.message })),
  );
}

function top(name, address, kind) {
  return h('div', { class: 'card-top' }, avatar(name, address, { size: 'large' }), h('div', {},
    h('p', { class: 'card-name', dir: 'auto', text: name }),
    kind && h('p', { class: 'hint', text: kind }),
    h('p', { class: 'address', text: address })));
}

function drawCard(view, info) {
  const { client, address, content, close, onWrite, onCall } = view;
  const known = client.conversations.get(address);
  const name = typeof info.nickname === 'string' && info.nickname ? info.nickname : nameOf(address);
  const isRoom = ['2', '3'].includes(String(info.accountType));
  const isIn = known?.relation === 'accepted';
  const write = () => {
    close();
    onWrite(address, name, isRoom);
  };
  const status = h('p', { class: 'hint', role: 'status', data: { testid: 'card-status' } });
  const rows = (Array.isArray(info.info) ? info.info : []).filter((row) => typeof row?.title === 'string' && row.title !== 'monster.ext');
  fill(content,
    top(name, address, t(`card.kind.${['1', '2', '3'].includes(String(info.accountType)) ? info.accountType : 'unknown'}`)),
    rows.length > 0 && h('dl', { class: 'info' }, rows.map(({ title, value }) => [h('dt', { text: title }), h('dd', { dir: 'auto', text: String(value ?? '') })])),
    known?.places?.length > 1 && h('p', { class: 'hint', text: `${t('card.places')} ${known.places.filter((place) => place !== address).join(', ')}` }),
    address !== client.address && [
      !isIn && joinForm(view, { isRoom, status, write }),
      status,
      h('div', { class: 'buttons' },
        (!isRoom || isIn) && h('button', { type: 'button', class: 'button primary', text: t('card.write'), on: { click: write }, data: { testid: 'card-write' } }),
        !isRoom && h('button', { type: 'button', class: 'button', text: t('chat.voice'), on: { click: () => (close(), onCall(address, name, false)) }, data: { testid: 'card-voice' } }),
        !isRoom && h('button', { type: 'button', class: 'button', text: t('chat.video'), on: { click: () => (close(), onCall(address, name, true)) }, data: { testid: 'card-video' } }),
        isIn && h('button', { type: 'button', class: 'button danger', text: t(isRoom ? 'card.leave' : 'card.remove'), data: { testid: 'card-leave' }, on: { click: () => leave(view, name, isRoom) } })),
    ]);
}

function joinForm({ client, address }, { isRoom, status, write }) {
  const pass = h('input', { type: 'text', id: 'card-pass', autocomplete: 'off', data: { testid: 'card-pass' } });
  const submit = h('button', { type: 'submit', class: `button${isRoom ? ' primary' : ''}`, text: t(isRoom ? 'card.join' : 'card.contact'), data: { testid: 'card-join' } });
  return h('form', { class: 'form', on: { submit: async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      const decision = await client.join(address, pass.value);
      if (isRoom) client.conversation(address).kind = 'group';
      if (decision === 'accepted' && isRoom) return write();
      status.textContent = t({ accepted: 'card.contacts', waiting: 'card.waiting', 'wrong-pass': 'card.wrong' }[decision]);
    } catch (error) {
      status.textContent = error.message;
    } finally {
      submit.disabled = false;
    }
  } } },
  h('div', { class: 'field' }, h('label', { for: 'card-pass', text: t('card.pass') }), pass), submit);
}

async function leave({ client, address, close }, name, isRoom) {
  close();
  if (await ask(t('card.leave.sure', { name }), t(isRoom ? 'card.leave' : 'card.remove'))) await client.leave(address);
}
