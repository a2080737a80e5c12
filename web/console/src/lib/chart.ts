import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Tone } from "./tone";
import { formatTime } from "./format";
import { WINDOW_SECONDS } from "./series";

export interface Curve {
  name: string;
  tone: Tone;
  values: (number | null)[];
}

export interface ChartForm {
  width: number;
  height: number;
  /** Without axes: a curve beside a number. */
  isSpark: boolean;
  curves: Pick<Curve, "name" | "tone">[];
}

/** Return uPlot's options. A canvas knows no CSS variables, so colours are read from the element's style. */
export function chartOptions(form: ChartForm, style: CSSStyleDeclaration): uPlot.Options {
  const hidden = { show: false };
  return {
    width: form.width,
    height: form.height,
    padding: form.isSpark ? [3, 0, 3, 0] : [8, 16, 0, 0],
    cursor: hidden,
    legend: hidden,
    scales: { x: { time: true, range: form.isSpark ? windowSince : windowUntil }, y: { range: fromZero } },
    axes: form.isSpark ? [hidden, hidden] : [timeAxis(style), valueAxis(style)],
    series: [{}, ...form.curves.map(({ tone }) => curveSeries(colorOf(style, tone), form.isSpark))],
  };
}

function colorOf(style: CSSStyleDeclaration, tone: Tone): string {
  return style.getPropertyValue(tone === "neutral" ? "--quiet" : `--${tone}`);
}

function curveSeries(stroke: string, isSpark: boolean): uPlot.Series {
  const series: uPlot.Series = { stroke, width: 1.5, points: { show: false } };
  return isSpark ? series : { ...series, width: 2 };
}

function windowUntil(_: uPlot, __: number, last: number): [number, number] {
  const end = Number.isFinite(last) ? last : Date.now() / 1000;
  return [end - WINDOW_SECONDS, end];
}

/** A minute at least: so a curve that begins now can be seen, and grows to the whole window. */
function windowSince(chart: uPlot, first: number, last: number): [number, number] {
  const [start, end] = windowUntil(chart, first, last);
  return [Number.isFinite(first) ? Math.max(start, Math.min(first, end - 60)) : start, end];
}

function fromZero(_: uPlot, __: number, max: number): uPlot.Range.MinMax {
  return [0, Math.max(Number.isFinite(max) ? max : 0, 1) * 1.1];
}

function axis(style: CSSStyleDeclaration): uPlot.Axis {
  const line = style.getPropertyValue("--line");
  const font = `12px ${style.fontFamily}`;
  return {
    font,
    stroke: style.getPropertyValue("--quiet"),
    grid: { stroke: line, width: 1 },
    ticks: { stroke: line, width: 1, size: 4 },
  };
}

function timeAxis(style: CSSStyleDeclaration): uPlot.Axis {
  const values = (_: uPlot, splits: number[]) => splits.map((split) => formatTime(split * 1000).slice(0, 5));
  return { ...axis(style), values, space: 70, size: 28 };
}

function valueAxis(style: CSSStyleDeclaration): uPlot.Axis {
  return { ...axis(style), size: 44, space: 32 };
}
