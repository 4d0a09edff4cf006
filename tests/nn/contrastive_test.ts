/**
 * The loss of pairs in a batch against PyTorch's figures, and what it is made of.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { assertClose, withoutLeaks } from "../support/native.ts";
import { meanPooling, multipleNegativesRanking, normalizeRows } from "../../lib/nn/mod.ts";
import { Tensor } from "../../lib/tensor/mod.ts";
import { rankingFigures } from "./ranking_figures.ts";
import { filled, flat } from "./support.ts";

const input = (shape: number[], k: number) => filled(shape, (i) => ((i * 5 + 2 * k) % 13 - 6) / 4);

Deno.test(
  "multipleNegativesRanking() is PyTorch's cross-entropy of cosines, with its gradients",
  withoutLeaks(() => {
    for (const [name, figure] of Object.entries(rankingFigures)) {
      const isMore = name.startsWith("negatives");
      using anchors = input([3, 4], 1);
      using candidates = input([isMore ? 5 : 3, 4], 2);
      anchors.requiresGrad = true;
      candidates.requiresGrad = true;
      using loss = multipleNegativesRanking(anchors, candidates, {
        scale: isMore ? 5 : undefined,
        symmetric: name.endsWith("symmetric"),
      });
      loss.backward();
      assertClose(flat(loss), figure.loss, 1e-11);
      assertClose(flat(anchors.grad!), figure.anchors, 1e-11);
      assertClose(flat(candidates.grad!), figure.candidates, 1e-11);
    }
  }),
);

Deno.test(
  "multipleNegativesRanking() takes rows of any length, also of none, and one pair alone",
  withoutLeaks(() => {
    using anchors = Tensor.from([[0, 0], [1e-30, 0], [1e30, 1e30]]);
    using candidates = Tensor.from([[1, 0], [2, 0], [3, 3]]);
    anchors.requiresGrad = true;
    using loss = multipleNegativesRanking(anchors, candidates, { scale: 1 });
    loss.backward();
    assert(
      [...flat(loss), ...flat(anchors.grad!)].every(Number.isFinite),
      `${flat(anchors.grad!)}`,
    );
    using one = Tensor.from([[1, 2]]);
    using alone = multipleNegativesRanking(one, one, { symmetric: true });
    assertEquals(alone.get(), 0);
  }),
);

Deno.test(
  "multipleNegativesRanking() refuses shapes and scales that do not fit",
  withoutLeaks(() => {
    using three = Tensor.ones([3, 4]);
    using two = Tensor.ones([2, 4]);
    using narrow = Tensor.ones([3, 5]);
    using none = Tensor.ones([0, 4]);
    const refused = (a: Tensor<"float32">, b: Tensor<"float32">, message: string) =>
      assertThrows(() => multipleNegativesRanking(a, b), RangeError, message);
    refused(three, two, "the anchors are [3, 4], the candidates [2, 4]");
    refused(three, narrow, "[3, 5]");
    refused(none, three, "[0, 4]");
    using row = three.reshape([12]);
    refused(row, row, "[12]");
    assertThrows(() => multipleNegativesRanking(two, two, { scale: 0 }), RangeError, "scale is 0");
  }),
);

Deno.test(
  "meanPooling() leaves padding out, whatever it holds, and gives 0 for padding alone",
  withoutLeaks(() => {
    using hidden = Tensor.from([[[1, 2], [3, 4], [9, 9]], [[5, 6], [7, 8], [9, 9]]]);
    using mask = Tensor.from([[1, 1, 0], [0, 0, 0]], "int32");
    using pooled = meanPooling(hidden, mask);
    assertEquals(pooled.toArray(), [[2, 3], [0, 0]]);
    using bools = Tensor.from([[false, false, true], [true, true, true]], "bool");
    using others = meanPooling(hidden, bools);
    assertClose(flat(others), [9, 9, 7, 23 / 3], 1e-6);
    using short = Tensor.ones([2, 2], "int32");
    assertThrows(() => meanPooling(hidden, short), RangeError, "the mask is [2, 2]");
  }),
);

Deno.test(
  "normalizeRows() makes rows of length 1, and leaves those of 0",
  withoutLeaks(() => {
    using x = Tensor.from([[[3, -4], [0, 0]], [[1e-20, 0], [0, 1e25]]]);
    using y = normalizeRows(x);
    assertClose(flat(y), [0.6, -0.8, 0, 0, 1e-8, 0, 0, 1], 1e-6);
  }),
);
