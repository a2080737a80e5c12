/** Numbers over time, as charts take them: times in seconds, and a value or null at each. */
export interface Series {
  times: number[];
  values: (number | null)[];
}

/** How far back charts go. */
export const WINDOW_SECONDS = 15 * 60;

/** The API counts the log in samples of this length. */
export const SAMPLE_SECONDS = 5;

/** Samples of many numbers, of which the last 15 minutes are kept. */
export class SampleWindow<Sample> {
  #samples: { seconds: number; sample: Sample }[] = [];

  /** Add a sample. One that is not later than the last is what it was already. */
  add(at: string, sample: Sample): void {
    const seconds = Date.parse(at) / 1000;
    const last = this.#samples.at(-1);
    if (!Number.isFinite(seconds) || (last !== undefined && seconds <= last.seconds)) {
      return;
    }
    this.#samples.push({ seconds, sample });
    const first = this.#samples.findIndex((kept) => kept.seconds >= seconds - WINDOW_SECONDS);
    this.#samples.splice(0, first);
  }

  /** Return one of the numbers over time. */
  series(pick: (sample: Sample) => number | null): Series {
    return {
      times: this.#samples.map(({ seconds }) => seconds),
      values: this.#samples.map(({ sample }) => pick(sample)),
    };
  }

  /** Return how much a number that only grows has grown since the first sample, null where it is not known. */
  growth(pick: (sample: Sample) => number | null): number | null {
    const known = this.#samples.map(({ sample }) => pick(sample)).filter((value) => value !== null);
    const [first] = known;
    const last = known.at(-1);
    return first === undefined || last === undefined ? null : last - first;
  }
}

/** Return the series of what is sampled already. */
export function seriesOf<Sample extends { at: string }>(
  samples: Sample[],
  pick: (sample: Sample) => number,
): Series {
  return { times: samples.map(({ at }) => Date.parse(at) / 1000), values: samples.map(pick) };
}

/** Return what a series shows, in words, for those who do not see it. */
export function describeSeries(name: string, { values }: Series): string {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) {
    return `${name} over 15 minutes: nothing known yet`;
  }
  const round = (value: number) => Math.round(value * 10) / 10;
  return `${name} over 15 minutes: from ${round(Math.min(...known))} to ${round(Math.max(...known))}`;
}
