/** Pauses that double up to a limit; each is cut at random, so that clients do not return together. */
export class Backoff {
  #failures = 0;

  constructor(
    private readonly firstMs = 250,
    private readonly maxMs = 10_000,
  ) {}

  /** Return the next pause in milliseconds: from half of the present limit to all of it. */
  nextPause(): number {
    const limit = Math.min(this.maxMs, this.firstMs * 2 ** this.#failures++);
    return limit * (0.5 + Math.random() / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** Wait; rejects with the signal's reason as soon as it is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** Return what a promise resolves to; rejects with the signal's reason as soon as it is aborted. */
export function untilAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal?.removeEventListener("abort", abort));
    if (signal?.aborted) {
      abort();
    }
  });
}
