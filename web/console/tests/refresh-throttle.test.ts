import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RefreshThrottle } from "../src/lib/refresh-throttle";

describe("refreshing", () => {
  const fetches: (() => void)[] = [];
  let throttle: RefreshThrottle;

  beforeEach(() => {
    vi.useFakeTimers();
    fetches.length = 0;
    throttle = new RefreshThrottle(begin, { pauseMs: 100 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function begin(): void {
    void throttle.track(() => new Promise<void>((resolve) => fetches.push(resolve)));
  }

  async function answer(): Promise<void> {
    fetches.at(-1)?.();
    await vi.advanceTimersByTimeAsync(0);
  }

  it("asks at once, also while a request runs that began before the change", () => {
    begin();
    throttle.request();
    expect(fetches).toHaveLength(2);
  });

  it("asks once more after a request during which something changed", async () => {
    throttle.request();
    throttle.request();
    throttle.request();
    expect(fetches).toHaveLength(1);
    await answer();
    await vi.advanceTimersByTimeAsync(100);
    expect(fetches).toHaveLength(2);
    await answer();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(fetches).toHaveLength(2);
  });

  it("pauses between requests and then has the last change", async () => {
    throttle.request();
    await answer();
    throttle.request();
    expect(fetches).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(100);
    expect(fetches).toHaveLength(2);
  });

  it("asks again when an answer that is shared can no longer be from before the change", async () => {
    throttle = new RefreshThrottle(begin, { pauseMs: 100, sharedMs: 500 });
    throttle.request();
    await answer();
    await vi.advanceTimersByTimeAsync(499);
    expect(fetches).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(fetches).toHaveLength(2);
    await answer();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(fetches).toHaveLength(2);
  });

  it("asks so long after each change, whatever else changes meanwhile", async () => {
    throttle = new RefreshThrottle(begin, { pauseMs: 0, sharedMs: 500 });
    const asked: number[] = [];
    const start = Date.now();
    for (let passed = 0; passed <= 1_000; passed += 100) {
      if (passed <= 300) {
        throttle.request();
      }
      asked.push(...Array<number>(fetches.length - asked.length).fill(Date.now() - start));
      await answer();
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(asked.filter((time) => time > 300)).toEqual([500, 800]);
  });

  it("asks no more once it is stopped", async () => {
    throttle.request();
    throttle.request();
    throttle.stop();
    await answer();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(fetches).toHaveLength(1);
  });
});
