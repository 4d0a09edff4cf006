/**
 * Where in a program memory is asked for: the operation that needs it, and the
 * line of user code that called that operation.
 *
 * The stack of a call into the library looks like this, innermost frame first:
 *
 *     PooledStorage       lib/memory/storage.ts  ┐
 *     Tensor.empty        lib/tensor/tensor.ts   │ frames of the library
 *     linear              lib/ops/linear.ts      ┘ ◀── operation
 *     answer              app/answer.ts:12:17      ◀── location
 *
 * Looking at a stack takes some ten microseconds, so that only profiles, leak
 * checks and debug mode do it.
 */

/** What asked for memory, and where. */
export interface CallSite {
  /** For example `linear`, `Tensor.zeros`, `Workspace.get`; absent outside the library. */
  operation?: string;
  /** `file:line:column` of the first frame outside the library. */
  location: string;
}

/** Of V8's frames, the part that is used here. */
interface Frame {
  getFileName(): string | null | undefined;
  getScriptNameOrSourceURL(): string | null | undefined;
  getLineNumber(): number | null;
  getColumnNumber(): number | null;
  getFunctionName(): string | null;
  getTypeName(): string | null;
  isConstructor(): boolean;
}

/** Deep enough for a recursion over layers, and for many callbacks in between. */
const stackDepth = 64;
/** What the URLs of the library's modules begin with. */
const libraryRoot = new URL("../", import.meta.url).href;
/** Whose outermost function is the operation: the first of these folders that is on the stack. */
const operationFolders = ["ops/", "tensor/", "memory/", ""].map((folder) => libraryRoot + folder);

/**
 * Finds out what is asking for memory.
 *
 * @returns The operation and the line of user code, as of this call.
 */
export function callSite(): CallSite {
  return siteOf(capture(callSite));
}

/**
 * Finds out what is asking for memory, in words for an error or a report.
 *
 * @returns For example `linear at /app/answer.ts:12:17`.
 */
export function captureOrigin(): string {
  return originOf(capture(captureOrigin));
}

/**
 * The same, for when the words are seldom needed: the stack is kept as the engine
 * has it, which takes a fraction of the time, and looked at when asked for.
 *
 * @returns What gives the words of `captureOrigin`, as of this call.
 */
export function deferOrigin(): () => string {
  const trace = capture(deferOrigin);
  let origin: string | undefined;
  return () => origin ??= originOf(trace);
}

/** A stack as the engine has it; it is turned into frames when `stack` is first read. */
interface Trace {
  stack?: unknown;
}

/** The stack above a function of this file. */
function capture(below: () => unknown): Trace {
  const trace: Trace = {};
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = stackDepth;
  Error.captureStackTrace(trace, below);
  Error.stackTraceLimit = stackTraceLimit;
  return trace;
}

/** The frames of a stack, innermost first. */
function framesOf(trace: Trace): Frame[] {
  const { prepareStackTrace } = Error;
  try {
    Error.prepareStackTrace = (_error, frames) => frames;
    return Array.isArray(trace.stack) ? trace.stack as Frame[] : [];
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
  }
}

function originOf(trace: Trace): string {
  const { operation, location } = siteOf(trace);
  return operation === undefined ? location : `${operation} at ${location}`;
}

function siteOf(trace: Trace): CallSite {
  const inside: { frame: Frame; url: string }[] = [];
  let shown: Frame | undefined;
  for (const frame of framesOf(trace)) {
    const url = urlOf(frame);
    if (url === "") continue;
    shown = frame;
    if (isOutside(url)) break;
    inside.push({ frame, url });
  }
  const location = shown === undefined ? "unknown" : locationOf(shown);
  const operation = operationOf(inside);
  return operation === undefined ? { location } : { operation, location };
}

function urlOf(frame: Frame): string {
  return frame.getScriptNameOrSourceURL() ?? frame.getFileName() ?? "";
}

function isOutside(url: string): boolean {
  return !url.startsWith(libraryRoot) && !url.startsWith("ext:") && !url.startsWith("node:");
}

function locationOf(frame: Frame): string {
  const file = frame.getFileName() ?? urlOf(frame);
  return `${file}:${frame.getLineNumber() ?? 0}:${frame.getColumnNumber() ?? 0}`;
}

function operationOf(inside: { frame: Frame; url: string }[]): string | undefined {
  for (const folder of operationFolders) {
    const found = inside.findLast(({ url }) => url.startsWith(folder));
    if (found !== undefined) return nameOf(found.frame);
  }
  return undefined;
}

/** A function without a name, such as that of a gradient, goes by its file's. */
function nameOf(frame: Frame): string {
  const name = frame.getFunctionName();
  if (name === null || name === "") return urlOf(frame).replace(/^.*\/|\.[^.]*$/g, "");
  if (frame.isConstructor()) return `new ${name}`;
  const type = frame.getTypeName();
  return type === null || type === "Object" || name.includes(".") ? name : `${type}.${name}`;
}
