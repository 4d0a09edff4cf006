/**
 * Streams of many lines: the process stays as large as it was.
 */
import { assert, assertEquals } from "@std/assert";
import "../../support/native.ts";
import { withFolder } from "../../support/folder.ts";
import { encoderReferences } from "../../support/small_encoder.ts";
import { writeSmallModel } from "../../support/small_folder.ts";
import { startQuern } from "../cli/run_command.ts";

const mebibyte = 2 ** 20;
/** What a garbage collector may leave lying about for a while; the texts are twice as much. */
const slack = 128 * mebibyte;

Deno.test("embedStream() takes no more memory for forty thousand texts than for ten thousand", async () => {
  await withFolder(async (folder) => {
    await writeSmallModel(`${folder}/model`, encoderReferences.bert);
    const program = new URL("./stream_program.ts", import.meta.url).pathname;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "-A", program, `${folder}/model`, "40000"],
      stderr: "inherit",
    }).output();
    const { given, sizes } = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals([given, sizes.length], [40_000, 20]);
    const [early, late] = [Math.max(...sizes.slice(0, 5)), Math.max(...sizes.slice(5))];
    assert(late < early + slack, `${early / mebibyte} MiB, then ${late / mebibyte} MiB`);
  });
});

Deno.test({
  name: "quern embed takes no more memory for forty thousand lines than for ten thousand",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await withFolder(async (folder) => {
      await writeSmallModel(`${folder}/model`, encoderReferences.bert);
      const child = startQuern(["embed", "--model", `${folder}/model`], { input: "" });
      const writer = child.stdin.getWriter();
      const writing = (async () => {
        const some = new TextEncoder().encode(
          "the mill , a cafe\nmills !\n\nmill mill\n".repeat(250),
        );
        for (let i = 0; i < 40; i++) await writer.write(some);
        await writer.close();
      })();
      const sizes: number[] = [];
      let lines = 0;
      for await (const chunk of child.stdout) {
        for (const byte of chunk) if (byte === 10) lines++;
        if (lines >= 2000 * (sizes.length + 1) && lines < 40_000) {
          sizes.push(residentBytes(child.pid));
        }
      }
      await writing;
      assertEquals([lines, (await child.status).code], [40_000, 0]);
      await child.stderr.cancel();
      const [early, late] = [Math.max(...sizes.slice(0, 5)), Math.max(...sizes.slice(5))];
      assert(sizes.length > 10);
      assert(late < early + slack, `${early / mebibyte} MiB, then ${late / mebibyte} MiB`);
    });
  },
});

Deno.test({
  name: "Ctrl-C ends quern embed while it waits for a line that does not come",
  ignore: Deno.build.os === "windows",
  async fn() {
    await withFolder(async (folder) => {
      await writeSmallModel(`${folder}/model`, encoderReferences.bert);
      const child = startQuern(["embed", "--model", `${folder}/model`], { input: "" });
      const writer = child.stdin.getWriter();
      // As many as are embedded together, so that the command is certainly waiting afterwards.
      await writer.write(new TextEncoder().encode("mill\n".repeat(256)));
      let lines = 0;
      for await (const chunk of child.stdout) {
        for (const byte of chunk) if (byte === 10) lines++;
        if (lines === 256) child.kill("SIGINT");
      }
      assertEquals((await child.status).code, 130);
      await writer.close().catch(() => {});
      await child.stderr.cancel();
    });
  },
});

function residentBytes(pid: number): number {
  const [, pages] = Deno.readTextFileSync(`/proc/${pid}/statm`).split(" ");
  return Number(pages) * 4096;
}
