import { asApiError, type ApiError } from "./api";
import { clock } from "./clock.svelte";
import { isPassing, POLL_MS, pollDelay, STALE_MS } from "./poll-delay";

type Fetch<T> = (signal: AbortSignal) => Promise<T>;

/** An answer that is asked for again and again, less often while requests fail. */
export class Poll<T> {
  data = $state.raw<T | null>(null);
  error = $state.raw<ApiError | null>(null);
  answeredAt = $state<number | null>(null);
  #startedAt = $state(Date.now());
  readonly #fetch: Fetch<T>;
  readonly #interval: number;
  #failures = 0;
  #running: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(fetch: Fetch<T>, interval = POLL_MS) {
    this.#fetch = fetch;
    this.#interval = interval;
  }

  /** Whether what is shown may be behind the truth by more than a few seconds. */
  get isStale(): boolean {
    return clock.now - (this.answeredAt ?? this.#startedAt) > STALE_MS + this.#interval;
  }

  /** Begin to ask, from nothing. */
  start(): void {
    this.stop();
    this.data = null;
    this.error = null;
    this.answeredAt = null;
    this.#startedAt = Date.now();
    this.#failures = 0;
    void this.#ask();
  }

  /** Ask at once instead of later. */
  refresh(): void {
    this.#cancel();
    void this.#ask();
  }

  stop(): void {
    this.#cancel();
  }

  #cancel(): void {
    this.#running?.abort();
    this.#running = null;
    clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    const running = new AbortController();
    this.#running = running;
    const startedAt = Date.now();
    try {
      const data = await this.#fetch(running.signal);
      if (this.#running === running) {
        this.#succeed(data);
      }
    } catch (error) {
      if (this.#running === running) {
        this.#fail(error);
      }
    }
    if (this.#running === running) {
      const delay = pollDelay(this.#interval, this.#failures, document.hidden);
      this.#timer = setTimeout(() => void this.#ask(), Math.max(delay - (Date.now() - startedAt), 0));
    }
  }

  #succeed(data: T): void {
    this.data = data;
    this.error = null;
    this.answeredAt = Date.now();
    this.#failures = 0;
  }

  #fail(error: unknown): void {
    this.error = asApiError(error);
    this.#failures += 1;
    // An answer such as "not found" is the truth now, and not an old one.
    if (!isPassing(this.error.status)) {
      this.data = null;
      this.answeredAt = Date.now();
    }
  }
}

/**
 * Poll while the component is mounted. `key` names what is asked for: when it changes, the old answer is dropped.
 */
export function poll<T>(fetch: Fetch<T>, options: { interval?: number; key?: () => unknown } = {}): Poll<T> {
  const polled = new Poll(fetch, options.interval);
  $effect(() => {
    options.key?.();
    polled.start();
    const ask = () => {
      if (!document.hidden) {
        polled.refresh();
      }
    };
    document.addEventListener("visibilitychange", ask);
    return () => {
      document.removeEventListener("visibilitychange", ask);
      polled.stop();
    };
  });
  return polled;
}
