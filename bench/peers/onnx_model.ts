/**
 * Writes models in the ONNX format, as far as `deno task bench:peers` needs it: a graph of
 * nodes with float32 operands, weights inside. onnxruntime takes nothing else, and both of its
 * bindings are given the same files.
 *
 * ONNX is a Protocol Buffers format (onnx/onnx.proto, IR version 10); numbers of fields stand
 * beside their names.
 *
 * @module
 */

/** A weight, or the shape or axes that an operation is given as a tensor. */
export interface Constant {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>;
}

/** An operation of the graph. */
export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Whole numbers are written as such, others as floats. */
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** The set of operations, where it is not ONNX's own. */
  readonly domain?: string;
}

/** A value of an attribute; `float` is for one that may be whole. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

/** A tensor that goes into or comes out of the graph. */
export interface Value {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A model: nodes in an order in which they can run. */
export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly Value[];
  readonly output: Value;
  readonly constants: readonly Constant[];
}

/** Version of ONNX's own operations; the first with Gelu and LayerNormalization is 20. */
const OPSET = 20;
const IR_VERSION = 10;
/** onnxruntime's own operations. */
export const MICROSOFT = "com.microsoft";

/** Numbers of `TensorProto.DataType`. */
const FLOAT = 1;
const INT64 = 7;
/** Numbers of `AttributeProto.AttributeType`. */
const KIND = { float: 1, int: 2, string: 3, ints: 7 } as const;

type Bytes = Uint8Array<ArrayBuffer>;

/** The bytes of a model's file. */
export function encodeModel(graph: OnnxGraph): Bytes {
  return message([
    integer(1, IR_VERSION), // ir_version
    bytes(7, encodeGraph(graph)), // graph
    bytes(8, message([bytes(1, text("")), integer(2, OPSET)])), // opset_import
    bytes(8, message([bytes(1, text(MICROSOFT)), integer(2, 1)])),
  ]);
}

function encodeGraph({ nodes, inputs, output, constants }: OnnxGraph): Bytes {
  return message([
    ...nodes.map((node) => bytes(1, encodeNode(node))), // node
    bytes(2, text("graph")), // name
    ...constants.map((constant) => bytes(5, encodeConstant(constant))), // initializer
    ...inputs.map((input) => bytes(11, encodeValue(input))), // input
    bytes(12, encodeValue(output)), // output
  ]);
}

function encodeNode({ op, inputs, outputs, attributes = {}, domain = "" }: OnnxNode): Bytes {
  return message([
    ...inputs.map((name) => bytes(1, text(name))), // input
    ...outputs.map((name) => bytes(2, text(name))), // output
    bytes(4, text(op)), // op_type
    ...Object.entries(attributes).map((one) => bytes(5, encodeAttribute(one))), // attribute
    ...(domain === "" ? [] : [bytes(7, text(domain))]), // domain
  ]);
}

function encodeAttribute([name, value]: [string, Attribute]): Bytes {
  const fields = [bytes(1, text(name))]; // name
  if (typeof value === "string") {
    fields.push(bytes(4, text(value)), integer(20, KIND.string)); // s, type
  } else if (typeof value === "number") {
    fields.push(integer(3, value), integer(20, KIND.int)); // i, type
  } else if ("float" in value) {
    fields.push(float(2, value.float), integer(20, KIND.float)); // f, type
  } else {
    fields.push(...value.map((one) => integer(8, one)), integer(20, KIND.ints)); // ints, type
  }
  return message(fields);
}

function encodeConstant({ name, shape, values }: Constant): Bytes {
  return message([
    ...shape.map((size) => integer(1, size)), // dims
    integer(2, values instanceof Float32Array ? FLOAT : INT64), // data_type
    bytes(8, text(name)), // name
    bytes(9, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)), // raw_data
  ]);
}

/** `ValueInfoProto` with a `TypeProto.Tensor` of float32. */
function encodeValue({ name, shape }: Value): Bytes {
  const sizes = message(shape.map((size) => bytes(1, integer(1, size)))); // dim, dim_value
  const tensor = message([integer(1, FLOAT), bytes(2, sizes)]); // elem_type, shape
  return message([bytes(1, text(name)), bytes(2, bytes(1, tensor))]); // name, type, tensor_type
}

// Protocol Buffers' wire format: a field is its number and kind, then its value.

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;

function message(parts: readonly Bytes[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  return all;
}

function varint(value: number): Bytes {
  let rest = BigInt.asUintN(64, BigInt(value));
  const out: number[] = [];
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  return Uint8Array.from([...out, Number(rest)]);
}

function tag(field: number, kind: number): Bytes {
  return varint(field * 8 + kind);
}

function integer(field: number, value: number): Bytes {
  return message([tag(field, VARINT), varint(value)]);
}

function float(field: number, value: number): Bytes {
  const four = new Uint8Array(4);
  new DataView(four.buffer).setFloat32(0, value, true);
  return message([tag(field, FIXED_32), four]);
}

function bytes(field: number, value: Bytes): Bytes {
  return message([tag(field, LENGTH_DELIMITED), varint(value.length), value]);
}

function text(value: string): Bytes {
  return new TextEncoder().encode(value);
}
