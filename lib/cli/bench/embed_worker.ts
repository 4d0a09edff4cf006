/**
 * Quern as a contender of `bench embed`, a process as its peers are:
 *
 *     deno run -A embed_worker.ts MODEL THREADS PRECISION
 *
 * The first line that it writes is `{ version, firstNs }`, the time from here, before
 * anything is imported, to the first vector. Then each line `{ texts, batch, repeat }` on
 * standard input is answered by `{ ns, sample }`: the time of one of `repeat` times that
 * the texts' vectors are computed, and the vector of the first. `batch` is for contenders
 * that cut the texts into batches of a number of texts.
 *
 * @module
 */

if (import.meta.main) await serve();

async function serve(): Promise<void> {
  const started = performance.now();
  const { Embedder } = await import("../../runtime/mod.ts");
  const { setThreads } = await import("../../ffi/mod.ts");
  const [model, threads, precision] = Deno.args;
  setThreads(Number(threads));
  using embedder = await Embedder.load(model, { precision: precision as "exact" | "fast" });
  await embedder.embed(["The mill stood by the river."]);
  const firstNs = (performance.now() - started) * 1e6;

  const { splitLines } = await import("../lines.ts");
  const { VERSION } = await import("../version.ts");
  console.log(JSON.stringify({ version: VERSION, firstNs }));

  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(splitLines());
  for await (const line of lines) {
    const { texts, repeat } = JSON.parse(line);
    const began = performance.now();
    let vectors = await embedder.embed(texts);
    for (let i = 1; i < repeat; i++) vectors = await embedder.embed(texts);
    const ns = (performance.now() - began) * 1e6 / repeat;
    console.log(JSON.stringify({ ns, sample: Array.from(vectors.row(0)) }));
  }
}
