import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { parseSafetensorsIndex } from "../../lib/formats/mod.ts";
import { file } from "./bytes.ts";

const INDEX = '{"metadata":{"total_size":8},"weight_map":{' +
  '"a":"model-00002-of-00002.safetensors","b":"model-00001-of-00002.safetensors",' +
  '"__proto__":"model-00001-of-00002.safetensors"}}\n';

function parse(text: string) {
  return parseSafetensorsIndex(file(text), { name: "bad.index.json" });
}

Deno.test("parseSafetensorsIndex() reads which tensor is in which file", () => {
  const [first, second] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  assertEquals(parse(INDEX), {
    fileOf: new Map([["a", second], ["b", first], ["__proto__", first]]),
    files: [first, second],
  });
  assertEquals(parse('{"weight_map":{}}').files, []);
});

Deno.test("parseSafetensorsIndex() refuses files that are not beside the index", () => {
  const outside = [
    "../a.safetensors",
    "/etc/a.safetensors",
    "sub/a.safetensors",
    "sub\\\\a.safetensors",
    "C:a.safetensors",
    "..safetensors",
    ".safetensors",
    "a.safetensors\\u0000",
    "a\\u0000.safetensors",
    "a.bin",
    "",
  ];
  for (const name of outside) {
    const read = () => parse(`{"weight_map":{"x":"${name}"}}`);
    const error = assertThrows(read, SyntaxError, "is not a .safetensors file beside the index");
    assert(error.message.startsWith('bad.index.json: tensor "x" is in "'), error.message);
    assert(error.message.includes(", at offset 15 ("), error.message);
  }
});

Deno.test("parseSafetensorsIndex() refuses what is no index", () => {
  const cases: [string, string][] = [
    ["", "the file is empty"],
    ["[]", "not a safetensors index"],
    ["<html>", "a web page"],
    ["{}", "the index has no weight_map"],
    ['{"weight_map":[]}', "weight_map is not an object"],
    ['{"weight_map":{"x":1}}', "is not a .safetensors file"],
    ['{"weight_map":{},"weight_map":{}}', "weight_map occurs twice"],
    ['{"weight_map":{}}x', "goes on after its value"],
  ];
  for (const [text, message] of cases) assertThrows(() => parse(text), SyntaxError, message);
});

Deno.test("parseSafetensorsIndex() reads or refuses each index that differs in one byte", () => {
  const whole = file(INDEX);
  for (let at = 0; at < whole.length; at++) {
    for (let value = 0; value < 256; value += 3) {
      const changed = whole.with(at, value);
      try {
        parseSafetensorsIndex(changed);
      } catch (error) {
        assertInstanceOf(error, SyntaxError, `byte ${at} = ${value}: ${error}`);
      }
    }
  }
});
