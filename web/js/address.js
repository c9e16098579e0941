// Monster addresses (docs/protocol.md "Addresses"): what they look like, where their parts are, and
// what a person may paste instead of one. Pure; used everywhere. The gateway has the last word on
// what is valid: here only what would be confusing to send is refused.

/** The longest address, in bytes of UTF-8. */
const LONGEST = 2048;

const encode = (part) => part.replace(/[:/%\u0000-\u001f\u007f-\u009f]/g, (c) => encodeURIComponent(c));

function decode(part) {
  try {
    return decodeURIComponent(part.replace(/%(?![0-9a-f]{2})/gi, '%25'));
  } catch {
    return part;
  }
}

/**
 * The parts of an address, decoded: `{name, path, host}`, the host with its port.
 * `null` if it is none.
 */
export function partsOf(text) {
  if (typeof text !== 'string' || !text.startsWith('@') || new TextEncoder().encode(text).length > LONGEST) return null;
  const match = /^@([^:]+)((?::[^:[\]]+)*?):((?:\[[0-9a-f:.]+\]|[^:[\]/\s]+)(?::\d{1,5})?)$/isu.exec(text);
  if (!match) return null;
  let [, name, path, host] = match;
  const pieces = path ? path.slice(1).split(':') : [];
  // `@a:8080` has the host 8080; behind a path it would read as a port.
  if (/^\d+$/.test(host) && pieces.length > 0) return null;
  const parts = [name, ...pieces].map(decode);
  if (parts.some((part) => part === '' || part === '.' || part === '..')) return null;
  [name, ...path] = parts;
  return { name, path, host: host.toLowerCase() };
}

/** The address of these parts. */
export function addressOf({ name, path = [], host }) {
  return `@${[name, ...path].map(encode).join(':')}:${host}`;
}

/** The name in an address, for people; the text itself if it is no address. */
export function nameOf(address) {
  return partsOf(address)?.name ?? address;
}

/** The instance (first path segment) an address is on, e.g. `libera`; `''` for an account. */
export function networkOf(address) {
  return partsOf(address)?.path.join('/') ?? '';
}

/** The path of the account's URL, encoded, with the leading `/`. */
export function pathOf(address) {
  const { name, path } = partsOf(address);
  return `/${[...path, name].map(encodeURIComponent).join('/')}`;
}

/** The address that a `ws` or `wss` URL stands for, and the token in its query, if any. */
function fromUrl(text) {
  let url;
  try {
    url = new URL(text);
  } catch {
    return null;
  }
  if (!/^(wss?|https?):$/.test(url.protocol)) return null;
  const segments = url.pathname.split('/').slice(1).map(decode);
  const name = segments.pop();
  if (!name) return null;
  const address = addressOf({ name, path: segments, host: url.host });
  return partsOf(address) && { address, token: url.searchParams.get('token') ?? '' };
}

/**
 * What somebody typed as an address: an address, a `ws(s)://` URL, or a name on this gateway
 * (`alice`, `#rust:libera`). `null` if it can be none of them.
 */
export function readAddress(text, host) {
  const typed = text.trim();
  if (/^wss?:\/\//i.test(typed)) return fromUrl(typed)?.address ?? null;
  const full = typed.startsWith('@') ? typed : `@${typed}`;
  if (/\s/.test(typed) || typed === '') return null;
  if (typed.startsWith('@')) {
    const parts = partsOf(full);
    if (parts) return addressOf(parts);
  }
  // Without a host it is here: `#rust:libera`.
  const pieces = full.slice(1).split(':');
  if (pieces.some((piece) => piece === '')) return null;
  const last = pieces[pieces.length - 1];
  const hasHost = pieces.length > 1 && (last.includes('.') || last === 'localhost' || /^\d+$/.test(last));
  const parts = partsOf(hasHost ? full : `${full}:${host}`);
  return parts && addressOf(parts);
}

/**
 * What was typed or pasted to sign in: `{name, token}`, either may be empty. Understood are a name, an
 * address, and the URL of the account with its token. `null` for an account of another host.
 */
export function readSignIn(account, token, host) {
  const typed = account.trim();
  if (/^(wss?|https?):\/\//i.test(typed)) {
    const found = fromUrl(typed);
    if (!found) return { name: '', token: token.trim() };
    const parts = partsOf(found.address);
    return parts.host === host && parts.path.length === 0 ? { name: parts.name, token: found.token || token.trim() } : null;
  }
  if (typed.startsWith('@')) {
    const parts = partsOf(typed) ?? { name: typed.slice(1), path: [], host };
    return parts.host === host && parts.path.length === 0 ? { name: parts.name, token: token.trim() } : null;
  }
  return { name: typed, token: token.trim() };
}
