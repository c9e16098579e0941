// The account API (docs/web-api.md). Called by `client` and the sign-in page. Tokens travel in headers
// only.

/** A request that failed: `status` is the HTTP one, 0 without any answer. */
export class ApiError extends Error {
  constructor(status, message, retryAfter = 0) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

export class Api {
  #token;
  #fetch;

  constructor(token, fetcher = globalThis.fetch.bind(globalThis)) {
    this.#token = token;
    this.#fetch = fetcher;
  }

  me() {
    return this.#ask('GET', '');
  }

  /** One page: `{items, next}`. */
  conversations(cursor) {
    return this.#ask('GET', `/conversations${query({ limit: 200, cursor })}`);
  }

  /** One page of what happened in a conversation, newest first: `{items, next}`. */
  messages(address, { cursor, limit = 50 } = {}) {
    return this.#ask('GET', `/conversations/${encodeURIComponent(address)}/messages${query({ limit, cursor })}`);
  }

  markRead(address, number) {
    return this.#ask('PUT', `/conversations/${encodeURIComponent(address)}/read`, { number });
  }

  /** Sends a file: `{url, name, media_type, size}`. */
  sendFile(file) {
    return this.#ask('POST', `/media${query({ name: file.name || null })}`, file);
  }

  /** The `iceServers` of an `RTCPeerConnection`. */
  async iceServers() {
    return (await this.#ask('GET', '/ice-servers')).iceServers ?? [];
  }

  async #ask(method, path, body) {
    const headers = { Authorization: `Bearer ${this.#token}`, Accept: 'application/json' };
    const isFile = body instanceof Blob;
    if (body) headers['Content-Type'] = isFile ? body.type || 'application/octet-stream' : 'application/json';
    let response;
    try {
      response = await this.#fetch(`/api/v1/me${path}`, { method, headers, body: isFile ? body : body && JSON.stringify(body), cache: 'no-store', credentials: 'omit' });
    } catch {
      throw new ApiError(0, 'no answer');
    }
    const json = await response.json().catch(() => null);
    if (!response.ok) {
      throw new ApiError(response.status, json?.error ?? `HTTP ${response.status}`, Number(response.headers.get('Retry-After')) || 0);
    }
    return json ?? {};
  }
}

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  return given.length ? `?${new URLSearchParams(given)}` : '';
}
