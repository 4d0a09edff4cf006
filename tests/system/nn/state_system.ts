import { assertEquals } from "@std/assert";
import { withoutLeaksAsync } from "../../support/native.ts";
import { Embedding, Linear, MLP, Module } from "../../../lib/nn/mod.ts";
import { openTensors, saveTensors, type Tensor } from "../../../lib/tensor/mod.ts";

class Net extends Module {
  readonly table = new Embedding(5, 4);
  readonly blocks = [new MLP({ dim: 4, activation: "geglu" }), new Linear(4, 2)];
}

const bits = (net: Net) => Object.values(net.state()).map((each) => each.toArray());

Deno.test(
  "A module's state goes through a file and back with the same bits",
  withoutLeaksAsync(async () => {
    const path = await Deno.makeTempFile({ suffix: ".safetensors" });
    try {
      using net = new Net();
      await saveTensors(path, net.state());
      using file = openTensors(path);
      using other = new Net();
      const opened: Record<string, Tensor> = {};
      for (const name of file.names) opened[name] = file.open(name);
      other.load(opened);
      for (const tensor of Object.values(opened)) tensor.dispose();
      assertEquals(bits(other), bits(net));
    } finally {
      await Deno.remove(path);
    }
  }),
);
