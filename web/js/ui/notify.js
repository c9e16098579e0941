// Telling somebody who looks elsewhere: browser notifications, the page's title, a short sound. What is
// worth telling is decided by `app`.

import { t } from '../i18n.js';
import { sound } from '../calls/ring.js';

const KEY = 'monster.notify';
const SOUND = 'monster.sound';

export function isPossible() {
  return 'Notification' in globalThis;
}

export function isDenied() {
  return isPossible() && Notification.permission === 'denied';
}

export function isOn() {
  return isPossible() && Notification.permission === 'granted' && localStorage.getItem(KEY) !== 'off';
}

export function hasSound() {
  return localStorage.getItem(SOUND) !== 'off';
}

export function turnSound(on) {
  localStorage.setItem(SOUND, on ? 'on' : 'off');
}

/** Switches them; resolves to what is the case then. */
export async function turn(on) {
  localStorage.setItem(KEY, on ? 'on' : 'off');
  if (on && isPossible() && Notification.permission === 'default') await Notification.requestPermission();
  return isOn();
}

/** Shows a notification; gives what takes it away. `tag`: one with the same takes its place. */
export function show(title, body, { tag, onClick, lasting = false }) {
  if (!isOn()) return () => {};
  try {
    const shown = new Notification(title, { body, tag, icon: 'icon.svg', requireInteraction: lasting });
    shown.onclick = () => {
      window.focus();
      shown.close();
      onClick();
    };
    return () => shown.close();
  } catch {
    // Phones show them only for a page's worker.
    return () => {};
  }
}

export function beep() {
  if (hasSound()) sound('message');
}

/** How much is unread, in the title of the page. */
export function title(unread) {
  document.title = unread > 0 ? `(${unread > 99 ? '99+' : unread}) ${t('app.title')}` : t('app.title');
}
