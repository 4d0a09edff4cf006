/**
 * Attention against PyTorch's figures, and what its options and layouts have in common.
 */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { withoutLeaks } from "../support/native.ts";
import { attention, type AttentionOptions, cast } from "../../lib/ops/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { type Floats, i } from "./cases.ts";

const [tokens, keys, heads, keyHeads, headSize] = [3, 5, 4, 2, 4];

function waves(shape: number[], wave: (index: number) => number): Floats {
  const tensor = Tensor.empty(shape);
  tensor.data.set(tensor.data.map((_, index) => wave(index)));
  return tensor;
}

/** Queries, keys and values that a formula gives, as in the program that made the figures. */
function operands(): [q: Floats, k: Floats, v: Floats] {
  return [
    waves([tokens, heads, headSize], (n) => Math.sin(0.7 * n)),
    waves([keys, keyHeads, headSize], (n) => Math.cos(0.4 * n)),
    waves([keys, keyHeads, headSize], (n) => Math.sin(1.1 * n + 1)),
  ];
}

/** A mask of bool for the position of a query and of a key. */
function boolMask(keep: (query: number, key: number) => boolean): Tensor<"bool"> {
  return Tensor.from(
    Array.from(
      { length: tokens },
      (_, t) => Array.from({ length: keys }, (_, j) => keep(t + keys - tokens, j)),
    ),
    "bool",
  );
}

const bias = () => waves([heads, tokens, keys], (n) => Math.sin(0.3 * n));

/**
 * `scaled_dot_product_attention(q, k, v, enable_gqa=True, attn_mask=…, scale=…)` of PyTorch
 * 2.15 in float64 on these operands: the first element of each head, token by token.
 */
const figures: [name: string, options: () => AttentionOptions, expected: number[]][] = [
  ["no options", () => ({}), [
    ...[-0.0224065, 0.0177111, 0.3789564, -0.2208507, 0.1100667, -0.0877163],
    ...[-0.2114026, 0.3889637, 0.1026038, -0.0260222, -0.3361294, 0.3971599],
  ]],
  ["a scale", () => ({ scale: 1.5 }), [
    ...[0.072302, 0.0522324, 0.6619704, -0.4461212, 0.2040276, -0.0909801],
    ...[-0.3082388, 0.6137921, 0.1079739, 0.0720686, -0.4100139, 0.6637715],
  ]],
  ["causal", () => ({ causal: true }), [
    ...[0.2562783, -0.0732109, 0.4049448, -0.5045611, 0.2253538, 0.2886767],
    ...[-0.4081937, 0.4003467, 0.1026038, -0.0260222, -0.3361294, 0.3971599],
  ]],
  ["a causal window", () => ({ causal: true, window: 2 }), [
    ...[-0.2700165, -0.3294438, 0.6367123, -0.3073175, 0.5545976, -0.1024082],
    ...[-0.5495224, 0.1750875, 0.5046515, -0.6216427, 0.2558923, 0.3500142],
  ]],
  ["a window around each query", () => ({ window: 3 }), [
    ...[-0.0858679, 0.0911038, 0.5199542, -0.1481058, 0.2879951, -0.5089736],
    ...[-0.1874784, 0.1831344, 0.5046515, -0.6216427, 0.2558923, 0.3500142],
  ]],
  ["a number of keys", () => ({ keyTokens: 3 }), [
    ...[0.2562783, -0.0732109, 0.4049448, -0.5045611, -0.1309155, 0.2521871],
    ...[-0.5201018, 0.4200283, -0.2323502, 0.2627306, -0.6721439, 0.4371805],
  ]],
  ["a mask of bool", () => ({ mask: boolMask((t, j) => (t + 2 * j) % 3 !== 0) }), [
    ...[0.0670747, 0.0600602, 0.4988737, -0.0005657, -0.4549766, -0.5975868],
    ...[-0.08744, 0.6055527, 0.6532347, 0.371605, -0.7237953, 0.0092869],
  ]],
  ["a bias", () => ({ mask: bias() }), [
    ...[-0.2348177, -0.0132613, 0.3809599, -0.2198176, 0.0964796, -0.3508192],
    ...[-0.1889426, 0.3929698, 0.0427045, 0.0291843, -0.1705992, 0.3886083],
  ]],
  ["causal with a bias", () => ({ causal: true, mask: bias() }), [
    ...[0.1207044, -0.0725268, 0.3934405, -0.4974634, 0.1706262, 0.1837653],
    ...[-0.4128561, 0.3989927, 0.0427045, 0.0291843, -0.1705992, 0.3886083],
  ]],
];

for (const [name, make, expected] of figures) {
  Deno.test(
    `attention() with ${name} gives PyTorch's figures`,
    withoutLeaks(() => {
      const [q, k, v] = operands();
      const options = make();
      using y = attention(q, k, v, options);
      for (let n = 0; n < expected.length; n++) {
        assertAlmostEquals(y.data[n * headSize], expected[n], 1e-6);
      }
      for (const tensor of [q, k, v, options.mask]) tensor?.dispose();
    }),
  );
}

Deno.test(
  "attention() gives PyTorch's figures in float64, and in halves as far as those go",
  withoutLeaks(() => {
    const tolerances = [["float64", 1e-7], ["float16", 2e-3], ["bfloat16", 2e-2]] as const;
    for (const [dtype, tolerance] of tolerances) {
      for (const [name, make, expected] of figures) {
        const [q, k, v] = operands();
        const options = make();
        const parts = [q, k, v].map((tensor) => cast(tensor, dtype));
        const { mask } = options;
        const ownMask = mask?.dtype === "float32" ? cast(mask, dtype) : mask;
        const [ownQ, ownK, ownV] = parts;
        using y = attention(ownQ, ownK, ownV, { ...options, mask: ownMask } as object);
        assertEquals(y.dtype, dtype);
        using exact = cast(y, "float64");
        for (let n = 0; n < expected.length; n++) {
          assertAlmostEquals(exact.data[n * headSize], expected[n], tolerance, name);
        }
        for (const tensor of [q, k, v, mask, ...parts]) tensor?.dispose();
        if (ownMask !== mask) ownMask?.dispose();
      }
    }
  }),
);

/** The bits of results that should be equal. */
function assertSame(a: Floats, b: Floats): void {
  assertEquals(a.shape, b.shape);
  assertEquals(a.data, b.data);
}

Deno.test(
  "attention() reads heads first, parts of one projection and odd strides with the same bits",
  withoutLeaks(() => {
    const [length, channels] = [70, 3 * 2 * 8];
    using fused = Tensor.randn([length, channels], { seed: 4 });
    const parts = [0, 1, 2].map((part) => {
      using columns = fused.slice(part * 16, part * 16 + 16, { axis: 1 });
      return columns.reshape([length, 2, 8]);
    });
    const dense = parts.map((part) => part.clone());
    using expected = attention(dense[0], dense[1], dense[2], { causal: true });
    using inPlace = attention(parts[0], parts[1], parts[2], { causal: true });
    assertSame(inPlace, expected);
    for (const order of [[1, 0, 2], [2, 1, 0], [0, 2, 1]]) {
      const turned = dense.map((part) => {
        using moved = part.transpose(...order);
        using copy = moved.clone();
        const back = [0, 1, 2].map((axis) => order.indexOf(axis));
        return copy.transpose(...back);
      });
      using y = attention(turned[0], turned[1], turned[2], { causal: true });
      assertSame(y, expected);
      for (const tensor of turned) tensor.dispose();
    }
    for (const tensor of [...parts, ...dense]) tensor.dispose();
  }),
);

Deno.test(
  "attention() treats each sequence of a batch as if it were alone, with broadcast keys too",
  withoutLeaks(() => {
    using q = Tensor.randn([2, 3, 5, 4, 8], { seed: 1 });
    using k = Tensor.randn([3, 6, 2, 8], { seed: 2 });
    using v = Tensor.randn([3, 6, 2, 8], { seed: 3 });
    using mask = Tensor.randn([2, 1, 1, 5, 6], { seed: 4 });
    using keyTokens = Tensor.from([[6, 5, 0], [1, 2, 3]], "int32");
    using y = attention(q, k, v, { mask, keyTokens });
    for (let a = 0; a < 2; a++) {
      for (let b = 0; b < 3; b++) {
        const pick = (x: Floats, at: number, shape: number[]) => {
          using rows = x.reshape([-1, ...shape]);
          using row = rows.slice(at, at + 1);
          return row.reshape(shape);
        };
        using oneQ = pick(q, 3 * a + b, [5, 4, 8]);
        using oneK = pick(k, b, [6, 2, 8]);
        using oneV = pick(v, b, [6, 2, 8]);
        using oneMask = pick(mask, a, [5, 6]);
        const used = keyTokens.get(a, b);
        using alone = attention(oneQ, oneK, oneV, { mask: oneMask, keyTokens: used });
        using one = pick(y, 3 * a + b, [5, 4, 8]);
        assertSame(one, alone);
      }
    }
  }),
);

Deno.test(
  "attention() keeps segments apart and gives each the bits it has alone",
  withoutLeaks(() => {
    using q = Tensor.randn([40, 4, 16], { seed: 1 });
    using k = Tensor.randn([40, 2, 16], { seed: 2 });
    using v = Tensor.randn([40, 2, 16], { seed: 3 });
    const offsets = [0, 1, 1, 18, 40];
    using segments = i(offsets);
    for (const causal of [false, true]) {
      using y = attention(q, k, v, { segments, causal });
      for (let n = 0; n + 1 < offsets.length; n++) {
        const [begin, end] = [offsets[n], offsets[n + 1]];
        using part = q.slice(begin, end);
        using partK = k.slice(begin, end);
        using partV = v.slice(begin, end);
        using alone = attention(part, partK, partV, { causal });
        assertEquals(y.data.slice(begin * 64, end * 64), alone.data.slice());
      }
    }
  }),
);

Deno.test(
  "attention() broadcasts a mask over keys, queries and heads",
  withoutLeaks(() => {
    const [q, k, v] = operands();
    using rows = Tensor.from([[true], [false], [true]], "bool");
    using wide = boolMask((t) => t !== keys - tokens + 1);
    using narrow = attention(q, k, v, { mask: rows });
    using expected = attention(q, k, v, { mask: wide });
    assertSame(narrow, expected);
    assertEquals(narrow.data.slice(16, 32), new Float32Array(16));
    using added = Tensor.from([[0.5], [-1], [2]]);
    using shifted = attention(q, k, v, { mask: added });
    using plain = attention(q, k, v);
    shifted.data.forEach((value, at) => assertAlmostEquals(value, plain.data[at], 1e-6));
    for (const tensor of [q, k, v]) tensor.dispose();
  }),
);

Deno.test(
  "attention() gives 0 where a query sees no key, and does not look at keys left out",
  withoutLeaks(() => {
    const [q, k, v] = operands();
    using clean = attention(q, k, v, { keyTokens: 3 });
    for (const poison of [NaN, Infinity, -Infinity]) {
      k.data.fill(poison, 3 * keyHeads * headSize);
      v.data.fill(poison, 3 * keyHeads * headSize);
      using y = attention(q, k, v, { keyTokens: 3 });
      assertSame(y, clean);
      using mask = boolMask((_, j) => j < 3);
      using masked = attention(q, k, v, { mask });
      assertSame(masked, clean);
      using nothing = boolMask((t, j) => t !== 3 && j < 3);
      using some = attention(q, k, v, { mask: nothing });
      assertEquals(some.data.slice(16, 32), new Float32Array(16));
      assertEquals(some.data.slice(0, 16), clean.data.slice(0, 16));
      using seen = attention(q, k, v);
      assert(seen.data.every(Number.isNaN));
    }
    using none = attention(q, k, v, { keyTokens: 0 });
    assertEquals(none.data.slice(), new Float32Array(none.data.length));
    for (const tensor of [q, k, v]) tensor.dispose();
  }),
);

Deno.test(
  "attention() refuses options that do not fit, and leaks nothing",
  withoutLeaks(() => {
    const [q, k, v] = operands();
    using batch = Tensor.zeros([2, tokens, heads, headSize]);
    using wrong = Tensor.zeros([3, keys, keyHeads, headSize]);
    using mask = Tensor.zeros([2, keys]);
    using two = i([1, 2]);
    using one = i([0]);
    using far = i([0, 1, 9]);
    using end = i([0, 3]);
    using lengths = i([6, 1]);
    const refused: [() => unknown, string][] = [
      [() => attention(batch, wrong, wrong), "attention: q [2, 3, 4, 4] is"],
      [() => attention(q, k, q), "attention: q [3, 4, 4] is […, tokens"],
      [() => attention(q, k, v, { window: 0 }), "attention: window is an integer from 1"],
      [() => attention(q, k, v, { window: 1.5 }), "attention: window is"],
      [() => attention(q, k, v, { scale: NaN }), "attention: scale is a finite number"],
      [() => attention(q, k, v, { keyTokens: 6 }), "attention: keyTokens is an integer from 0"],
      [() => attention(q, k, v, { keyTokens: 2, causal: true }), "attention: causal needs"],
      [() => attention(q, k, v, { keyTokens: two }), "attention: keyTokens is [2], and"],
      [() => attention(batch, k, v, { keyTokens: lengths }), "attention: "],
      [() => attention(q, k, v, { mask }), "attention: mask [2, 5] does not broadcast to"],
      [() => attention(q, k, v, { segments: end }), "attention: segments [2] are two"],
      [() => attention(q, q, q, { segments: one }), "attention: segments [1] are two"],
      [() => attention(q, q, q, { segments: far }), "attention: "],
      [() => attention(q, q, q, { segments: two }), "attention: "],
      [() => attention(q, q, q, { segments: end, keyTokens: 3 }), "leave keyTokens out"],
    ];
    for (const [call, words] of refused) assertThrows(call, RangeError, words);
    using halves = Tensor.zeros([tokens, keys], "float16");
    assertThrows(
      () => attention(q, k, v, { mask: halves as unknown as Floats }),
      TypeError,
      "attention: mask is float16, expected float32, bool or int32",
    );
    using bias = Tensor.zeros([tokens, heads, headSize]);
    using square = bias.reshape([heads, tokens, headSize]);
    using four = Tensor.zeros([4, keyHeads, headSize]);
    assertThrows(
      () => attention(q, four, four, { mask: square, out: bias }),
      RangeError,
      "attention: out must not be mask",
    );
    for (const tensor of [q, k, v]) tensor.dispose();
  }),
);
