/**
 * Commands that read standard input: what is in it when it ends, and Ctrl-C
 * while it does not end.
 */
import { assert, assertEquals } from "@std/assert";
import { quern, startQuern, withSmallModel } from "./run_command.ts";

Deno.test("chat answers every line of input that ended long before the answers", async () => {
  await withSmallModel(async (model) => {
    const args = ["chat", "--model", model, "--seed", "3", "--max-tokens", "8"];
    const one = await quern(args, { input: "the" });
    assertEquals([one.code, one.stderr], [0, ""]);
    assert(one.stdout.length > 1);
    const three = await quern(args, { input: "the\n/clear\nthe\n/clear\nthe\n" });
    assertEquals([three.code, three.stderr], [0, ""]);
    assertEquals(three.stdout, one.stdout.repeat(3));
  });
});

Deno.test({
  name: "Ctrl-C ends a command that waits for standard input",
  ignore: Deno.build.os === "windows",
  async fn() {
    await withSmallModel(async (model) => {
      for (const args of [["tokenize"], ["generate", "--prompt", "-"]]) {
        const child = startQuern([...args, "--model", model], { input: "" });
        const timer = setTimeout(() => child.kill("SIGINT"), 1500);
        // Without Ctrl-C neither would ever end, since the pipe stays open.
        const late = setTimeout(() => child.kill("SIGKILL"), 10_000);
        const { code, stdout } = await child.output();
        clearTimeout(timer);
        clearTimeout(late);
        await child.stdin.close().catch(() => {});
        assertEquals([args[0], code, stdout.length], [args[0], 130, 0]);
      }
    });
  },
});
