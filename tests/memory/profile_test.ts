import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { add, linear, pool, profile, scope, softmax, Tensor, Workspace } from "@quern/quern";
import { callSite, captureOrigin } from "../../lib/memory/call_site.ts";
import { observer } from "../../lib/memory/observer.ts";
import { withoutLeaks, withoutLeaksAsync } from "../support/native.ts";

const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 1));

Deno.test(
  "profile() counts allocations, bytes, the peak and what remains",
  withoutLeaks(() => {
    const report = profile(() => {
      using x = Tensor.ones([8, 8]);
      {
        using _y = add(x, x);
        using _z = add(x, x);
      }
      return softmax(x);
    });
    assertEquals([report.allocations, report.bytes], [4, 1024]);
    assertEquals(report.peakBytes, 768);
    assertEquals([report.remaining, report.remainingBytes], [1, 256]);
    assertEquals(report.value.shape, [8, 8]);
    report.value.dispose();
    assertEquals(report.remaining, 1);
  }),
);

Deno.test(
  "profile() tells operations apart, the most bytes first",
  withoutLeaks(() => {
    const { byOperation } = profile(() => {
      using x = Tensor.ones([4, 8]);
      using y = linear(x, x);
      using _z = softmax(y);
      for (let i = 0; i < 3; i++) add(x, x).dispose();
      using workspace = new Workspace();
      workspace.zeros("w", [2]);
      workspace.get("v", [1]);
      using _buffer = pool.rent(7);
    });
    assertEquals(byOperation.map(({ name, allocations, bytes }) => [name, allocations, bytes]), [
      ["linear", 2, 64 + 16 * 8 * 4], // the result, and the weight packed: one stripe of 16
      ["add", 3, 384],
      ["Tensor.ones", 1, 128],
      ["softmax", 1, 64],
      ["Pool.rent", 1, 28],
      ["Workspace.zeros", 1, 8],
      ["Workspace.get", 1, 4],
    ]);
  }),
);

Deno.test(
  "profile() tells lines of source apart, with the peak of each",
  withoutLeaks(() => {
    const { byLine } = profile(() => {
      const hold: Tensor[] = [];
      for (let i = 0; i < 4; i++) hold.push(Tensor.empty([64]));
      for (const tensor of hold) tensor.dispose();
      for (let i = 0; i < 4; i++) Tensor.empty([16]).dispose();
    });
    assertEquals(byLine.length, 2);
    const [held, passing] = byLine;
    assertEquals([held.allocations, held.bytes, held.peakBytes], [4, 1024, 1024]);
    assertEquals([passing.allocations, passing.bytes, passing.peakBytes], [4, 256, 64]);
    assertMatch(held.location, /tests.memory.profile_test\.ts:\d+:\d+$/);
    const lineOf = ({ location }: { location: string }) => Number(location.split(":").at(-2));
    assertEquals(lineOf(passing) - lineOf(held), 2);
  }),
);

Deno.test(
  "profile() follows an asynchronous function, and nothing beside it",
  withoutLeaksAsync(async () => {
    const work = async () => {
      using x = Tensor.ones([4]);
      await pause();
      add(x, x).dispose();
    };
    const running = profile(work);
    using _other = Tensor.ones([100]);
    const report = await running;
    assertEquals([report.allocations, report.bytes, report.remaining], [2, 32, 0]);
    assertEquals(report.byOperation.map((use) => use.name), ["Tensor.ones", "add"]);
  }),
);

Deno.test(
  "profile() keeps profiles that run at the same time apart",
  withoutLeaksAsync(async () => {
    const work = (size: number) =>
      profile(async () => {
        for (let i = 0; i < 3; i++) {
          using _x = Tensor.ones([size]);
          await pause();
        }
      });
    const reports = await Promise.all([work(1), work(10), work(100)]);
    assertEquals(reports.map((report) => [report.allocations, report.bytes]), [
      [3, 12],
      [3, 120],
      [3, 1200],
    ]);
  }),
);

Deno.test(
  "profile() counts what a profile inside it allocates",
  withoutLeaks(() => {
    const outer = profile(() => {
      Tensor.ones([1]).dispose();
      const inner = profile(() => Tensor.ones([10]).dispose());
      Tensor.ones([100]).dispose();
      return inner;
    });
    assertEquals([outer.allocations, outer.bytes], [3, 444]);
    assertEquals([outer.value.allocations, outer.value.bytes], [1, 40]);
  }),
);

Deno.test(
  "profile() sees memory that others give back later",
  withoutLeaks(() => {
    const outer = profile(() => {
      const inner = profile(() => Tensor.ones([4]));
      inner.value.dispose();
      return inner;
    });
    assertEquals([outer.remaining, outer.value.remaining], [0, 1]);
  }),
);

Deno.test(
  "profile() works inside scopes, and scopes inside it",
  withoutLeaks(() => {
    using y = scope(() => {
      const report = profile(() =>
        scope(() => {
          const x = Tensor.ones([4]);
          return add(x, x);
        })
      );
      assertEquals([report.allocations, report.remaining], [2, 1]);
      return report.value;
    });
    assertEquals(y.toArray(), [2, 2, 2, 2]);
  }),
);

Deno.test("profile() passes on what the function throws, and ends", async () => {
  const before = observer;
  assertThrows(
    () =>
      profile(() => {
        throw new RangeError("in between");
      }),
    RangeError,
    "in between",
  );
  await assertRejects(
    () => profile(() => Promise.reject(new RangeError("later"))),
    RangeError,
    "later",
  );
  assertStrictEquals(observer, before);
});

Deno.test("profile() listens no longer than its function runs", async () => {
  const before = observer;
  const running = profile(async () => {
    await pause();
  });
  assertNotEquals(observer, before);
  await running;
  assertStrictEquals(observer, before);
});

Deno.test("A profile of nothing is one line", () => {
  const report = profile(() => 3);
  assertEquals(report.value, 3);
  assertEquals(
    Deno.inspect(report),
    "Profile of 0 allocations, 0 B: peak 0 B, 0 remaining (0 B), 0 from new memory",
  );
});

Deno.test(
  "A profile is shown as two tables, lines without their common folder",
  withoutLeaks(() => {
    const report = profile(() => {
      using x = Tensor.ones([256]);
      using _y = add(x, x);
    });
    const lines = Deno.inspect(report).split("\n");
    assertMatch(lines[0], /^Profile of 2 allocations, 2\.00 KiB: peak 2\.00 KiB, 0 remaining/);
    assertEquals(lines[1], "  operation    allocations     bytes");
    assertEquals(lines[2], "  Tensor.ones            1  1.00 KiB");
    assertEquals(lines[3], "  add                    1  1.00 KiB");
    assertMatch(lines[4], /^ {2}line +allocations +bytes +peak$/);
    assertMatch(lines[5], /^ {2}profile_test\.ts:\d+:\d+ +1 +1\.00 KiB +1\.00 KiB$/);
    assertMatch(lines[7], /^ {2}\(lines are in .*tests.memory.\)$/);
  }),
);

Deno.test(
  "A profile shows at most twelve rows of each table",
  withoutLeaks(() => {
    const make = Array.from(
      { length: 15 },
      (_, i) =>
        new Function("Tensor", `Tensor.empty([${i + 1}]).dispose()\n//# sourceURL=m${i}.js`),
    );
    const report = profile(() => make.forEach((each) => each(Tensor)));
    assertEquals(report.byLine.length, 15);
    assert(Deno.inspect(report).includes("… and 3 more"));
  }),
);

Deno.test("A profile can be turned into JSON", () => {
  const report = profile(() => Tensor.ones([2]).dispose());
  const { allocations, byOperation } = JSON.parse(JSON.stringify(report));
  assertEquals(allocations, 1);
  assertEquals(byOperation, [{ name: "Tensor.ones", allocations: 1, bytes: 8 }]);
});

Deno.test("callSite() gives the line outside the library, and no operation there", () => {
  const site = callSite();
  assertMatch(site.location, /profile_test\.ts:\d+:\d+$/);
  assertEquals(site.operation, undefined);
  assertMatch(captureOrigin(), /^[^ ]*profile_test\.ts:\d+:\d+$/);
});

Deno.test("callSite() leaves the ways in which errors show their stacks alone", () => {
  const before = [Error.prepareStackTrace, Error.stackTraceLimit];
  callSite();
  assertEquals([Error.prepareStackTrace, Error.stackTraceLimit], before);
  assertMatch(new Error("x").stack ?? "", /at .*profile_test\.ts/);
});
