/**
 * The losses of a training as a picture.
 */
import { SVG_COLOURS, svgLine, svgPicture, svgRound, svgText } from "../core/svg.ts";
import type { LossPoint } from "./loss_history.ts";

const [WIDTH, HEIGHT] = [640, 320];
const [LEFT, RIGHT, TOP, BOTTOM] = [64, 620, 40, 276];
/** More points than pixels cannot be seen: each stands for the mean of several steps. */
const MOST_POINTS = 400;
const TICKS = 5;

/** A curve: its name, colour, and points as steps and losses. */
interface Curve {
  name: string;
  colour: string;
  points: [number, number][];
}

/** An axis: values, and where they stand. */
interface Axis {
  ticks: number[];
  place(value: number): number;
}

/**
 * Draws the losses of a training, and those on the validation data, over the steps: SVG
 * without scripts, readable on light and dark pages.
 *
 * @param history What a training returned.
 * @returns The file's text.
 *
 * @example
 * ```ts
 * import { lossCurve } from "@quern/quern/train";
 *
 * const history = [3, 2, 1.5].map((loss, i) => ({ step: i + 1, loss, learningRate: 0.1 }));
 * console.log(lossCurve(history).startsWith("<svg")); // true
 * ```
 */
export function lossCurve(history: readonly LossPoint[]): string {
  const finite = history.filter(({ loss }) => Number.isFinite(loss));
  const losses = finite.map(({ step, loss }): [number, number] => [step, loss]);
  const validation = history.flatMap(({ step, validationLoss }): [number, number][] =>
    validationLoss === undefined || !Number.isFinite(validationLoss) ? [] : [[step, validationLoss]]
  );
  const curves = [
    { name: "training", colour: SVG_COLOURS[0], points: thinned(losses) },
    { name: "validation", colour: SVG_COLOURS[1], points: thinned(validation) },
  ].filter(({ points }) => points.length > 0);
  const all = curves.flatMap(({ points }) => points);
  const x = axisOf(all.map(([step]) => step), LEFT, RIGHT, true);
  const y = axisOf(all.map(([, loss]) => loss), BOTTOM, TOP, false);
  return svgPicture(WIDTH, HEIGHT, "Losses of a training over its steps", [
    ...grid(x, y),
    ...curves.map((curve) => path(curve, x, y)),
    ...curves.flatMap(legend),
  ]);
}

function thinned(points: [number, number][]): [number, number][] {
  const each = Math.ceil(points.length / MOST_POINTS);
  if (each <= 1) return points;
  const groups = Array.from(
    { length: Math.ceil(points.length / each) },
    (_, i) => points.slice(i * each, (i + 1) * each),
  );
  return groups.map((group) => [
    group[group.length - 1][0],
    group.reduce((sum, [, loss]) => sum + loss, 0) / group.length,
  ]);
}

function axisOf(values: number[], from: number, to: number, isCount: boolean): Axis {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) [least, most] = [Math.min(least, value), Math.max(most, value)];
  if (least > most) [least, most] = [0, 1];
  if (least === most) {
    [least, most] = [least - Math.abs(least) / 2 - 0.5, most + Math.abs(most) / 2 + 0.5];
  }
  const spacing = roundStep((most - least) / TICKS, isCount);
  const first = Math.ceil(least / spacing);
  const count = Math.floor(most / spacing) - first + 1;
  const place = (value: number) => svgRound(from + (to - from) * (value - least) / (most - least));
  return { ticks: Array.from({ length: count }, (_, i) => (first + i) * spacing), place };
}

/** 1, 2 or 5 times a power of ten, at least so much. */
function roundStep(least: number, isCount: boolean): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= least)!;
  return isCount ? Math.max(1, step) : step;
}

function grid(x: Axis, y: Axis): string[] {
  return [
    ...y.ticks.flatMap((value) => [
      svgLine("grid", LEFT, y.place(value), RIGHT, y.place(value)),
      svgText(LEFT - 8, y.place(value) + 4, label(value), { anchor: "end" }),
    ]),
    svgLine("even", LEFT, BOTTOM, RIGHT, BOTTOM),
    ...x.ticks.map((value) =>
      svgText(x.place(value), BOTTOM + 16, label(value), { anchor: "middle" })
    ),
    svgText((LEFT + RIGHT) / 2, HEIGHT - 10, "step", { style: "faint", anchor: "middle" }),
    svgText(LEFT, TOP - 22, "loss", { style: "faint", anchor: "end" }),
  ];
}

/** Four digits are enough, and 0.30000000000000004 is none of them. */
function label(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function path({ colour, points }: Curve, x: Axis, y: Axis): string {
  const d = points.map(([step, loss], i) =>
    `${i === 0 ? "M" : "L"}${x.place(step)} ${y.place(loss)}`
  );
  if (points.length === 1) {
    const [[step, loss]] = points;
    return `<circle cx="${x.place(step)}" cy="${y.place(loss)}" r="3" fill="${colour}"/>`;
  }
  return `<path d="${d.join("")}" fill="none" stroke="${colour}" stroke-width="1.5"/>`;
}

function legend({ name, colour }: Curve, index: number): string[] {
  const left = LEFT + 16 + index * 110;
  return [
    `<path d="M${left} 14h18" stroke="${colour}" stroke-width="2"/>`,
    svgText(left + 24, 18, name),
  ];
}
