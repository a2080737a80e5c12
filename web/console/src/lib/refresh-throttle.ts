/**
 * Asks again when something has changed: at once, also in place of a request that began before the change, but
 * then not again until it is answered and a moment has passed.
 */
export class RefreshThrottle {
  #isAsking = false;
  #isBusy = false;
  #isDue = false;
  #isStopped = false;
  readonly #refresh: () => void;
  readonly #sharedMs: number;
  readonly #pauseMs: number;
  #requestedAt = 0;
  #later: ReturnType<typeof setTimeout> | undefined;

  /**
   * `refresh` gives up a running request and begins another one: what is wrapped in `track`. An answer may be
   * `sharedMs` old, from before the change: then it is asked for once more.
   */
  constructor(refresh: () => void, { sharedMs = 0, pauseMs = 50 } = {}) {
    this.#refresh = refresh;
    this.#sharedMs = sharedMs;
    this.#pauseMs = pauseMs;
  }

  /** Ask for an answer from after this moment. */
  request(): void {
    this.#ask();
    if (this.#sharedMs > 0) {
      this.#requestedAt = Date.now();
      this.#later ??= setTimeout(() => this.#askLater(), this.#sharedMs);
    }
  }

  /** Ask as long after each change as an answer may be old, but do not let later changes put that off. */
  #askLater(): void {
    this.#ask();
    const left = this.#requestedAt + this.#sharedMs - Date.now();
    this.#later = left > 0 ? setTimeout(() => this.#askLater(), left) : undefined;
  }

  #ask(): void {
    if (this.#isStopped) {
      return;
    }
    if (this.#isBusy) {
      this.#isDue = true;
      return;
    }
    this.#isBusy = true;
    this.#isAsking = true;
    this.#refresh();
    this.#isAsking = false;
  }

  /** Run a request. One that was asked for by `request` is followed by another if something changed meanwhile. */
  async track<T>(fetch: () => Promise<T>): Promise<T> {
    const isRequested = this.#isAsking;
    try {
      return await fetch();
    } finally {
      if (isRequested) {
        setTimeout(() => this.#goOn(), this.#pauseMs);
      }
    }
  }

  /** Ask no more. */
  stop(): void {
    this.#isStopped = true;
  }

  #goOn(): void {
    this.#isBusy = false;
    if (this.#isDue) {
      this.#isDue = false;
      this.#ask();
    }
  }
}
