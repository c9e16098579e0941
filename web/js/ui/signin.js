// The sign-in page: name and token in, a session out. Called by `main`.

import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { readSignIn } from '../address.js';
import { Api } from '../api.js';
import { languagePicker } from './settings.js';

/** Shows the form in `root`; resolves with `{session, me}`. `notice`: an i18n key of what to say first. */
export function signIn(root, { notice = null, onLanguage }) {
  return new Promise((resolve) => {
    const form = h('form', { class: 'card signin', novalidate: true, data: { testid: 'signin' } });
    const host = location.host;
    const account = field('signin.account', { id: 'signin-account', name: 'username', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', autofocus: true });
    const token = field('signin.token', { id: 'signin-token', name: 'password', type: 'password', autocomplete: 'current-password' });
    const stay = h('input', { type: 'checkbox', id: 'signin-stay', checked: true });
    const problem = h('p', { class: 'problem', role: 'alert', id: 'signin-problem', text: notice ? t(notice) : '', data: { testid: 'signin-problem' } });
    const submit = h('button', { class: 'button primary wide', type: 'submit', text: t('signin.submit'), data: { testid: 'signin-submit' } });
    account.input.setAttribute('aria-describedby', 'signin-hint signin-problem');
    token.input.setAttribute('aria-describedby', 'signin-problem');
    fill(form,
      h('h1', {}, h('img', { src: 'icon.svg', alt: '', width: '44', height: '44' }), t('signin.title')),
      h('p', { class: 'lead', text: t('signin.lead', { host }) }),
      account.row,
      h('p', { class: 'hint', id: 'signin-hint', text: t('signin.account.hint') }),
      token.row,
      h('label', { class: 'check', for: 'signin-stay' }, stay, t('signin.stay')),
      problem, submit,
      h('p', { class: 'hint', text: t('signin.help') }),
      h('pre', { class: 'command', tabIndex: 0, text: 'monster-gateway account add NAME' }));
    fill(root, h('main', { class: 'signin-page' }, form, languagePicker(onLanguage)));
    account.input.focus();

    const fail = (words) => {
      problem.textContent = words;
      submit.disabled = false;
      submit.textContent = t('signin.submit');
    };
    // A pasted URL fills both fields.
    account.input.addEventListener('input', () => {
      const read = /[?&]token=/.test(account.input.value) && readSignIn(account.input.value, '', host);
      if (read && read.name) [account.input.value, token.input.value] = [read.name, read.token];
    });
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const read = readSignIn(account.input.value, token.input.value, host);
      if (!read) return fail(t('signin.error.host', { host }));
      if (!read.name || !read.token) {
        (read.name ? token : account).input.focus();
        return fail(t('signin.error.empty'));
      }
      problem.textContent = '';
      submit.disabled = true;
      submit.textContent = t('signin.busy');
      try {
        const me = await new Api(read.token).me();
        if (me.name !== read.name) return fail(t('signin.error.other', { name: me.name }));
        resolve({ session: { ...read, stay: stay.checked }, me });
      } catch (error) {
        fail(wordsFor(error));
      }
    });
  });
}

function wordsFor(error) {
  if (error.status === 401) return t('signin.error.token');
  if (error.status === 429) return t('signin.error.many');
  return error.status ? error.message : t('signin.error.offline');
}

function field(key, props) {
  const input = h('input', { type: 'text', required: true, data: { testid: props.id }, ...props });
  return { input, row: h('div', { class: 'field' }, h('label', { for: props.id, text: t(key) }), input) };
}
