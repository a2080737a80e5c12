/** When to ask again. */

/** From request to request, so that the page is behind by less than a second even when an answer takes its time. */
export const POLL_MS = 750;

/** An answer of this age is shown as stale. */
export const STALE_MS = 3000;

const HIDDEN_MS = 5000;
const MAX_MS = 15_000;

/** Return the milliseconds from one request to the next: longer with each failure, and where nobody looks. */
export function pollDelay(interval: number, failures: number, isHidden: boolean): number {
  const delay = Math.min(interval * 2 ** Math.min(failures, 10), MAX_MS);
  return isHidden ? Math.max(delay, HIDDEN_MS) : delay;
}

/** Return whether a failure says nothing about what was asked for: no answer, or one of a server in trouble. */
export function isPassing(status: number): boolean {
  return status === 0 || status === 429 || status >= 500;
}
