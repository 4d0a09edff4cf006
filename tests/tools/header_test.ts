import { assertEquals, assertThrows } from "@std/assert";
import { fnv1a64, parseHeader } from "../../tools/header.ts";

Deno.test("fnv1a64() gives the published hashes of known strings", () => {
  // From the test suite of the algorithm's authors (FNV-1a, 64 bit).
  const bytes = (text: string) => new TextEncoder().encode(text);
  assertEquals(fnv1a64(bytes("")), 0xcbf29ce484222325n);
  assertEquals(fnv1a64(bytes("a")), 0xaf63dc4c8601ec8cn);
  assertEquals(fnv1a64(bytes("foobar")), 0x85944171f73967e8n);
});

Deno.test("parseHeader() maps every type of the list to what Deno calls it", () => {
  const { functions } = parseHeader(
    "QN_API int32_t qn_f(void *a, const float *b, int32_t c, uint32_t d, uint64_t e, size_t f,\n" +
      "  float g, double h, QN_BUFFER uint64_t *i, QN_BUFFER const char *j);\n",
  );
  assertEquals(functions[0].parameters.map(({ name, type }) => `${name}: ${type}`), [
    "a: usize",
    "b: usize",
    "c: i32",
    "d: u32",
    "e: u64",
    "f: usize",
    "g: f32",
    "h: f64",
    "i: buffer",
    "j: buffer",
  ]);
  assertEquals(functions[0].result, "i32");
});

Deno.test("parseHeader() reads results, void parameters and prototypes", () => {
  const { functions } = parseHeader(
    "QN_API void qn_a(void);\nQN_API const char *qn_b(uint32_t index);\nQN_API uint64_t qn_c(void);\n",
  );
  assertEquals(functions.map(({ result }) => result), ["void", "pointer", "u64"]);
  assertEquals(functions.map(({ prototype }) => prototype), [
    "void qn_a(void)",
    "const char *qn_b(uint32_t index)",
    "uint64_t qn_c(void)",
  ]);
});

Deno.test("parseHeader() gives a comment to the declaration right below it only", () => {
  const { functions } = parseHeader(
    "/* Far. */\n\nQN_API void qn_a(void);\n/* Near,\n * two lines. */\nQN_API void qn_b(void);\n" +
      "/* ---- Section ---- */\nQN_API void qn_c(void);\n",
  );
  assertEquals(functions.map(({ comment }) => comment), [[], ["Near,", "two lines."], []]);
});

Deno.test("parseHeader() reads enumerators with their values and comments", () => {
  const { enums } = parseHeader(
    "typedef enum qn_e {\n  QN_A = 0,\n  QN_B = 7, /* the second */\n} qn_e;\n",
  );
  assertEquals(enums, [{
    name: "qn_e",
    comment: [],
    enumerators: [
      { name: "QN_A", value: 0, comment: [] },
      { name: "QN_B", value: 7, comment: ["the second"] },
    ],
  }]);
});

/** Headers that leave the grammar on their third line, and a part of the error. */
const OUTSIDE: [title: string, line: string, message: string][] = [
  ["a type that is not in the list", "QN_API int qn_f(void);", "found int"],
  [
    "a parameter of a type that is not in the list",
    "QN_API void qn_f(int16_t a);",
    "found int16_t",
  ],
  ["a pointer to a pointer", "QN_API void qn_f(float **a);", "found *"],
  [
    "a pointer to a type that none may point to",
    "QN_API void qn_f(double *a);",
    "pointer to double",
  ],
  ["QN_BUFFER on a number", "QN_API void qn_f(QN_BUFFER float a);", "after QN_BUFFER"],
  ["a const number", "QN_API void qn_f(const float a);", "found a"],
  ["a parameter without a name", "QN_API void qn_f(float);", "the parameter's name"],
  ["two parameters of one name", "QN_API void qn_f(float a, float a);", "no other parameter"],
  ["empty parentheses", "QN_API void qn_f();", "found )"],
  ["a name without the prefix", "QN_API void f(void);", "qn_…"],
  ["a function that is declared twice", "QN_API void qn_twice(void);", "declared twice"],
  ["a declaration without QN_API", "void qn_f(void);", "found void"],
  ["a pointer result that is no text", "QN_API void *qn_f(void);", "found *"],
  ["a missing semicolon", "QN_API void qn_f(void)", `expected ";"`],
  ["an enumerator without a value", "typedef enum qn_e { QN_A, } qn_e;", `expected "="`],
  ["a negative value", "typedef enum qn_e { QN_A = -1, } qn_e;", "unexpected"],
  [
    "two enumerators on a line",
    "typedef enum qn_e { QN_A = 0, QN_B = 1, } qn_e;",
    "line of its own",
  ],
  ["an enum closed by another name", "typedef enum qn_e {\n} qn_x;", `expected "qn_e"`],
  ["a struct", "typedef struct qn_s { float a; } qn_s;", `expected "enum"`],
  ["a macro", "#define QN_MAX 3", "a directive outside the grammar"],
  ["another header", "#include <stdio.h>", "a directive outside the grammar"],
  ["a line comment", "// text", "unexpected"],
  ["a tab", "\tQN_API void qn_f(void);", "unexpected"],
];

for (const [title, line, message] of OUTSIDE) {
  Deno.test(`parseHeader() refuses ${title} and names the line`, () => {
    const text = `#include <stdint.h>\nQN_API void qn_twice(void);\n${line}\n`;
    const error = assertThrows(() => parseHeader(text, "h"), SyntaxError, message);
    const at = Number(error.message.match(/^h:(\d+): /)?.[1]);
    assertEquals(at === 3 || at === 4, true, error.message);
  });
}
