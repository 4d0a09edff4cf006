/**
 * Small pictures as SVG: lines and texts without scripts, readable on light and dark pages.
 */

/** The look of texts, of lines of a grid, and of a line that counts. */
const SVG_STYLE = `
  text { font: 11px system-ui, sans-serif; fill: #24292f; }
  .heading { font-weight: 600; }
  .faint { fill: #57606a; }
  .grid { stroke: #d0d7de; stroke-width: 1; }
  .even { stroke: #24292f; stroke-width: 1.5; }
  .mark { stroke: #ffffff; stroke-width: 0.6; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .faint { fill: #9198a1; }
    .grid { stroke: #30363d; }
    .even { stroke: #e6edf3; }
    .mark { stroke: #0d1117; }
  }
`;

/**
 * Colours that the colour-blind can tell apart, on light pages and on dark ones (Okabe and
 * Ito).
 */
export const SVG_COLOURS: readonly string[] = [
  "#0072b2",
  "#e69f00",
  "#009e73",
  "#cc79a7",
  "#d55e00",
  "#56b4e9",
];

/**
 * A whole picture.
 *
 * @param width In pixels.
 * @param height In pixels.
 * @param title What it shows, for those who cannot see it.
 * @param parts What is in it, as SVG.
 * @returns The file's text.
 */
export function svgPicture(
  width: number,
  height: number,
  title: string,
  parts: readonly string[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
    `width="${width}" height="${height}" role="img">`,
    `<title>${escapeSvg(title)}</title>`,
    `<style>${SVG_STYLE}</style>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

/**
 * A straight line.
 *
 * @param style `grid` or `even`.
 * @param x1 Where it begins.
 * @param y1 Where it begins.
 * @param x2 Where it ends.
 * @param y2 Where it ends.
 * @returns SVG.
 */
export function svgLine(style: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="${style}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`;
}

/** Where a text stands. */
export interface SvgTextOptions {
  /** `heading` or `faint`. */
  style?: string;
  /** What of the text is at its place: its start, when left out. */
  anchor?: "middle" | "end";
}

/**
 * A text of one line.
 *
 * @param x Its place.
 * @param y Its place.
 * @param text Any characters.
 * @param options How it looks.
 * @returns SVG.
 */
export function svgText(x: number, y: number, text: string, options: SvgTextOptions = {}): string {
  const { style, anchor } = options;
  const kind = style === undefined ? "" : ` class="${style}"`;
  const anchored = anchor === undefined ? "" : ` text-anchor="${anchor}"`;
  return `<text${kind} x="${x}" y="${y}"${anchored}>${escapeSvg(text)}</text>`;
}

/**
 * A text as it stands in SVG.
 *
 * @param text Any characters.
 * @returns The same for a reader of the file.
 */
export function escapeSvg(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/**
 * A coordinate that is exact enough.
 *
 * @param value In pixels.
 * @returns To a tenth.
 */
export function svgRound(value: number): number {
  return Math.round(value * 10) / 10;
}
