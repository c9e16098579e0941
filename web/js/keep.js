// What this browser keeps of an account, in IndexedDB: events that were pushed (they are acknowledged
// only once they are in here), what was written and not yet taken by the gateway, and the list of
// conversations for a quick start. The gateway has the whole history; this is a copy that may be
// thrown away. Called by `client`.

const VERSION = 1;
/** So many events are kept of a conversation. */
const KEPT = 300;

function finished(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export class Keep {
  #db;

  /** Opens what is kept of an account. Fails where the browser keeps nothing (private windows). */
  static async open(account) {
    const request = indexedDB.open(Keep.#nameFor(account), VERSION);
    request.onupgradeneeded = () => {
      const events = request.result.createObjectStore('events', { keyPath: ['conversation', 'id'] });
      events.createIndex('time', ['conversation', 'at']);
      request.result.createObjectStore('outbox', { keyPath: 'messageId' });
      request.result.createObjectStore('values');
    };
    const keep = new Keep();
    keep.#db = await finished(request);
    keep.#db.onversionchange = () => keep.#db.close();
    return keep;
  }

  static #nameFor(account) {
    return `monster ${account}`;
  }

  /** Throws away everything of an account. */
  static async forget(account) {
    await finished(indexedDB.deleteDatabase(Keep.#nameFor(account)));
  }

  close() {
    this.#db.close();
  }

  /** Resolves once the event is on its way to the disk. True if it was not there before. */
  async addEvent(conversation, event) {
    const transaction = this.#db.transaction('events', 'readwrite', { durability: 'strict' });
    const events = transaction.objectStore('events');
    const known = await finished(events.getKey([conversation, event.id]));
    if (known === undefined) events.put({ ...event, conversation });
    await committed(transaction);
    return known === undefined;
  }

  /** The newest events of a conversation, oldest first. Older ones than are kept are dropped. */
  async events(conversation) {
    const transaction = this.#db.transaction('events', 'readwrite');
    const range = IDBKeyRange.bound([conversation], [conversation, []]);
    const events = await finished(transaction.objectStore('events').index('time').getAll(range));
    for (const { id } of events.splice(0, Math.max(0, events.length - KEPT))) {
      transaction.objectStore('events').delete([conversation, id]);
    }
    return events;
  }

  async putOutbox(frame) {
    const transaction = this.#db.transaction('outbox', 'readwrite');
    transaction.objectStore('outbox').put(frame);
    await committed(transaction);
  }

  async dropOutbox(messageId) {
    const transaction = this.#db.transaction('outbox', 'readwrite');
    transaction.objectStore('outbox').delete(messageId);
    await committed(transaction);
  }

  outbox() {
    return finished(this.#db.transaction('outbox').objectStore('outbox').getAll());
  }

  get(key) {
    return finished(this.#db.transaction('values').objectStore('values').get(key));
  }

  async put(key, value) {
    const transaction = this.#db.transaction('values', 'readwrite');
    transaction.objectStore('values').put(value, key);
    await committed(transaction);
  }
}

function committed(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
    transaction.onerror = () => reject(transaction.error);
  });
}
