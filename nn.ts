/**
 * Layers of neural networks, first values of their parameters, and losses. What trains them
 * is in `./optim`.
 *
 * @example
 * ```ts
 * import { crossEntropy, Tensor } from "@quern/quern";
 * import { LayerNorm, Linear, MLP, Module } from "@quern/quern/nn";
 * import { AdamW } from "@quern/quern/optim";
 *
 * class Classifier extends Module {
 *   readonly mlp = new MLP({ dim: 4, seed: 1 });
 *   readonly norm = new LayerNorm(4);
 *   readonly head = new Linear(4, 3, { seed: 2 });
 *
 *   forward(x: Tensor<"float32">): Tensor<"float32"> {
 *     return this.pass([x], () => {
 *       using hidden = this.mlp.forward(x);
 *       using normal = this.norm.forward(hidden);
 *       return this.head.forward(normal);
 *     });
 *   }
 * }
 *
 * using model = new Classifier();
 * using optimizer = new AdamW(model.parameters());
 * using x = Tensor.randn([8, 4], { seed: 3 });
 * using classes = Tensor.from([0, 1, 2, 0, 1, 2, 0, 1], "int32");
 * for (let step = 0; step < 10; step++) {
 *   using logits = model.forward(x);
 *   using loss = crossEntropy(logits, classes);
 *   loss.backward();
 *   optimizer.step();
 * }
 * model.eval();
 * using logits = model.forward(x);
 * console.log(logits.shape); // [8, 3]
 * ```
 *
 * @module
 */
export * from "./lib/nn/mod.ts";
