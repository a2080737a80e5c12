/** The server's time, from the answers that name it: those on the fastest way tell it best. */
export class ServerClock {
  #offset = 0;
  #roundTrip = Infinity;
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Learn from an answer with the server's time in it; the times of request and answer are this machine's. */
  observe(serverTime: string, sentAt: number, receivedAt: number): void {
    const time = Date.parse(serverTime);
    const roundTrip = receivedAt - sentAt;
    if (Number.isNaN(time) || roundTrip < 0) {
      return;
    }
    if (roundTrip <= this.#roundTrip || this.#hasMoved(time, sentAt, receivedAt)) {
      this.#offset = time - (sentAt + receivedAt) / 2;
      this.#roundTrip = roundTrip;
    }
  }

  now(): number {
    return this.#now() + this.#offset;
  }

  /** Return whether one of the clocks was set: the answer's time cannot be by what was learned. */
  #hasMoved(time: number, sentAt: number, receivedAt: number): boolean {
    const toleranceMs = 1_000;
    return time - this.#offset < sentAt - toleranceMs || time - this.#offset > receivedAt + toleranceMs;
  }
}
