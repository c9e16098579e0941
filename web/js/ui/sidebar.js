// The column of conversations: who one is, the search, requests, the list. Called by `app`; what
// pressing leads to is told by the callbacks it is given.

import { h, fill, avatar, icon, iconButton } from '../dom.js';
import { t, brief } from '../i18n.js';
import { networkOf, nameOf } from '../address.js';
import { wordsOf } from './callline.js';

/** The link of a conversation within the page. */
export function linkTo(address) {
  return `#/c/${encodeURIComponent(address)}`;
}

export class Sidebar {
  #client;
  #list = h('ul', { class: 'conversations', data: { testid: 'conversations' } });
  #empty = h('p', { class: 'empty' });
  #state = h('p', { class: 'connection', role: 'status', data: { testid: 'connection' } });
  #search;
  #words = '';

  constructor(client, { onNew, onSettings }) {
    this.#client = client;
    this.#search = h('input', { type: 'search', 'aria-label': t('list.search'), placeholder: t('list.search'), data: { testid: 'search' }, on: { input: () => {
      this.#words = this.#search.value.trim().toLocaleLowerCase();
      this.update();
    } } });
    this.element = h('nav', { class: 'sidebar', 'aria-label': t('list.label') },
      h('h1', { class: 'visually-hidden', text: t('app.name') }),
      h('header', { class: 'sidebar-head' },
        h('button', { type: 'button', class: 'self', title: t('settings.title'), data: { testid: 'settings-open' }, on: { click: onSettings } },
          avatar(client.displayName, client.address),
          h('span', { class: 'self-name' }, h('strong', { text: client.displayName }), h('small', { text: client.address })),
          h('span', { class: 'visually-hidden', text: t('settings.title') })),
        iconButton('plus', t('list.new'), { class: 'accent', on: { click: onNew }, data: { testid: 'new' } })),
      this.#state,
      h('div', { class: 'search' }, icon('search'), this.#search),
      this.#empty, this.#list);
    this.update();
  }

  update() {
    const { connection } = this.#client;
    const known = connection === 'open' ? '' : t(connection === 'connecting' ? 'state.connecting' : 'state.waiting');
    if (this.#state.textContent !== known) this.#state.textContent = known;
    this.#state.dataset.state = connection;
    this.#state.hidden = known === '';
    const all = this.#client.list;
    const shown = all.filter((one) => this.#matches(one));
    this.#empty.textContent = all.length === 0 ? t('list.empty') : t('list.nothing');
    this.#empty.hidden = shown.length > 0;
    const focused = document.activeElement?.closest?.('.conversation')?.dataset.address;
    fill(this.#list, shown.map((one) => this.#row(one)));
    if (focused) this.#list.querySelector(`[data-address="${CSS.escape(focused)}"]`)?.focus();
  }

  #matches({ name, address }) {
    return `${name} ${address}`.toLocaleLowerCase().includes(this.#words);
  }

  #row(conversation) {
    const { address, name, kind, last, unread, relation } = conversation;
    const current = this.#client.active === address;
    const link = h('a', { href: linkTo(address), class: `conversation${unread ? ' unread' : ''}`, 'aria-current': current && 'page', data: { address, testid: 'conversation' } },
      avatar(name, address),
      h('span', { class: 'conversation-name' }, h('span', { class: 'name', dir: 'auto', text: name }), networkOf(address) && h('span', { class: 'network', text: networkOf(address) })),
      last && h('time', { dateTime: new Date(last.at).toISOString(), text: brief(last.at) }),
      h('span', { class: 'excerpt', dir: 'auto', text: this.#excerpt(conversation, kind, relation) }),
      unread > 0 && h('span', { class: 'badge', 'aria-label': t('list.unread', { count: unread }), text: unread > 99 ? '99+' : String(unread), data: { testid: 'unread' } }));
    return h('li', {}, link);
  }

  #excerpt({ last }, kind, relation) {
    if (relation === 'invited') return t('list.invited');
    if (!last) return relation === 'asked' ? t('list.asked') : '';
    if (last.kind === 'notice') return wordsOf(last);
    if (last.from === this.#client.address) return t('list.you', { text: last.text });
    return kind === 'group' ? t('chat.announce', { name: last.name || nameOf(last.from), text: last.text }) : last.text;
  }
}
