/**
 * Progress bars on a terminal's standard error; elsewhere nothing at all.
 *
 * @module
 */

import process from "node:process";
import type { Progress } from "../core/progress.ts";
import { formatBytes } from "../core/sizes.ts";
import { logIsTerminal } from "./output.ts";

/** The part of cli-progress that is used here. */
interface Bar {
  start(total: number, value: number, payload: Record<string, string>): void;
  update(value: number, payload: Record<string, string>): void;
  setTotal(total: number): void;
  stop(): void;
}

/** Shows one stage at a time; disposing of it leaves the terminal as it was. */
export class ProgressDisplay implements Disposable {
  #bar: Bar | undefined;
  #stage = "";
  #makeBar: (() => Bar) | undefined;

  /** Prepares the display; bars are loaded only where they can be seen. */
  static async create(): Promise<ProgressDisplay> {
    const display = new ProgressDisplay();
    if (!logIsTerminal()) return display;
    const { default: cliProgress } = await import("cli-progress");
    const format = "{stage} [{bar}] {percentage}% {amount}";
    display.#makeBar = () =>
      new cliProgress.SingleBar({
        format,
        stream: process.stderr,
        hideCursor: true,
        clearOnComplete: true,
        barsize: 30,
        barCompleteChar: "#",
        barIncompleteChar: "-",
        gracefulExit: false,
      });
    return display;
  }

  /** Takes a report, and what else is to be shown; give it as `onProgress`. */
  readonly report = (progress: Progress, details = ""): void => {
    if (this.#makeBar === undefined) return;
    const total = progress.total ?? progress.completed;
    if (progress.stage !== this.#stage || this.#bar === undefined) {
      this.#bar?.stop();
      this.#stage = progress.stage;
      this.#bar = this.#makeBar();
      this.#bar.start(total, 0, { stage: progress.stage, amount: "" });
    }
    this.#bar.setTotal(total);
    const amount = amountOf(progress) + details;
    this.#bar.update(progress.completed, { stage: progress.stage, amount });
  };

  /** Removes the bar, so that other text can be written. */
  clear(): void {
    this.#bar?.stop();
    this.#bar = undefined;
    this.#stage = "";
  }

  /** Removes the bar. */
  [Symbol.dispose](): void {
    this.clear();
  }
}

function amountOf({ completed, total, unit }: Progress): string {
  const show = (count: number) => unit === "bytes" ? formatBytes(count) : `${count}`;
  const end = total === undefined ? "" : ` of ${show(total)}`;
  return `${show(completed)}${end}${unit === "bytes" ? "" : ` ${unit}`}`;
}
