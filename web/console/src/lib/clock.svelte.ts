import { ServerClock } from "./server-clock";

/** Smaller differences are the way of an answer rather than that of a clock. */
const TOLERANCE_MS = 100;

/** The time, which moves on once a second for everything that shows an age. */
class Clock {
  now = $state(Date.now());
  #offset = $state(0);
  readonly #server = new ServerClock();

  constructor() {
    setInterval(() => {
      this.now = Date.now();
    }, 1000);
  }

  /** The server's time, for what the server dates: this machine's clock may be wrong. */
  get serverNow(): number {
    return this.now + this.#offset;
  }

  /** Return this machine's time at a time of the server. */
  toLocal(serverTime: number): number {
    return serverTime - this.#offset;
  }

  /** Learn the server's time from an answer that has just come and names it. */
  observe(serverTime: string): void {
    this.#server.observe(serverTime);
    if (Math.abs(this.#server.offset - this.#offset) > TOLERANCE_MS) {
      this.#offset = this.#server.offset;
    }
  }
}

export const clock = new Clock();
