// The join page (docs/web-api.md "The join link"): a guest's way into one call. An invitation comes, the
// guest gives a name and sees the camera, joins; then it is a call like any other, over call contexts
// without frames. The only module that the page at `/call/<token>` names.

import { h, fill, icon } from './dom.js';
import { t, applyToPage } from './i18n.js';
import { Call } from './calls/call.js';
import * as media from './calls/media.js';
import { CallView, stateWords } from './ui/callview.js';
import { applyTheme, languagePicker, devicePickers } from './ui/settings.js';

const root = globalThis.document?.getElementById('root') ?? null;
const NAME = 'monster.guest';
/** An offer that has not been refused after so many ms is not refused any more. */
const REFUSED_WITHIN = 5000;
/** The socket's close codes → what the guest reads. */
const CLOSED = { 1001: 'join.stopped', 4404: 'join.gone', 4408: 'join.late', 4429: 'join.many' };

/** A call context as the socket brought it, or `null`. Pure. */
export function readContext(text, { callId, media: kind }) {
  let context;
  try {
    context = JSON.parse(text);
  } catch {
    return null;
  }
  if (context === null || typeof context !== 'object' || context.callId !== callId) return null;
  const candidates = Array.isArray(context.candidates) ? context.candidates.slice(0, 64) : [];
  return { ...context, candidates, video: kind === 'video' };
}

/** Why the gateway refused what was sent last, if that is what the text says; or `null`. Pure. */
export function readRefusal(text) {
  try {
    const said = JSON.parse(text);
    return said?.type === 'refused' ? String(said.error ?? '') : null;
  } catch {
    return null;
  }
}

class JoinPage {
  #socket;
  #invitation = null;
  #call = null;
  #view = null;
  #preview = null;
  #form = null;
  #withCamera = true;
  #refuse = null;

  begin() {
    this.#note(t('join.connecting'));
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    this.#socket = new WebSocket(`${scheme}://${location.host}${location.pathname}`);
    this.#socket.onmessage = ({ data }) => this.#hear(data);
    this.#socket.onclose = ({ code }) => this.#closed(code);
    window.addEventListener('pagehide', () => this.#call?.hangUp());
  }

  #hear(data) {
    if (!this.#invitation) {
      const invitation = JSON.parse(data);
      if (invitation.type !== 'invitation') return;
      this.#invitation = invitation;
      this.#ask();
      return;
    }
    const refused = readRefusal(data);
    if (refused) {
      this.#refused(refused);
      return;
    }
    const context = readContext(data, this.#invitation);
    if (!context) return;
    if (context.type === 'offer' && !this.#call) this.#begin(context, context.video);
    else if (this.#call) this.#call.handle(context);
    else if (['hangup', 'reject', 'busy'].includes(context.type)) this.#over(t('join.over'), t('join.over.lead'));
  }

  // -- before the call ------------------------------------------------------------------------------

  #ask() {
    const { caller, media: kind, role } = this.#invitation;
    document.title = t('join.title');
    const kept = this.#form ? new FormData(this.#form).get('name') : localStorage.getItem(NAME);
    const name = h('input', { type: 'text', id: 'guest-name', name: 'name', maxLength: 64, value: kept ?? '', autocomplete: 'nickname', 'aria-describedby': 'guest-hint guest-problem', data: { testid: 'guest-name' } });
    name.value = kept ?? '';
    const problem = h('p', { class: 'problem', role: 'alert', id: 'guest-problem', data: { testid: 'guest-problem' } });
    const video = h('video', { autoplay: true, playsInline: true, muted: true, class: 'mirrored local', 'aria-label': t('join.preview'), data: { testid: 'preview' } });
    const off = h('p', { text: t('join.preview.off') });
    const camera = h('input', { type: 'checkbox', id: 'guest-camera', checked: kind === 'video', data: { testid: 'guest-camera' }, on: { change: () => show() } });
    const show = async () => {
      this.#endPreview();
      problem.textContent = '';
      if (camera.checked) {
        try {
          const track = await media.camera();
          if (!camera.checked || this.#call) return track.stop();
          this.#preview = track;
        } catch (error) {
          camera.checked = false;
          problem.textContent = t(media.problemOf(error, 'camera'));
        }
      }
      video.srcObject = this.#preview && new MediaStream([this.#preview]);
      video.hidden = !this.#preview;
      off.hidden = Boolean(this.#preview);
    };
    this.#form = h('form', { class: 'card join', novalidate: true, data: { testid: 'join' }, on: { submit: (event) => {
      event.preventDefault();
      const typed = name.value.trim();
      if (typed === '') {
        problem.textContent = t('join.name.empty');
        return name.focus();
      }
      this.#join(typed, camera.checked);
    } } },
    h('h1', { text: t('join.title') }),
    h('p', { class: 'lead', text: t(`join.${role === 'caller' ? 'calling' : 'invited'}.${kind}`, { name: caller }), data: { testid: 'invited' } }),
    h('div', { class: 'join-preview' }, off, video),
    h('label', { class: 'check', for: 'guest-camera' }, camera, t('join.camera')),
    h('div', { class: 'field' }, h('label', { for: 'guest-name', text: t('join.name') }), name),
    h('p', { class: 'hint', id: 'guest-hint', text: t('join.name.hint', { name: caller }) }),
    problem,
    h('details', {}, h('summary', { text: t('settings.devices') }), devicePickers((what) => what === 'camera' && show())),
    h('button', { type: 'submit', class: 'button go wide', data: { testid: 'guest-join' } }, icon(kind === 'video' ? 'video' : 'phone'), t('join.submit')));
    if (!media.isPossible()) problem.textContent = t(globalThis.isSecureContext ? 'join.unsupported' : 'media.insecure');
    fill(root, h('main', { class: 'join-page' }, this.#form, languagePicker(() => this.#ask())));
    document.body.dataset.view = 'join';
    name.focus();
    show();
  }

  #join(name, withCamera) {
    localStorage.setItem(NAME, name);
    this.#withCamera = withCamera;
    this.#endPreview();
    this.#socket.send(JSON.stringify({ type: 'join', name }));
    this.#note(t('join.waiting', { name: this.#invitation.caller }));
    // Whoever asked for the link themselves is the one who calls.
    if (this.#invitation.role === 'caller') this.#begin(null, this.#invitation.media === 'video');
  }

  #endPreview() {
    this.#preview?.stop();
    this.#preview = null;
  }

  // -- the call ---------------------------------------------------------------------------------------

  async #begin(offer, video) {
    const { callId, caller, iceServers } = this.#invitation;
    const send = (context) => this.#send(context);
    const call = new Call({ id: callId, peer: { name: caller, address: caller }, video, offer, send, iceServers: async () => iceServers ?? [] });
    this.#call = call;
    this.#view = new CallView(call);
    fill(root, h('main', { class: 'main' }, h('h1', { class: 'visually-hidden', text: t('call.label', { name: caller }) }), this.#view.element));
    document.body.dataset.view = 'call';
    this.#view.focus();
    call.on('change', () => call.isOver && this.#ended());
    await call.findServers();
    await (offer ? call.accept({ video: this.#withCamera }) : call.start({ camera: this.#withCamera }));
  }

  /** There are no answers on this socket, only refusals. An offer of ours waits for one for a while. */
  #send(context) {
    if (this.#socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error(t('join.lost')));
    this.#socket.send(JSON.stringify(context));
    if (!context.sdp || context.type === 'answer') return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#refuse = reject;
      setTimeout(resolve, REFUSED_WITHIN);
    });
  }

  #refused(words) {
    if (this.#refuse) this.#refuse(new Error(words));
    else if (this.#call?.since === null) this.#call.handle({ type: 'hangup', reason: `failed: ${words}` });
    this.#refuse = null;
  }

  #ended() {
    const words = stateWords(this.#call);
    this.#socket.close(1000);
    this.#over(words, t('join.over.lead'));
  }

  #closed(code) {
    if (this.#call?.isOver) return;
    if (this.#call) {
      // The call may outlive the socket no longer than its other end lets it.
      this.#call.handle({ type: 'hangup', reason: code === 1000 ? '' : `failed: ${t(CLOSED[code] ?? 'join.lost')}` });
      return;
    }
    const key = CLOSED[code] ?? (code === 1000 ? 'join.over' : this.#invitation ? 'join.lost' : 'join.gone');
    this.#over(t(key), key === 'join.gone' ? t('join.gone.lead') : '');
  }

  // -- words ------------------------------------------------------------------------------------------

  #note(words) {
    fill(root, h('main', { class: 'join-page' }, h('div', { class: 'card join-end', role: 'status' }, icon('phone'), h('h1', { class: 'note', text: words }))));
  }

  #over(words, lead) {
    this.#endPreview();
    this.#view?.destroy();
    document.body.dataset.view = 'join';
    const title = h('h1', { tabIndex: -1, text: words });
    fill(root, h('main', { class: 'join-page' }, h('div', { class: 'card join-end', data: { testid: 'join-over' } }, icon('hangup'), title, lead && h('p', { class: 'hint', text: lead }))));
    title.focus();
  }
}

if (root) {
  applyTheme();
  applyToPage();
  new JoinPage().begin();
}
