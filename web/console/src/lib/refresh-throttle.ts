/** Asks again when something has changed: at once, but never twice at a time, and no more often than needed. */
export class RefreshThrottle {
  #running = 0;
  #isDue = false;
  #isPausing = false;
  readonly #refresh: () => void;
  readonly #pauseMs: number;

  /** `refresh` begins what is wrapped in `track`. */
  constructor(refresh: () => void, pauseMs = 150) {
    this.#refresh = refresh;
    this.#pauseMs = pauseMs;
  }

  /** Ask for an answer from after this moment. */
  request(): void {
    if (this.#running > 0 || this.#isPausing) {
      this.#isDue = true;
    } else {
      this.#refresh();
    }
  }

  /** Run a request, and afterwards once more if something has changed while it ran. */
  async track<T>(fetch: () => Promise<T>): Promise<T> {
    this.#running += 1;
    try {
      return await fetch();
    } finally {
      this.#running -= 1;
      this.#pause();
    }
  }

  #pause(): void {
    if (this.#isPausing) {
      return;
    }
    this.#isPausing = true;
    setTimeout(() => {
      this.#isPausing = false;
      if (this.#isDue && this.#running === 0) {
        this.#isDue = false;
        this.#refresh();
      }
    }, this.#pauseMs);
  }
}
