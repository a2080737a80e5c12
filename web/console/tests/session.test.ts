import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeBase64 } from "../src/lib/bytes";
import { ops } from "../src/lib/api";
import { session } from "../src/lib/session.svelte";

const NOW = Date.parse("2026-01-01T12:00:00Z");

function sign(seconds: number, scope = "cohost:ops"): string {
  const claims = JSON.stringify({ sub: "olga", exp: NOW / 1000 + seconds, scope });
  return `x.${encodeBase64(new TextEncoder().encode(claims))}.${seconds}`;
}

/** A gateway that takes some tokens for ops, and signs the next ones for anybody. */
const gateway = { status: 200, time: {} as object, signed: [] as string[], tokens: [] as string[] };
const kept = new Map<string, string>();

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  Object.assign(gateway, { status: 200, time: {}, signed: [], tokens: [] });
  kept.clear();
  vi.stubGlobal("sessionStorage", {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => kept.set(name, value),
    removeItem: (name: string) => kept.delete(name),
  });
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    if (path === "/demo/token") {
      const token = gateway.signed.shift();
      return token === undefined
        ? new Response("{}", { status: 404 })
        : new Response(JSON.stringify({ token }));
    }
    gateway.tokens.push(new Headers(init.headers).get("Authorization") ?? "none");
    return new Response(JSON.stringify(gateway.time), { status: gateway.status });
  });
});

afterEach(() => {
  session.signOut();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a session", () => {
  it("begins once the gateway shows something for the token", async () => {
    await session.signIn(`Bearer ${sign(600)}`);
    expect([session.token, session.claims?.userId, session.refusal]).toEqual([sign(600), "olga", null]);
    expect([...kept.values()]).toEqual([sign(600)]);
    expect(gateway.tokens).toEqual([`Bearer ${sign(600)}`]);
  });

  it.each([
    [403, "lacks the scope cohost:ops. Without the scope nothing is shown."],
    [401, "does not accept this token"],
  ])("does not begin after %s, and keeps nothing", async (status, refusal) => {
    gateway.status = status;
    await session.signIn(sign(600));
    expect([session.token, kept.size]).toEqual([null, 0]);
    expect(session.refusal).toContain(refusal);
  });

  it("goes on after an outage in the same tab", async () => {
    gateway.status = 503;
    await session.signIn(sign(600));
    expect(session.token).toBeNull();
    gateway.status = 200;
    await session.resume();
    expect(session.token).toBe(sign(600));
  });

  it("ends with its token", async () => {
    await session.signIn(sign(600));
    await vi.advanceTimersByTimeAsync(599_000);
    expect(session.token).toBe(sign(600));
    await vi.advanceTimersByTimeAsync(1000);
    expect([session.token, kept.size]).toEqual([null, 0]);
    expect(session.refusal).toContain("expired");
  });

  it("lasts longer than a timer can", async () => {
    const month = 40 * 86_400;
    await session.signIn(sign(month));
    await vi.advanceTimersByTimeAsync((month - 1) * 1000);
    expect(session.token).toBe(sign(month));
    await vi.advanceTimersByTimeAsync(1000);
    expect(session.token).toBeNull();
  });

  it("ends when a request is refused later", async () => {
    await session.signIn(sign(600));
    gateway.status = 403;
    await expect(ops.overview()).rejects.toThrow();
    expect(session.token).toBeNull();
  });

  it("of the demo gets a new token before the end, and after a sleep", async () => {
    gateway.signed.push(sign(600), sign(1200), sign(1800));
    await session.signInAsDemo();
    await vi.advanceTimersByTimeAsync(541_000);
    expect(session.token).toBe(sign(1200));
    gateway.status = 401;
    await Promise.allSettled([ops.overview(), ops.lanes()]);
    await vi.advanceTimersByTimeAsync(0);
    expect(session.token).toBe(sign(1800));
    expect(kept.size).toBe(2);
  });

  it.each([-3600, 3600])("ends by the gateway's clock where this one differs by %i s", async (seconds) => {
    const later = NOW / 1000 + seconds + 600;
    gateway.time = { at: new Date(NOW + seconds * 1000).toISOString() };
    // Earlier answers are forgotten.
    for (let count = 0; count < 10; count += 1) {
      await session.signIn(sign(later - NOW / 1000));
    }
    gateway.signed.push(sign(later - NOW / 1000), sign(later + 600 - NOW / 1000));
    await session.signInAsDemo();
    await vi.advanceTimersByTimeAsync(530_000);
    expect(session.token).toBe(sign(later - NOW / 1000));
    await vi.advanceTimersByTimeAsync(11_000);
    expect(session.token).toBe(sign(later + 600 - NOW / 1000));
  });

  it("of the demo that is signed out stays so", async () => {
    gateway.signed.push(sign(600), sign(1200));
    await session.signInAsDemo();
    session.signOut();
    await vi.advanceTimersByTimeAsync(700_000);
    expect([session.token, kept.size]).toEqual([null, 0]);
  });
});
