// Who is signed in: name and token, kept for this tab or for this browser as the person chose. Only
// `main` and the sign-in page use it.

const KEY = 'monster.session';

/** `{name, token, stay}`, or `null`. */
export function load() {
  for (const [storage, stay] of [[sessionStorage, false], [localStorage, true]]) {
    try {
      const kept = JSON.parse(storage.getItem(KEY));
      if (typeof kept?.name === 'string' && typeof kept?.token === 'string') return { name: kept.name, token: kept.token, stay };
    } catch {
      storage.removeItem(KEY);
    }
  }
  return null;
}

export function save({ name, token, stay }) {
  forget();
  (stay ? localStorage : sessionStorage).setItem(KEY, JSON.stringify({ name, token }));
}

export function forget() {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
}
