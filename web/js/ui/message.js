// One message as it is seen: its author, words, reactions, state, and what can be done with it. Called
// by `conversation`, which makes it anew when the message has changed.

import { h, avatar, iconButton, icon } from '../dom.js';
import { t, clock, fullTime } from '../i18n.js';
import { nameOf } from '../address.js';
import { toPlain } from '../markdown.js';
import { wordsOf } from './callline.js';
import { rich } from './rich.js';

export const EMOJI = ['👍', '❤️', '😂', '😮', '😢', '🎉'];

/** What the author of a message is called here. */
export function authorOf(item) {
  return item.mine ? t('message.you') : item.name || nameOf(item.from);
}

/**
 * The element of a message. `context`: `find(id)` an earlier message, `joined` true if the same author
 * spoke just before, `agrees` true for a request that agrees to an earlier one, and what is done: `onReply`, `onEdit`, `onRecall`, `onReact`, `onRetry`, `onCopy`
 * (all with the message), `onAddress(address)`, `onQuote(id)`.
 */
export function messageElement(item, context) {
  if (['request', 'close', 'notice'].includes(item.kind)) return notice(item, context);
  const label = `${authorOf(item)}, ${fullTime(item.at)}`;
  return h('li', { class: `message${item.mine ? ' mine' : ''}${context.joined ? ' joined' : ''}${item.recalled ? ' recalled' : ''}`, tabIndex: -1, 'aria-label': label, data: { id: item.id, testid: 'message', status: item.status ?? '' } },
    !item.mine && (context.joined ? h('span', { class: 'avatar-space' }) : author(item, context)),
    h('div', { class: 'bubble' },
      !context.joined && !item.mine && h('button', { type: 'button', class: `author tint-text-${tint(item.from)}`, tabIndex: -1, text: authorOf(item), title: item.from, on: { click: () => context.onAddress(item.from) } }),
      item.replyTo && quote(item, context),
      item.recalled ? h('p', { class: 'withdrawn', text: t('message.recalled') }) : rich(item.text, context.onAddress),
      foot(item, context),
      item.reactions.length > 0 && reactions(item, context)),
    !item.recalled && item.status !== 'sending' && actions(item, context));
}

function tint(address) {
  let sum = 7;
  for (const c of address) sum = (sum * 31 + c.codePointAt(0)) >>> 0;
  return sum % 10;
}

function author(item, { onAddress }) {
  return h('button', { type: 'button', class: 'author-avatar', tabIndex: -1, 'aria-hidden': 'true', on: { click: () => onAddress(item.from) } }, avatar(authorOf(item), item.from, { size: 'small' }));
}

function notice(item, { onAddress, agrees }) {
  const name = item.mine ? t('message.you') : item.name || nameOf(item.from);
  const words = item.kind === 'notice' ? rich(wordsOf(item), onAddress) : h('p', { text: t(agrees ? 'message.contacts' : `message.${item.kind}`, { name }) });
  return h('li', { class: 'message notice', tabIndex: -1, data: { id: item.id, testid: 'notice' } }, words,
    h('time', { dateTime: new Date(item.at).toISOString(), title: fullTime(item.at), text: clock(item.at) }));
}

function quote(item, { find, onQuote }) {
  const target = find(item.replyTo);
  const name = target ? authorOf(target) : item.quote?.nickname ?? '';
  const words = target ? toPlain(target.text) : item.quote?.excerpt ?? t('message.gone');
  return h('button', { type: 'button', class: 'quote', tabIndex: -1, data: { testid: 'quote' }, on: { click: () => onQuote(item.replyTo) } },
    name && h('strong', { text: name }), h('span', { dir: 'auto', text: words || t('message.recalled') }));
}

function foot(item, { onRetry }) {
  if (item.status === 'failed') {
    return h('p', { class: 'failed', role: 'alert' }, t('message.failed', { error: item.error ?? '' }), ' ',
      h('button', { type: 'button', class: 'link', text: t('action.retry'), on: { click: () => onRetry(item) } }));
  }
  return h('p', { class: 'foot' },
    item.edited && !item.recalled && h('span', { class: 'edited', text: t('message.edited') }),
    h('time', { dateTime: new Date(item.at).toISOString(), title: fullTime(item.at), text: clock(item.at) }),
    item.mine && item.status === 'sending' && h('span', { class: 'sending', role: 'img', 'aria-label': t('message.sending') }, '…'),
    item.mine && item.status !== 'sending' && icon('check'));
}

function reactions(item, { onReact, onRecallReaction }) {
  const groups = new Map();
  for (const reaction of item.reactions) groups.set(reaction.emoji, [...(groups.get(reaction.emoji) ?? []), reaction]);
  return h('div', { class: 'reactions' }, [...groups].map(([emoji, list]) => {
    const own = list.find((reaction) => reaction.mine);
    const names = list.map((reaction) => (reaction.mine ? t('message.you') : reaction.name || nameOf(reaction.from))).join(', ');
    const words = t('message.reacted', { emoji: `${emoji} ${list.length}`, names });
    return h('button', { type: 'button', class: `reaction${own ? ' own' : ''}`, 'aria-pressed': own ? 'true' : 'false', 'aria-label': words, title: words, data: { testid: 'reaction' },
      on: { click: () => (own ? onRecallReaction(own) : onReact(item, emoji)) } }, h('span', { text: emoji }), ' ', h('span', { class: 'count', text: String(list.length) }));
  }));
}

function actions(item, context) {
  const { onReply, onEdit, onRecall, onReact, onCopy } = context;
  const button = (name, key, action, testid) => iconButton(name, t(key), { on: { click: () => action(item) }, data: { testid } });
  const bar = h('div', { class: 'actions', role: 'group', 'aria-label': t('message.actions') });
  const pick = h('div', { class: 'emoji', hidden: true }, EMOJI.map((emoji) => h('button', { type: 'button', class: 'icon-button', text: emoji, 'aria-label': t('message.react.with', { emoji }), data: { testid: `react-${emoji}` }, on: { click: () => {
    pick.hidden = true;
    onReact(item, emoji);
  } } })));
  const open = iconButton('smile', t('message.react'), { 'aria-expanded': 'false', data: { testid: 'react' }, on: { click: () => {
    pick.hidden = !pick.hidden;
    open.setAttribute('aria-expanded', String(!pick.hidden));
    if (!pick.hidden) pick.firstElementChild.focus();
  } } });
  bar.append(pick, open, button('reply', 'message.reply', onReply, 'reply'), button('copy', 'message.copy', onCopy, 'copy'));
  if (item.mine && item.status !== 'failed') bar.append(button('edit', 'message.edit', onEdit, 'edit'));
  if (item.mine) bar.append(button('trash', 'message.recall', onRecall, 'recall'));
  return bar;
}
