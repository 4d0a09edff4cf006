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
 * A stack costs about 10 µs, so that only profiles, leak checks and debug mode
 * look at it.
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
  const frames = capture();
  const outside = frames.findIndex(isOutside);
  const inside = outside < 0 ? frames : frames.slice(0, outside);
  const shown = frames[outside < 0 ? frames.length - 1 : outside];
  const location = shown === undefined ? "unknown" : locationOf(shown);
  const operation = operationOf(inside);
  return operation === undefined ? { location } : { operation, location };
}

/**
 * Finds out what is asking for memory, in words for an error or a report.
 *
 * @returns For example `linear at /app/answer.ts:12:17`.
 */
export function captureOrigin(): string {
  const { operation, location } = callSite();
  return operation === undefined ? location : `${operation} at ${location}`;
}

/** The frames above `callSite`, or above `captureOrigin`; native ones are left out. */
function capture(): Frame[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const target: { stack?: unknown } = {};
  try {
    Error.stackTraceLimit = stackDepth;
    Error.prepareStackTrace = (_error, frames) => frames;
    Error.captureStackTrace(target, callSite);
    // The frames are made when the property is first read.
    const frames = Array.isArray(target.stack) ? target.stack as Frame[] : [];
    return frames.filter((frame) => urlOf(frame) !== "" && urlOf(frame) !== import.meta.url);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    Error.prepareStackTrace = prepareStackTrace;
  }
}

function urlOf(frame: Frame): string {
  return frame.getScriptNameOrSourceURL() ?? frame.getFileName() ?? "";
}

function isOutside(frame: Frame): boolean {
  const url = urlOf(frame);
  return !url.startsWith(libraryRoot) && !url.startsWith("ext:") && !url.startsWith("node:");
}

function locationOf(frame: Frame): string {
  const file = frame.getFileName() ?? urlOf(frame);
  return `${file}:${frame.getLineNumber() ?? 0}:${frame.getColumnNumber() ?? 0}`;
}

function operationOf(inside: Frame[]): string | undefined {
  for (const folder of operationFolders) {
    const frame = inside.findLast((each) => urlOf(each).startsWith(folder));
    if (frame !== undefined) return nameOf(frame);
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
