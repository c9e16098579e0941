// Words for people: which language, and a key's words in it. Follows the browser until somebody
// chooses. Used by every view; the words are in `i18n/`.

import en from './i18n/en.js';
import zh from './i18n/zh.js';

const KEY = 'monster.language';
export const LANGUAGES = { en, zh };

/** The language among ours that a browser with these preferences should see. Pure. */
export function pick(preferred) {
  for (const tag of preferred) {
    const base = tag.toLowerCase().split('-')[0];
    if (LANGUAGES[base]) return base;
  }
  return 'en';
}

let language = null;

export function current() {
  if (!language) {
    let kept = null;
    try {
      kept = localStorage.getItem(KEY);
    } catch {
      // The browser keeps nothing for this page.
    }
    language = LANGUAGES[kept] ? kept : pick(globalThis.navigator?.languages ?? []);
  }
  return language;
}

export function choose(name) {
  language = name;
  localStorage.setItem(KEY, name);
  applyToPage();
}

/** Tells the page (and screen readers) which language it is in. */
export function applyToPage() {
  document.documentElement.lang = current() === 'zh' ? 'zh-Hans' : current();
}

/** The words of a key, with values put in. */
export function t(key, values = {}) {
  const words = LANGUAGES[current()][key] ?? en[key] ?? key;
  return words.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

// -- times ------------------------------------------------------------------------------------------

const formats = new Map();

function format(options) {
  const key = `${current()} ${JSON.stringify(options)}`;
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(current() === 'zh' ? 'zh-CN' : (navigator.languages ?? []).find((tag) => tag.startsWith('en')) ?? 'en', options));
  return formats.get(key);
}

const dayOf = (at) => new Date(at).toDateString();

export function clock(at) {
  return format({ hour: '2-digit', minute: '2-digit' }).format(at);
}

export function fullTime(at) {
  return format({ dateStyle: 'full', timeStyle: 'short' }).format(at);
}

/** The day, as a line between messages has it. */
export function day(at, now = Date.now()) {
  if (dayOf(at) === dayOf(now)) return t('chat.today');
  if (dayOf(at) === dayOf(now - 86_400_000)) return t('chat.yesterday');
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return format({ weekday: 'long', day: 'numeric', month: 'long', ...(!sameYear && { year: 'numeric' }) }).format(at);
}

/** As short as fits beside a name: the time today, the weekday this week, else the date. */
export function brief(at, now = Date.now()) {
  if (dayOf(at) === dayOf(now)) return clock(at);
  if (now - at < 6 * 86_400_000) return format({ weekday: 'short' }).format(at);
  return format({ day: 'numeric', month: 'numeric' }).format(at);
}

/** `1:02:03` of milliseconds. */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const pad = (number) => String(number).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(seconds % 60)}` : `${minutes}:${pad(seconds % 60)}`;
}
