/** Numbers, times and names as they are shown. */

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** Return a number with thousands apart; a dash where it is not known. */
export function formatNumber(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : WHOLE.format(value);
}

/** Return a rate with a tenth below 100. */
export function formatRate(value: number | null | undefined): string {
  if (value === null || value === undefined) {
    return "–";
  }
  return (value < 100 ? TENTHS : WHOLE).format(value);
}

/** Return bytes as B, kB or MB. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) {
    return `${bytes} B`;
  }
  return bytes < 1_000_000 ? `${TENTHS.format(bytes / 1000)} kB` : `${TENTHS.format(bytes / 1_000_000)} MB`;
}

/** Return a length of time in its two largest units, e.g. `4 min 10 s`. */
export function formatDuration(milliseconds: number): string {
  if (Math.abs(milliseconds) < 1000) {
    return `${Math.round(milliseconds)} ms`;
  }
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 60) {
    return `${seconds} s`;
  }
  if (seconds < 3600) {
    return pair(Math.floor(seconds / 60), "min", seconds % 60, "s");
  }
  if (seconds < 86_400) {
    return pair(Math.floor(seconds / 3600), "h", Math.floor((seconds % 3600) / 60), "min");
  }
  return pair(Math.floor(seconds / 86_400), "d", Math.floor((seconds % 86_400) / 3600), "h");
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** Return how long ago a time is, or how far ahead; the clocks of browser and server differ a little. */
export function formatAge(at: number, now: number): string {
  const age = now - at;
  if (Math.abs(age) < 2000) {
    return "now";
  }
  return age > 0 ? `${formatDuration(age)} ago` : `in ${formatDuration(-age)}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** Return the local time of day with milliseconds, e.g. `14:03:27.120`. */
export function formatTime(at: string | number): string {
  const date = new Date(at);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${time}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Return the local date and time, e.g. `2026-01-31 14:03:27`. */
export function formatDateTime(at: string | number): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${formatTime(at).slice(0, 8)}`;
}

/** Return a wire type without its envelope: `InvitationSent` for `cohost.InvitationSent.v1`. */
export function shortType(type: string): string {
  return /^cohost\.(.+)\.v\d+$/.exec(type)?.[1] ?? type;
}

/** Return a word of the contract as text: `invitation not pending` for `invitation_not_pending`. */
export function humanize(word: string): string {
  return word.replace(/_/g, " ").replace(/([a-z])([A-Z])/g, (_, before: string, after: string) => {
    return `${before} ${after.toLowerCase()}`;
  });
}
