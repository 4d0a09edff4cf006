import { assert, assertEquals } from "@std/assert";
import type { Outcome } from "./thousand_workers.ts";

const WORKERS = 1000;
/** More than a few at once would only wait for each other. */
const AT_ONCE = 4;
/** What `holding_worker.ts` holds, in things and about in bytes. */
const THINGS = 10;
const WORKER_BYTES = 5 << 20;

Deno.test("1,000 workers that are ended while they hold memory leave nothing behind", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, new Uint8Array(100_000));
    const program = new URL("./thousand_workers.ts", import.meta.url).href;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-check", "-A", program, `${WORKERS}`, `${AT_ONCE}`, path],
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    const outcome: Outcome = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals(outcome.held, WORKERS * THINGS);
    assertEquals(outcome.after, outcome.before);
    assertEquals(outcome.before.isolates, 1);
    // Were it lost, it would be 5 GiB by the end. Threads that are ending overlap with new ones.
    assert(outcome.peakHeldBytes > WORKER_BYTES, `${outcome.peakHeldBytes} bytes`);
    assert(outcome.peakHeldBytes < 60 * WORKER_BYTES, `${outcome.peakHeldBytes} bytes`);
    assert(outcome.reservedBytes < 512 << 20, `${outcome.reservedBytes} bytes`);
  } finally {
    await Deno.remove(path);
  }
});
