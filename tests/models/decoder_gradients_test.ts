/**
 * Whole decoders in training against PyTorch: the gradient of every parameter, and the losses
 * of 200 steps; see tests/support/formula_decoder.ts.
 */
import { assert, assertEquals } from "@std/assert";
import type { Decoder } from "../../lib/models/mod.ts";
import type { LayerDType } from "../../lib/nn/mod.ts";
import { AdamW } from "../../lib/optim/mod.ts";
import type { Tensor } from "../../lib/tensor/mod.ts";
import {
  type DecoderReference,
  decoderReferences,
  formulaDecoder,
  type GradientFigures,
  maskedBatch,
  textBatches,
  trainingSettings,
} from "../support/formula_decoder.ts";
import { withoutLeaks } from "../support/native.ts";

/** The gradients of the masked batch, by parameter, and its loss. */
function gradientsOf<D extends LayerDType>(
  reference: DecoderReference,
  dtype: D,
): { loss: number; gradients: Record<string, Float64Array> } {
  using decoder = formulaDecoder(reference, dtype);
  using batch = maskedBatch(reference);
  using loss = decoder.loss(batch.ids, batch.targets) as Tensor as Tensor<"float64">;
  loss.backward();
  const gradients: Record<string, Float64Array> = {};
  for (const [name, { grad }] of Object.entries(decoder.parameters())) {
    assert(grad !== undefined, `${name} has no gradient`);
    gradients[name] = Float64Array.from((grad as Tensor<"float64">).data);
  }
  return { loss: loss.get(), gradients };
}

/** The root of the sum of squares. */
function length(x: Float64Array): number {
  return Math.hypot(...x);
}

/** How far numbers are from what they should be, at most, as a part of the gradient's norm. */
function distance(gradient: Float64Array, { norm, sum, elements }: GradientFigures): number {
  const own = gradient.reduce((total, x, i) => total + x * Math.cos(3 * i + 1), 0);
  const differences = elements.map((element, k) => {
    const place = Math.floor((2 * k + 1) * gradient.length / (2 * elements.length));
    return Math.abs(gradient[place] - element);
  });
  return Math.max(...differences, Math.abs(own - sum), Math.abs(length(gradient) - norm)) / norm;
}

/** The losses of a training of all parameters. */
function lossesOf(reference: DecoderReference, decoder: Decoder<LayerDType>): number[] {
  using optimizer = new AdamW(decoder.parameters(), trainingSettings);
  return Array.from(textBatches(reference), ({ ids, targets }) => {
    using loss = decoder.loss(ids, targets);
    loss.backward();
    optimizer.step();
    return loss.get();
  });
}

for (const [name, reference] of Object.entries(decoderReferences)) {
  Deno.test(
    `the gradients of a whole ${name} in float64 are PyTorch's to 1e-10 of their norms`,
    withoutLeaks(() => {
      const { loss, gradients } = gradientsOf(reference, "float64");
      assert(Math.abs(loss - reference.loss) <= 1e-10 * reference.loss, `${loss}`);
      assertEquals(Object.keys(gradients).sort(), Object.keys(reference.gradients).sort());
      for (const [parameter, gradient] of Object.entries(gradients)) {
        const off = distance(gradient, reference.gradients[parameter]);
        assert(off <= 1e-10, `${parameter}: ${off}`);
      }
    }),
  );

  Deno.test(
    `the gradients of a whole ${name} in float32 are those in float64 to 1e-5 of their norms`,
    withoutLeaks(() => {
      const exact = gradientsOf(reference, "float64");
      const { loss, gradients } = gradientsOf(reference, "float32");
      assert(Math.abs(loss - exact.loss) <= 1e-5 * exact.loss, `${loss}`);
      for (const [parameter, gradient] of Object.entries(gradients)) {
        const expected = exact.gradients[parameter];
        const off = length(gradient.map((x, i) => x - expected[i])) / length(expected);
        assert(off > 0 && off <= 1e-5, `${parameter}: ${off}`);
        const offFigures = distance(gradient, reference.gradients[parameter]);
        assert(offFigures <= 1e-5, `${parameter}: ${offFigures} from PyTorch's figures`);
      }
    }),
  );

  for (const [dtype, tolerance] of [["float64", 1e-9], ["float32", 1e-5]] as const) {
    Deno.test(
      `the losses of 200 steps of a ${name} in ${dtype} are PyTorch's to ${tolerance}`,
      withoutLeaks(() => {
        using decoder = formulaDecoder<LayerDType>(reference, dtype);
        const losses = lossesOf(reference, decoder);
        assertEquals(losses.length, 200);
        const off = losses.map((loss, step) => Math.abs(loss - reference.losses[step]));
        assert(Math.max(...off) <= tolerance, `${Math.max(...off)}`);
        assert(losses[199] < losses[0] / 2);
      }),
    );
  }
}
