import { ApiError, ops, reads } from "./api";
import type { Invitation, LogRecord, RoomHistory, RoomSummary, Stage } from "./api-types";
import { mergeRecords, positionOf } from "./history/records";
import { poll, type Poll } from "./poll.svelte";
import { RefreshThrottle } from "./refresh-throttle";
import { followRoomChanges } from "./room-stream";

/** A room as it is now; null where the service knows no such room. */
export interface RoomNow {
  room: RoomSummary | null;
  stage: Stage | null;
  pending: Invitation[];
}

/** The gateway's answers from the log may be half a second old. */
export const HISTORY_SHARED_MS = 550;

/** How many of the pending invitations, the newest, are shown. */
export const PENDING_SHOWN = 200;

/** So many records are kept of a page that is open for long. */
const MAX_RECORDS = 2000;

/** A poll that also asks when something has changed, by `changed`. */
export interface ChangePoll<T> {
  poll: Poll<T>;
  changed: () => void;
}

/** Poll while the component is mounted, and when something has changed. */
export function pollChanges<T>(
  fetch: (signal: AbortSignal) => Promise<T>,
  options: { interval?: number; sharedMs?: number } = {},
): ChangePoll<T> {
  const throttle = new RefreshThrottle(() => polled.refresh(), options);
  const polled = poll((signal) => throttle.track(() => fetch(signal)), options);
  $effect(() => () => throttle.stop());
  return { poll: polled, changed: () => throttle.request() };
}

/**
 * Call `onChange` after each event of the room's stream, while the component is mounted and its page is visible.
 *
 * A page has one stream: browsers open few connections to a server, and all windows share them.
 */
export function watchRoom(roomId: () => string | null, onChange: () => void): void {
  $effect(() => {
    const followed = roomId();
    let aborter = new AbortController();
    const follow = () => {
      aborter.abort();
      aborter = new AbortController();
      if (followed !== null && !document.hidden) {
        void followRoomChanges(followed, aborter.signal, onChange);
      }
    };
    follow();
    document.addEventListener("visibilitychange", follow);
    return () => {
      document.removeEventListener("visibilitychange", follow);
      aborter.abort();
    };
  });
}

export async function readRoom(roomId: string, signal: AbortSignal): Promise<RoomNow> {
  const [room, stage, invitations] = await Promise.all([
    nullIfMissing(reads.room(roomId, signal)),
    nullIfMissing(reads.stage(roomId, signal)),
    nullIfMissing(reads.roomInvitations(roomId, signal, { status: "pending", limit: PENDING_SHOWN })),
  ]);
  return { room, stage, pending: invitations?.items ?? [] };
}

export async function nullIfMissing<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) {
      return null;
    }
    throw error;
  }
}

/** What has been read of a room's history: the newest page again and again, older ones when asked for. */
export class HistoryReader {
  records = $state.raw<LogRecord[]>([]);
  /** Where to read on into the past; undefined before the first answer, null where nothing is older. */
  before = $state<string | null | undefined>();
  /** The topics that the broker's ACLs keep from the gateway: the history lacks their records. */
  unreadable = $state.raw<string[]>([]);
  isReadingOlder = $state(false);
  readonly #roomId: string;
  #maxRecords = MAX_RECORDS;

  constructor(roomId: string) {
    this.#roomId = roomId;
  }

  /** Return whether all since a time was read. */
  reaches(time: string): boolean {
    const oldest = this.records[0]?.at;
    return this.before === null || (oldest !== undefined && Date.parse(oldest) < Date.parse(time));
  }

  async readNewest(signal: AbortSignal, limit?: number): Promise<LogRecord[]> {
    const page = await ops.history(this.#roomId, signal, limit === undefined ? {} : { limit });
    this.unreadable = page.unreadable;
    const merged = mergeRecords(this.records, page.items);
    const isAnew = this.before === undefined || merged.length > this.#maxRecords || this.#isApart(page);
    this.records = isAnew ? mergeRecords([], page.items) : merged;
    this.before = isAnew ? page.before : this.before;
    return this.records;
  }

  /** Return whether there may be records between those that are known and a newest page: nothing is in both. */
  #isApart({ items, before }: RoomHistory): boolean {
    const known = new Set(this.records.map(positionOf));
    return before !== null && known.size > 0 && !items.some((record) => known.has(positionOf(record)));
  }

  async readOlder(): Promise<void> {
    if (!this.before || this.isReadingOlder) {
      return;
    }
    this.isReadingOlder = true;
    try {
      const page = await ops.history(this.#roomId, undefined, { before: this.before });
      this.before = page.before;
      this.records = mergeRecords(this.records, page.items);
      this.#maxRecords += page.items.length;
    } finally {
      this.isReadingOlder = false;
    }
  }
}
