import { formatDuration, formatNumber } from "../format";

const EXACT_MS = 10_000;
const MINUTE_MS = 60_000;

/** Return the time between two records: in milliseconds while they tell anything. */
export function formatInterval(milliseconds: number): string {
  if (milliseconds < EXACT_MS) {
    return `${formatNumber(milliseconds)} ms`;
  }
  return milliseconds < MINUTE_MS ? `${(milliseconds / 1000).toFixed(1)} s` : formatDuration(milliseconds);
}
