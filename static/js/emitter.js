/** Something that changes and tells those who want to know. */
export class Emitter {
  constructor() {
    /** @type {Set<() => void>} */
    this.listeners = new Set();
  }

  /**
   * @param {() => void} listener called at once and after every change
   * @returns {() => void} stops it
   */
  watch(listener) {
    this.listeners.add(listener);
    listener();
    return () => this.listeners.delete(listener);
  }

  changed() {
    for (const listener of [...this.listeners]) listener();
  }
}
