import { describe, expect, it } from "vitest";
import { describeSeries, SampleWindow, seriesOf } from "../src/lib/series";

const at = (seconds: number) => new Date(seconds * 1000).toISOString();

describe("samples", () => {
  it("are kept for a quarter of an hour", () => {
    const samples = new SampleWindow<number | null>();
    [0, 1, 900, 901].forEach((seconds) => samples.add(at(seconds), seconds));
    expect(samples.series((value) => value)).toEqual({ times: [1, 900, 901], values: [1, 900, 901] });
  });

  it("count once, in their order", () => {
    const samples = new SampleWindow<number>();
    samples.add(at(5), 1);
    samples.add(at(5), 2);
    samples.add(at(4), 3);
    samples.add("never", 4);
    expect(samples.series((value) => value)).toEqual({ times: [5], values: [1] });
  });

  it("tell how much a number has grown while it was known", () => {
    const samples = new SampleWindow<number | null>();
    expect(samples.growth((value) => value)).toBeNull();
    [null, 24, null, 27, null].forEach((value, seconds) => samples.add(at(seconds), value));
    expect(samples.growth((value) => value)).toBe(3);
  });
});

describe("a series", () => {
  it("is taken from samples of the API", () => {
    const samples = [
      { at: at(5), events: 1 },
      { at: at(10), events: 3 },
    ];
    expect(seriesOf(samples, ({ events }) => events)).toEqual({ times: [5, 10], values: [1, 3] });
  });

  it("is described in words", () => {
    const series = { times: [1, 2, 3], values: [2, null, 0.25] };
    expect(describeSeries("Lag", series)).toBe("Lag over 15 minutes: from 0.3 to 2");
    expect(describeSeries("Lag", { times: [], values: [] })).toBe("Lag over 15 minutes: nothing known yet");
  });
});
