import type { LogRecord } from "./api-types";
import { nameOf, textOf } from "./history/records";

/** Where a grace stands: what is left of it, and its share of the whole, from 1 down to 0. */
export interface Grace {
  leftMs: number;
  fraction: number;
}

/** Return where a grace stands at a time of the server; of unknown length it is taken to have just begun. */
export function graceAt(graceEndsAt: string, totalMs: number | null, now: number): Grace {
  const leftMs = Math.max(0, Date.parse(graceEndsAt) - now);
  const whole = Math.max(totalMs ?? 0, leftMs);
  return { leftMs, fraction: whole === 0 ? 0 : leftMs / whole };
}

/** Return the length of the grace that ends at a time, from the disconnection that began it. */
export function graceLength(
  records: readonly LogRecord[],
  userId: string,
  graceEndsAt: string,
): number | null {
  const record = records.findLast(
    (candidate) =>
      nameOf(candidate) === "CoHostDisconnected" &&
      textOf(candidate, "userId") === userId &&
      textOf(candidate, "graceEndsAt") === graceEndsAt,
  );
  const began = record && textOf(record, "at");
  return began ? Date.parse(graceEndsAt) - Date.parse(began) : null;
}
