/**
 * Embeds a stream of lines and prints how large the process was on the way: the program of
 * stream_system.ts.
 */
import { Embedder } from "../../../models.ts";

const [model, count] = [Deno.args[0], Number(Deno.args[1])];
using embedder = await Embedder.load(model);
async function* lines() {
  for (let i = 0; i < count; i++) {
    // Long, so that texts that were held would show.
    yield await Promise.resolve(`the mill ${i} ${"mills cafe a . ".repeat(500 + i % 50)}`);
  }
}
let given = 0;
const sizes: number[] = [];
for await (const vector of embedder.embedStream(lines())) {
  if (vector.length !== embedder.dimensions) throw new Error("a vector of another length");
  if (++given % 2000 === 0) sizes.push(Deno.memoryUsage().rss);
}
console.log(JSON.stringify({ given, sizes }));
