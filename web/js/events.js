// A listener list, the only way in which models tell views that something changed. Used by `socket`,
// `client`, `calls/`.

export class Emitter {
  #listeners = new Map();

  /** Calls `listener` at each `name`; returns what ends that. */
  on(name, listener) {
    if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
    this.#listeners.get(name).add(listener);
    return () => this.#listeners.get(name)?.delete(listener);
  }

  emit(name, ...details) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(...details);
  }
}
