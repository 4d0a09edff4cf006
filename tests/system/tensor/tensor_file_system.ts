/**
 * Tensors in safetensors files: saved, mapped, and files that mean harm.
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { withFolder } from "../../support/folder.ts";
import "../../support/native.ts";
import type { PlainDType } from "../../../lib/core/dtype.ts";
import { parseSafetensors, writeSafetensors } from "../../../lib/formats/mod.ts";
import { pool, scope } from "../../../lib/memory/mod.ts";
import { linear } from "../../../lib/ops/mod.ts";
import { openTensors, saveTensors, Tensor } from "../../../lib/tensor/mod.ts";
import { assertNoLeaks } from "../../../testing.ts";

const DTYPES: readonly PlainDType[] = [
  "float32",
  "float16",
  "bfloat16",
  "float64",
  "int32",
  "int64",
  "uint8",
  "bool",
];

/** A file laid out by hand; spaces before the header's end shift the data. */
function shifted(header: string, data: Uint8Array, spaces: number): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(header + " ".repeat(spaces));
  const file = new Uint8Array(8 + text.length + data.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  file.set(data, 8 + text.length);
  return file;
}

Deno.test("openTensors() gives back what saveTensors() was given, for every dtype", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.safetensors`;
    const tensors = new Map<string, Tensor>();
    for (const dtype of DTYPES) tensors.set(dtype, Tensor.from([[0, 1, 1], [1, 0, 1]], dtype));
    tensors.set("scalar", Tensor.full([], 7));
    tensors.set("empty", Tensor.zeros([3, 0], "int64"));
    tensors.set("__proto__", Tensor.from([1.5]));
    await saveTensors(path, tensors, { metadata: { format: "pt" } });
    using file = openTensors(path);
    assertEquals(new Set(file.names), new Set(tensors.keys()));
    assertEquals(file.metadata, new Map([["format", "pt"]]));
    for (const [name, tensor] of tensors) {
      using same = file.open(name);
      assertEquals([same.dtype, same.shape], [tensor.dtype, tensor.shape]);
      assertEquals(same.toArray(), tensor.toArray());
      tensor.dispose();
    }
    assertEquals([file.shape("float16"), file.storedDType("float16")], [[2, 3], "F16"]);
    assertEquals([file.shape("none"), file.has("none"), file.has("scalar")], [
      undefined,
      false,
      true,
    ]);
  });
});

Deno.test("saveTensors() writes views in row-major order, without a temporary file left", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.safetensors`;
    using x = Tensor.from([[1, 2, 3], [4, 5, 6]]);
    using turned = x.transpose();
    using part = x.slice(1, 3, { axis: 1 });
    await saveTensors(path, { turned, part });
    assertEquals(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["a.safetensors"]);
    using file = openTensors(path);
    using first = file.open("turned");
    using second = file.open("part");
    assertEquals(first.toArray(), [[1, 4], [2, 5], [3, 6]]);
    assertEquals(second.toArray(), [[2, 3], [5, 6]]);
  });
});

Deno.test("openTensors() copies nothing, and tensors outlive the file and the path", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.safetensors`;
    using large = Tensor.randn([512, 512], { seed: 3 });
    await saveTensors(path, { large });
    const before = pool.stats();
    const file = openTensors(path);
    const mapped = file.open("large");
    const during = pool.stats();
    assertEquals(during.liveBytes, before.liveBytes);
    assertEquals(during.mappedBytes - before.mappedBytes, (await Deno.stat(path)).size);
    file.dispose();
    file.dispose();
    assert(file.disposed);
    assertEquals(pool.stats().mappedBytes, during.mappedBytes);
    await Deno.remove(path);
    assertEquals(mapped.get(511, 511), large.get(511, 511));
    const error = assertThrows(() => file.open("large"), Error, "was opened after disposal");
    assert(error.message.startsWith(path));
    mapped.dispose();
    assertEquals(pool.stats().mappedBytes, before.mappedBytes);
  });
});

Deno.test("what is written to a mapped tensor stays in this process", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.safetensors`;
    using x = Tensor.ones([4]);
    await saveTensors(path, { x });
    using file = openTensors(path);
    using mapped = file.open("x");
    using nines = Tensor.full([4], 9);
    (mapped as Tensor<"float32">).copyFrom(nines);
    assertEquals(mapped.toArray(), [9, 9, 9, 9]);
    using again = openTensors(path);
    using other = again.open("x");
    assertEquals(other.toArray(), [1, 1, 1, 1]);
  });
});

Deno.test("saveTensors() replaces a file that is mapped, and the old tensors stay", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.safetensors`;
    using one = Tensor.full([1000], 1);
    using two = Tensor.full([1000], 2);
    await saveTensors(path, { x: one });
    using file = openTensors(path);
    using mapped = file.open("x");
    await saveTensors(path, { x: two, mapped });
    using again = openTensors(path);
    using x = again.open("x");
    using kept = again.open("mapped");
    assertEquals([mapped.get(999), x.get(999), kept.get(999)], [1, 2, 1]);
  });
});

Deno.test("openTensors() gives tensors that are not aligned as copies, and they can be used", async () => {
  await withFolder(async (folder) => {
    const data = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
    const header = '{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}';
    for (let spaces = 0; spaces < 8; spaces++) {
      const path = `${folder}/${spaces}.safetensors`;
      await Deno.writeFile(path, shifted(header, data, spaces));
      using file = openTensors(path);
      using weight = file.open("w");
      using x = Tensor.from([[1, 1]]);
      using y = linear(x, weight);
      assertEquals([weight.toArray(), y.toArray()], [[[1, 2], [3, 4]], [[3, 7]]]);
    }
  });
});

Deno.test("openTensors() opens a folder: its model, its index, or its only file", async () => {
  await withFolder(async (folder) => {
    assertThrows(() => openTensors(folder), RangeError, "holds no .safetensors file");
    using a = Tensor.full([2], 1);
    using b = Tensor.full([2], 2);
    await saveTensors(`${folder}/m-1.safetensors`, { a });
    const openA = () => {
      using file = openTensors(folder);
      using tensor = file.open("a");
      return [file.names, tensor.get(0)];
    };
    assertEquals(openA(), [["a"], 1]);
    await saveTensors(`${folder}/m-2.safetensors`, { b, a: b });
    assertThrows(() => openTensors(folder), RangeError, "holds 2 files that could be meant");
    const index = `${folder}/model.safetensors.index.json`;
    await Deno.writeTextFile(
      index,
      '{"weight_map":{"b":"m-2.safetensors","a":"m-1.safetensors"}}',
    );
    assertEquals(openA(), [["b", "a"], 1]);
    using named = openTensors(index);
    using second = named.open("b");
    assertEquals(second.get(1), 2);
    await saveTensors(`${folder}/model.safetensors`, { a: b });
    assertEquals(openA(), [["a"], 2]);
  });
});

Deno.test("openTensors() refuses an index that does not fit its files, and maps nothing", async () => {
  await withFolder(async (folder) => {
    using a = Tensor.ones([2]);
    const { mappedBytes } = pool.stats();
    await saveTensors(`${folder}/m-1.safetensors`, { a });
    const index = `${folder}/model.safetensors.index.json`;
    const open = (map: string) => {
      Deno.writeTextFileSync(index, `{"weight_map":${map}}`);
      return () => openTensors(folder);
    };
    const missing = open('{"b":"m-1.safetensors"}');
    assertThrows(missing, SyntaxError, 'tensor "b" is not in m-1.safetensors');
    const absent = open('{"a":"m-1.safetensors","b":"m-2.safetensors"}');
    assertThrows(absent, Deno.errors.NotFound, "m-2.safetensors");
    assertThrows(open('{"a":"../m-1.safetensors"}'), SyntaxError, "beside the index");
    assertThrows(open("7"), SyntaxError, "weight_map is not an object");
    assertEquals(pool.stats().mappedBytes, mappedBytes);
  });
});

Deno.test("openTensors() lists what it cannot open, and says so when it is asked to", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.safetensors`;
    const bytes = writeSafetensors([
      { name: "c", dtype: "C64", shape: [1], data: new Uint8Array(8) },
      { name: "i8", dtype: "I8", shape: [2], data: new Uint8Array(2) },
      { name: "yes", dtype: "BOOL", shape: [3], data: Uint8Array.of(0, 1, 2) },
      { name: "wide", dtype: "F32", shape: [0, 2 ** 33], data: new Uint8Array() },
    ]);
    await Deno.writeFile(path, bytes);
    using file = openTensors(path);
    assertEquals(file.names.length, 4);
    assertEquals(file.storedDType("c"), "C64");
    assertThrows(() => file.open("c"), RangeError, "tensor c is stored as C64, which is not");
    assertThrows(() => file.open("i8"), RangeError, "use a file with F32, F16, BF16, F64");
    assertThrows(() => file.open("yes"), SyntaxError, "tensor yes is of bools, but holds 2");
    assertThrows(() => file.open("wide"), RangeError, "tensor wide: shape [0, 8589934592]");
    assertThrows(() => file.open("none"), RangeError, 'has no tensor "none"');
    assertThrows(() => file.open("toString"), RangeError, 'has no tensor "toString"');
  });
});

Deno.test("openTensors() refuses malformed and missing files, and leaves nothing mapped", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.safetensors`;
    assertThrows(() => openTensors(path), Deno.errors.NotFound);
    await Deno.writeFile(path, new Uint8Array());
    assertThrows(() => openTensors(path), RangeError, "is empty");
    await Deno.writeFile(path, writeSafetensors([]).subarray(0, 12));
    const { mappedBytes } = pool.stats();
    assertThrows(() => openTensors(path), SyntaxError, "inside the header");
    assertEquals(pool.stats().mappedBytes, mappedBytes);
    await Deno.writeFile(path, writeSafetensors([]));
    using file = openTensors(path);
    assertEquals(file.names, []);
  });
});

Deno.test("saveTensors() refuses what a file cannot hold, before it writes", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.safetensors`;
    await Deno.writeTextFile(path, "as it was");
    using x = Tensor.ones([32]);
    using quantised = Tensor.empty([32], "q8_0");
    const gone = Tensor.ones([1]);
    gone.dispose();
    const cases: [() => Promise<void>, string][] = [
      [
        () => saveTensors(path, { quantised }),
        '"quantised" is q8_0 [32]; a safetensors file holds',
      ],
      [() => saveTensors(path, { gone }), "gone"],
      [() => saveTensors(path, { x: 1 } as never), '"x" is no tensor'],
      [() => saveTensors(path, [["x", x], ["x", x]]), 'the tensor "x" occurs twice'],
      [() => saveTensors(path, { __metadata__: x }), "has the name of the metadata"],
      [() => saveTensors(path, { x }, { metadata: { a: 1 } as never }), "not a well-formed text"],
      [
        () => saveTensors(path, { x }, { signal: AbortSignal.abort(new Error("enough")) }),
        "enough",
      ],
    ];
    for (const [save, message] of cases) await assertRejects(save, undefined, message);
    assertEquals(await Deno.readTextFile(path), "as it was");
    await assertRejects(() => saveTensors(`${folder}/none/a`, { x }), Deno.errors.NotFound);
    assertEquals(Array.from(Deno.readDirSync(folder)).length, 1);
  });
});

Deno.test("saveTensors() that is ended leaves the old file and no other", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.safetensors`;
    using x = Tensor.ones([16, 1024, 1024], "uint8");
    using y = Tensor.ones([16, 1024, 1024], "uint8");
    await Deno.writeTextFile(path, "as it was");
    const controller = new AbortController();
    const seen: number[] = [];
    const saving = saveTensors(path, { x, y }, {
      signal: controller.signal,
      onProgress: ({ completed }) => {
        seen.push(completed);
        if (seen.length === 2) controller.abort(new Error("enough"));
      },
    });
    await assertRejects(() => saving, Error, "enough");
    assertEquals(seen.length, 2);
    assertEquals(await Deno.readTextFile(path), "as it was");
    assertEquals(Array.from(Deno.readDirSync(folder)).length, 1);
  });
});

Deno.test("saveTensors() holds memory that is disposed of meanwhile, also by a scope", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.safetensors`;
    await assertNoLeaks(async () => {
      const saving = scope(() => {
        const x = Tensor.full([1000], 5);
        const wide = Tensor.full([10, 10], 6);
        return { done: saveTensors(path, { x, turned: wide.transpose() }) };
      });
      using _noise = Tensor.full([1000], 7);
      await saving.done;
      using file = openTensors(path);
      using x = file.open("x");
      using turned = file.open("turned");
      assertEquals([x.get(999), turned.get(9, 9)], [5, 6]);
    });
  });
});

Deno.test("a file that saveTensors() writes has the layout of the format's own library", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/a.safetensors`;
    using b = Tensor.from([1, 2, 3], "uint8");
    using a = Tensor.from([1.5]);
    await saveTensors(path, { b, a });
    const bytes = await Deno.readFile(path);
    const { tensors } = parseSafetensors(bytes);
    assertEquals([...tensors.keys()], ["a", "b"]);
    const data = [
      { name: "a", dtype: "F32", shape: [1], data: new Uint8Array(Float32Array.of(1.5).buffer) },
      { name: "b", dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 3) },
    ];
    assertEquals(bytes, writeSafetensors(data));
  });
});
