/** Imports Quern and multiplies two matrices of 512 × 512, as a program that ends after that. */
import { matmul, Tensor } from "../../mod.ts";

using a = Tensor.full([512, 512], 0.5);
using b = Tensor.full([512, 512], 0.25);
using product = matmul(a, b);
if (product.get(511, 0) !== 64) throw new Error(`0.125 × 512 is not ${product.get(511, 0)}`);
