/**
 * The `quern` command, in a checkout:
 *
 * ```sh
 * deno task quern generate --model smollm2 --prompt "The mill stood by the river."
 * ```
 *
 * Results go to standard output, everything else to standard error. The exit
 * status is 0 when the work is done, 1 when it failed, 2 for wrong usage and 130
 * after Ctrl-C; a closed standard output ends the command quietly with 0.
 *
 * @module
 */

import { type Command, commandHelp, generalHelp } from "./command.ts";
import { errorReport, ExitStatus, exitStatusOf, InterruptedError, UsageError } from "./errors.ts";
import { COMMON_OPTIONS, nearest, parseOptions } from "./options.ts";
import { writeLog, writeOut } from "./output.ts";
import { VERSION } from "./version.ts";

/** The commands, in the order of the help; each is loaded only when it runs. */
const COMMANDS: Readonly<Record<string, () => Promise<{ command: Command }>>> = {
  generate: () => import("./commands/generate.ts"),
  chat: () => import("./commands/chat.ts"),
  pull: () => import("./commands/pull.ts"),
  info: () => import("./commands/info.ts"),
  inspect: () => import("./commands/inspect.ts"),
  tokenize: () => import("./commands/tokenize.ts"),
  embed: () => import("./commands/embed.ts"),
  search: () => import("./commands/search.ts"),
  logits: () => import("./commands/logits.ts"),
  perplexity: () => import("./commands/perplexity.ts"),
  train: () => import("./commands/train.ts"),
  quantize: () => import("./commands/quantize.ts"),
  bench: () => import("./commands/bench.ts"),
};

/**
 * Runs the command.
 *
 * @param args the arguments, without the program's name
 * @returns the exit status
 *
 * @example
 * ```ts
 * import { main } from "@quern/quern/cli";
 *
 * const status = await main(["--version"]);
 * console.log(status); // 0
 * ```
 */
export async function main(args: readonly string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (error) {
    const report = errorReport(error);
    if (report !== undefined) writeLog(report);
    return exitStatusOf(error);
  }
}

async function dispatch(args: readonly string[]): Promise<number> {
  const { name, rest } = splitArguments(args);
  if (name === undefined || name === "help") return await showHelp(rest);
  const command = await loadCommand(name);
  const table = { ...command.options, ...COMMON_OPTIONS };
  if (rest.includes("--help") || rest.includes("-h")) {
    writeOut(commandHelp(command));
    return ExitStatus.done;
  }
  try {
    const options = parseOptions(rest, table);
    checkPositionals(command, options.positionals);
    return await command.run(options) ?? ExitStatus.done;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${name}: ${error.message}`, { cause: error });
  }
}

/** The command's name is the first argument that is no option; common options may stand before it. */
function splitArguments(args: readonly string[]): { name: string | undefined; rest: string[] } {
  for (let i = 0; i < args.length; i++) {
    if (!args[i].startsWith("-")) {
      return { name: args[i], rest: [...args.slice(0, i), ...args.slice(i + 1)] };
    }
    const option = Object.hasOwn(COMMON_OPTIONS, args[i].slice(2))
      ? COMMON_OPTIONS[args[i].slice(2)]
      : undefined;
    if (option !== undefined && option.type !== "flag") i++;
  }
  return { name: undefined, rest: [...args] };
}

async function showHelp(rest: readonly string[]): Promise<number> {
  if (rest.includes("--version") || rest.includes("-V")) {
    writeOut(`quern ${VERSION}\n`);
    return ExitStatus.done;
  }
  const options = parseOptions(rest, COMMON_OPTIONS);
  const [topic] = options.positionals;
  if (topic !== undefined) {
    writeOut(commandHelp(await loadCommand(topic)));
    return ExitStatus.done;
  }
  const commands = await Promise.all(Object.keys(COMMANDS).map(loadCommand));
  const help = generalHelp(commands.map(({ name, summary }) => [name, summary] as const));
  const asked = options.flag("help") || rest.length === 0;
  if (!asked) throw new UsageError("a command is needed; quern --help lists them");
  writeOut(help);
  return ExitStatus.done;
}

async function loadCommand(name: string): Promise<Command> {
  if (Object.hasOwn(COMMANDS, name)) return (await COMMANDS[name]()).command;
  const near = nearest(name, Object.keys(COMMANDS));
  const hint = near === undefined ? "quern --help lists them" : `did you mean ${near}?`;
  throw new UsageError(`there is no command ${JSON.stringify(name)}; ${hint}`);
}

function checkPositionals(command: Command, positionals: readonly string[]): void {
  const { min, max } = command.positionals;
  const usage = `the usage is: quern ${command.name} ${command.usage}`;
  if (positionals.length < min) throw new UsageError(`an argument is missing; ${usage}`);
  if (positionals.length > max) {
    throw new UsageError(`unexpected argument ${JSON.stringify(positionals[max])}; ${usage}`);
  }
}

/** A rejection that nobody waits for must not print a stack either. */
function reportUnhandled(event: PromiseRejectionEvent): void {
  event.preventDefault();
  const report = errorReport(event.reason);
  if (report !== undefined) writeLog(report);
  Deno.exit(event.reason instanceof InterruptedError ? ExitStatus.interrupted : ExitStatus.failed);
}

if (import.meta.main) {
  globalThis.addEventListener("unhandledrejection", reportUnhandled);
  Deno.exit(await main(Deno.args));
}
