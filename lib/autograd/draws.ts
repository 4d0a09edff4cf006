/**
 * Numbers that a function draws, such as the seed of its next dropout, which it must draw
 * once more when it runs again for its gradient.
 *
 * The first run notes what it drew, the second is given the notes. Runs may be nested: what an
 * inner one draws is noted for all around it, up to one that is given notes itself.
 */

/** A run whose draws are noted, or given. */
interface Run {
  readonly notes: number[];
  /** The place of the next note that is given; undefined while notes are taken. */
  next: number | undefined;
  readonly around: Run | undefined;
}

let innermost: Run | undefined;

/**
 * A number that changes from call to call.
 *
 * @param fresh Draws the next one.
 * @returns It, or what was drawn here before, in a function that runs again.
 */
export function draw(fresh: () => number): number {
  return drawIn(innermost, fresh);
}

function drawIn(run: Run | undefined, fresh: () => number): number {
  if (run === undefined) return fresh();
  // A second run that draws more than the first has taken another way, as its gradients show.
  if (run.next !== undefined) return run.notes[run.next++] ?? fresh();
  const value = drawIn(run.around, fresh);
  run.notes.push(value);
  return value;
}

/**
 * Runs a function, and notes what it draws.
 *
 * @param notes Where to.
 * @param fn What to run; not asynchronous.
 * @returns What the function returned.
 */
export function noting<R>(notes: number[], fn: () => R): R {
  return within({ notes, next: undefined, around: innermost }, fn);
}

/**
 * Runs a function that draws what was noted.
 *
 * @param notes What.
 * @param fn What to run; not asynchronous.
 * @returns What the function returned.
 */
export function repeating<R>(notes: number[], fn: () => R): R {
  return within({ notes, next: 0, around: innermost }, fn);
}

function within<R>(run: Run, fn: () => R): R {
  const before = innermost;
  innermost = run;
  try {
    return fn();
  } finally {
    innermost = before;
  }
}
