/**
 * The results of `deno task bench:peers` as a picture: a row for each case, a panel for each
 * number of threads, a mark for each peer at how many times as long as Quern it takes. The
 * axis is logarithmic; marks beyond its ends stand at them.
 *
 * SVG without scripts, readable on light and dark pages. Peers differ in colour and in form.
 *
 * @module
 */

import {
  escapeSvg,
  SVG_COLOURS,
  svgLine,
  svgPicture,
  svgRound,
  svgText,
} from "../../lib/core/svg.ts";
import { caseId, CASES, FAMILIES } from "./cases.ts";
import { PEERS, QUERN, variantsOf } from "./contenders.ts";
import { type CaseResult, type Results } from "./results.ts";
import { threadsOf, threeDigits } from "./tables.ts";

const MARGIN = 6;
const LABELS = 176;
const PANEL = 380;
const GAP = 46;
const ROW = 17;
const LEGEND = 132;
const HEADING = 28;
const HEAD = 64;
/** The axis, in powers of two. */
const LEAST = -1;
const MOST = 4;

/** Outlines around 0, about 8 wide. */
const FORMS = [
  "M-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0 -7.2 0z",
  "M-3.2-3.2h6.4v6.4h-6.4z",
  "M0-4.6L4.6 0L0 4.6L-4.6 0z",
  "M0-4.4L4.4 3.2H-4.4z",
  "M0 4.4L4.4-3.2H-4.4z",
  "M-3.6-1.2h2.4v-2.4h2.4v2.4h2.4v2.4h-2.4v2.4h-2.4v-2.4h-2.4z",
];

/** The picture of what was measured. */
export function plotOf({ cases }: Results): string {
  const threads = threadsOf(cases);
  const rows: string[] = [];
  let y = HEAD;
  for (const { family, title } of FAMILIES) {
    const members = CASES.filter((one) => one.family === family)
      .filter((one) => cases.some(({ id }) => id === caseId(one)));
    for (const variant of members.length === 0 ? [] : variantsOf(members[0])) {
      y += HEADING;
      const heading = variant === "" ? title : `${title}, ${QUERN}'s ${variant}`;
      rows.push(svgText(MARGIN, y - 8, heading, { style: "heading" }));
      for (const one of members) {
        rows.push(svgText(MARGIN + 10, y + ROW / 2 + 4, one.label));
        threads.forEach((count, panel) => {
          const run = cases.find(({ id, threads }) => id === caseId(one) && threads === count);
          const left = panelLeft(panel);
          rows.push(svgLine("grid", left, y + ROW / 2, left + PANEL, y + ROW / 2));
          if (run !== undefined) rows.push(...marks(run, variant, left, y + ROW / 2));
        });
        y += ROW;
      }
    }
  }
  const width = panelLeft(threads.length) - GAP + 30;
  const height = y + 12;
  return svgPicture(width, height, `How many times as long as ${QUERN} each peer takes`, [
    ...legend(),
    ...threads.flatMap((count, panel) => axis(count, panelLeft(panel), y)),
    ...rows,
  ]);
}

function panelLeft(panel: number): number {
  return LABELS + panel * (PANEL + GAP);
}

function legend(): string[] {
  return PEERS.flatMap((name, index) => {
    const x = LABELS + index * LEGEND;
    return [markAt(index, x, 10), svgText(x + 9, 14, name)];
  });
}

function axis(threads: number, left: number, bottom: number): string[] {
  const title = `${threads} ${threads === 1 ? "thread" : "threads"}`;
  const powers = Array.from({ length: MOST - LEAST + 1 }, (_, index) => LEAST + index);
  return [
    svgText(left, 38, `${title}: times as long as ${QUERN}`, { style: "faint" }),
    ...powers.flatMap((power) => {
      const x = positionOf(2 ** power, left);
      return [
        svgLine(power === 0 ? "even" : "grid", x, HEAD, x, bottom),
        svgText(x, HEAD - 6, `${end(power)}${2 ** power}×`, { anchor: "middle" }),
      ];
    }),
  ];
}

/** The ends of the axis hold what is beyond them too. */
function end(power: number): string {
  if (power === LEAST) return "≤ ";
  return power === MOST ? "≥ " : "";
}

function marks({ id, peers }: CaseResult, variant: string, left: number, y: number): string[] {
  // The nearest peer is what counts: it is drawn last, above the others.
  return Object.entries(peers)
    .map(([name, { ratios }]) => ({ name, ratio: ratios?.[variant] }))
    .filter((peer): peer is { name: string; ratio: number } => peer.ratio !== undefined)
    .sort((a, b) => b.ratio - a.ratio)
    .map(({ name, ratio }) => {
      const title = `${id}, ${name}: ${threeDigits(ratio)}`;
      return markAt(PEERS.indexOf(name), positionOf(ratio, left), y, title);
    });
}

function positionOf(ratio: number, left: number): number {
  const power = Math.min(MOST, Math.max(LEAST, Math.log2(ratio)));
  return svgRound(left + PANEL * (power - LEAST) / (MOST - LEAST));
}

function markAt(index: number, x: number, y: number, title = ""): string {
  const inside = title === "" ? "" : `<title>${escapeSvg(title)}</title>`;
  return `<path class="mark" fill="${SVG_COLOURS[index % SVG_COLOURS.length]}" ` +
    `transform="translate(${x} ${y})" d="${FORMS[index % FORMS.length]}">${inside}</path>`;
}
