import { describe, expect, it } from "vitest";
import { isPassing, POLL_MS, pollDelay } from "../src/lib/poll-delay";

describe("polling", () => {
  it("backs off with each failure, up to a quarter of a minute", () => {
    const delays = [0, 1, 2, 3, 4, 5, 500].map((failures) => pollDelay(1000, failures, false));
    expect(delays).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  });

  it("slows down where nobody looks", () => {
    expect(pollDelay(1000, 0, true)).toBe(5000);
    expect(pollDelay(1000, 4, true)).toBe(15_000);
  });

  it("is behind by less than a second", () => expect(POLL_MS).toBeLessThan(1000));

  it("tells an outage from an answer", () => {
    expect([0, 429, 500, 503].map(isPassing)).toEqual([true, true, true, true]);
    expect([401, 403, 404, 409, 422].map(isPassing)).toEqual([false, false, false, false, false]);
  });
});
