import { afterEach, describe, expect, it, vi } from "vitest";
import { HistoryReader } from "../src/lib/room-view.svelte";
import { LogBuilder } from "./log-builder";

const signal = new AbortController().signal;

/** A gateway with a room's history, of which each answer is a part. */
function stubHistory(log: LogBuilder) {
  const part = { from: 0, to: 0 };
  vi.stubGlobal("fetch", async () => {
    const items = log.records.slice(part.from, part.to);
    const before = part.from === 0 ? null : `before-${part.from}`;
    return new Response(JSON.stringify({ items, before, unreadable: [] }));
  });
  return (from: number, to: number) => Object.assign(part, { from, to });
}

function buildLog(length: number): LogBuilder {
  const log = new LogBuilder();
  for (let index = 0; index < length; index += 1) {
    log.command("invitations", "SendInvitation", `c-${index}`, {});
    log.wait(5);
  }
  return log;
}

afterEach(() => vi.unstubAllGlobals());

describe("a room's history that is read again and again", () => {
  it("grows by what is new, and by what is older when asked", async () => {
    const log = buildLog(6);
    const answer = stubHistory(log);
    const reader = new HistoryReader("room-1");
    answer(2, 4);
    await reader.readNewest(signal);
    answer(3, 6);
    await reader.readNewest(signal);
    expect([reader.records, reader.before]).toEqual([log.records.slice(2), "before-2"]);
    answer(0, 2);
    await reader.readOlder();
    expect([reader.records, reader.before]).toEqual([log.records, null]);
  });

  it("begins anew where records are missing in between", async () => {
    const log = buildLog(9);
    const answer = stubHistory(log);
    const reader = new HistoryReader("room-1");
    answer(0, 3);
    await reader.readNewest(signal);
    answer(5, 9);
    await reader.readNewest(signal);
    expect([reader.records, reader.before]).toEqual([log.records.slice(5), "before-5"]);
  });

  it("is bounded, except by what is asked for", async () => {
    const log = buildLog(3000);
    const answer = stubHistory(log);
    const reader = new HistoryReader("room-1");
    let most = 0;
    for (let end = 400; end <= 3000; end += 100) {
      answer(end - 200, end);
      await reader.readNewest(signal);
      most = Math.max(most, reader.records.length);
    }
    expect(most).toBeLessThanOrEqual(2000);
    expect(reader.records.at(-1)).toEqual(log.records.at(-1));
    answer(0, 2800);
    await reader.readOlder();
    answer(2800, 3000);
    await reader.readNewest(signal);
    expect(reader.records).toEqual(log.records);
  });
});
