// Begins the web client: a session or the sign-in page, then the app. The only module that the page at
// `/app/` names.

import { Api } from './api.js';
import { Client } from './client.js';
import { Calls } from './calls/calls.js';
import { App } from './ui/app.js';
import { signIn } from './ui/signin.js';
import { applyTheme } from './ui/settings.js';
import { applyToPage, t } from './i18n.js';
import * as session from './session.js';

const root = globalThis.document?.getElementById('root') ?? null;

/** Shows the sign-in page until somebody has signed in. */
async function askWho(notice) {
  document.title = t('app.title');
  document.body.dataset.view = 'signin';
  return new Promise((resolve) => {
    const show = () => signIn(root, { notice, onLanguage: show }).then(({ session: made, me }) => {
      session.save(made);
      resolve({ who: made, me });
    });
    show();
  });
}

/** Who is signed in, according to what is kept; `me` is null while the gateway does not answer. */
async function recall() {
  const who = session.load();
  if (!who) return null;
  try {
    return { who, me: await new Api(who.token).me() };
  } catch (error) {
    if (error.status === 401 || error.status === 404) {
      session.forget();
      return { notice: 'signin.ended' };
    }
    const socket = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/${encodeURIComponent(who.name)}`;
    return { who, me: { address: `@${encodeURIComponent(who.name)}:${location.host}`, name: who.name, nickname: null, socket } };
  }
}

async function begin(notice = null) {
  const kept = notice ? { notice } : await recall();
  const { who, me } = kept?.who ? kept : await askWho(kept?.notice ?? null);
  const client = new Client({ api: new Api(who.token), me, token: who.token });
  const calls = new Calls(client);
  let app = null;
  let left = false;
  const leave = async (why) => {
    if (left) return;
    left = true;
    calls.hangUp();
    app.destroy();
    session.forget();
    history.replaceState(null, '', location.pathname);
    await client.signOut();
    begin(why);
  };
  const options = { client, calls, onLanguage: () => draw(), onSignOut: () => leave(null).catch(console.error) };
  const draw = () => {
    app?.destroy();
    app = new App(root, options);
  };
  client.on('signedOut', leave);
  draw();
  await client.start();
}

applyTheme();
applyToPage();
begin();
