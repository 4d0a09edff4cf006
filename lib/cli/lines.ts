/**
 * Text that arrives in pieces, line by line.
 *
 * @module
 */

/**
 * Cuts text at line breaks, `\n` or `\r\n`. What follows the last of them is a line too,
 * unless it is empty, or text without a line break is left out.
 */
export function splitLines(
  options: { readonly wholeOnly?: boolean } = {},
): TransformStream<string, string> {
  let rest = "";
  const clean = (line: string) => line.endsWith("\r") ? line.slice(0, -1) : line;
  return new TransformStream({
    transform(chunk, controller) {
      // Only what is new is looked through: a line may come in many pieces.
      const lines = chunk.split("\n");
      lines[0] = rest + lines[0];
      rest = lines.pop() ?? "";
      for (const line of lines) controller.enqueue(clean(line));
    },
    flush(controller) {
      if (rest !== "" && !options.wholeOnly) controller.enqueue(clean(rest));
    },
  });
}
