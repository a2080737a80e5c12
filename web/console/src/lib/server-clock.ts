const MAX_OBSERVATIONS = 10;

/**
 * The server's time, from answers that name it.
 *
 * An answer is never ahead of the server, only behind it: by its way here, and by its age where it was shared
 * between readers. So the greatest of the last differences is nearest to the truth.
 */
export class ServerClock {
  #differences: number[] = [];
  readonly #now: () => number;

  constructor(now: () => number = () => Date.now()) {
    this.#now = now;
  }

  /** Learn from an answer that has just come and names this time. */
  observe(serverTime: string): void {
    const difference = Date.parse(serverTime) - this.#now();
    if (!Number.isNaN(difference)) {
      this.#differences = [difference, ...this.#differences].slice(0, MAX_OBSERVATIONS);
    }
  }

  /** Return the milliseconds that the server is ahead of this machine. */
  get offset(): number {
    return this.#differences.length === 0 ? 0 : Math.max(...this.#differences);
  }
}
