import { assertEquals } from "@std/assert";
import { imports, reported } from "./support.ts";

/** Sources that are right: what they show, and their text after the imports. */
const good: Record<string, string> = {
  "a result bound with `using`": `using y = add(x, x);`,
  "a result bound with `await using`": `await using model = await loadModel("smollm2");`,
  "a result that is disposed of": `const y = add(x, x); y.dispose();`,
  "a result that is disposed of by its symbol": `const y = add(x, x); y[Symbol.dispose]();`,
  "a result that is disposed of in a finally block": `
    const y = add(x, x);
    try { console.log(y.shape); } finally { y.dispose(); }`,
  "a variable that is assigned in a try block and disposed of after it": `
    function f(x: Tensor) {
      let y: Tensor | undefined;
      try { y = add(x, x); return y.get(0); } finally { y?.dispose(); }
    }`,
  "a result that is disposed of at once": `add(x, x).dispose();`,
  "a result that is disposed of where it is not null": `
    const y = a ? add(x, x) : null; y?.dispose(); y!.dispose();`,
  "a result that is kept": `keep(add(x, x));`,
  "a variable that is kept": `const y = add(x, x); keep(y);`,
  "a result that is returned": `function f(x: Tensor) { return add(x, x); }`,
  "a result that an arrow function gives": `export const f = (x: Tensor) => add(x, x);`,
  "a variable that is returned": `function f(x: Tensor) { const y = add(x, x); return y; }`,
  "a variable that is returned under a condition": `
    function f(x: Tensor) { const y = add(x, x); return x.size > 3 ? y : undefined; }`,
  "variables that are returned in an object": `
    function f(x: Tensor) { const a = add(x, x); const b = add(x, x); return { a, b }; }`,
  "variables that are returned in an array": `
    function f(x: Tensor) { const a = add(x, x); return [a, add(x, x)]; }`,
  "a variable that is returned after work in place": `
    function f(x: Tensor) { const y = add(x, x); return addInPlace(y, x); }`,
  "a result that is returned after work in place": `
    function f(x: Tensor) { return addInPlace(add(x, x), x); }`,
  "a result that is returned from a promise": `
    async function f() { const model = await loadModel("m"); return model; }`,
  "a promise that is awaited into `using`": `
    const promise = loadModel("m"); using model = await promise;`,
  "a result that is yielded": `function* f(x: Tensor) { yield add(x, x); }`,
  "a result that is stored in a property": `this.y = add(x, x); object.y ??= add(x, x);`,
  "a result that is stored in a private property": `
    class Layer { #w = Tensor.ones([2]); static s = Tensor.zeros([1]); m() { this.#w = add(x, x); } }`,
  "a result that is stored in an array": `list[0] = add(x, x);`,
  "a result that is pushed": `const list: Tensor[] = []; list.push(add(x, x));`,
  "a result that is put into a map": `map.set("y", add(x, x));`,
  "a result that a stack disposes of": `
    using stack = new DisposableStack(); const y = stack.use(add(x, x));`,
  "a variable that a stack disposes of": `
    using stack = new DisposableStack(); const y = add(x, x); stack.use(y);`,
  "a result that is passed to something unknown": `consume(add(x, x)); new Layer(add(x, x));`,
  "a variable that is passed to a function which disposes of it": `
    function end(t: Tensor) { t.dispose(); }
    const y = add(x, x); end(y);`,
  "a variable that is passed to a function which stores it": `
    const hold = (t: Tensor) => { held.push(t); };
    const y = add(x, x); hold(y);`,
  "a result assigned to an outer variable": `
    let cache: Tensor | undefined;
    function f(x: Tensor) { cache = add(x, x); }`,
  "a result in a variable that another one takes over": `
    const y = add(x, x); const z = y; z.dispose();`,
  "a result in a variable that `using` takes over": `const y = add(x, x); using z = y;`,
  "a variable that is exported": `export const weight = Tensor.ones([2]);`,
  "a variable that is exported by name": `const weight = Tensor.ones([2]); export { weight };`,
  "a variable that a function uses later": `
    const weight = Tensor.ones([2, 2]);
    Deno.bench("linear", () => { using y = linear(x, weight); });`,
  "a variable that a method uses later": `
    const weight = Tensor.ones([2, 2]);
    class Layer { forward() { return weight.shape; } }`,
  "a call with `out`": `add(x, x, { out: y }); softmax(x, { out: x });`,
  "a call with a shorthand `out`": `function f(out: Tensor) { add(x, x, { out }); }`,
  "a call whose options may hold `out`": `add(x, x, options); add(x, x, { ...options });`,
  "a call whose arguments are not written out": `add(...operands);`,
  "a new tensor passed as `out` of a result that is bound": `
    using y = add(x, x, { out: Tensor.empty([2]) });`,
  "work in place": `addInPlace(x, x);`,
  "a result that is filled before it is bound": `using y = Tensor.empty([2]).copyFrom(x);`,
  "everything made inside a scope": `
    scope(() => { const y = add(x, x); console.log(softmax(add(y, y)).shape); });`,
  "everything made inside an asynchronous scope": `
    await scope(async () => { const y = add(x, x); await pause(); add(y, y); });`,
  "what is made in functions inside a scope": `
    scope(() => { list.forEach((x: Tensor) => { add(x, x); }); function g() { add(x, x); } });`,
  "what a function makes that a scope runs by its name": `
    function work() { add(x, x); } const other = () => { softmax(x); }; scope(work); scope(other);`,
  "a call that is asserted to throw": `
    assertThrows(() => { add(x, y); }, RangeError);
    await assertRejects(async () => { const z = add(x, y); await z.get(0); });
    expect(() => { add(x, y); }).toThrow();`,
  "what a scope returns, when it is bound": `using y = scope(() => add(x, x));`,
  "what a scope returns of others": `
    using w = new Workspace(); scope(() => w.get("y", [2])); scope(() => addInPlace(x, x));`,
  "what a scope does not return": `scope(() => { add(x, x); return 3; });`,
  "a workspace's tensors": `
    using w = new Workspace(); const y = w.get("y", [2]); add(x, x, { out: w.zeros("z", [2]) });`,
  "tables that are destructured": `
    const { cosines, sines } = ropeTable(4, 8); cosines.dispose(); sines.dispose();`,
  "tables whose tensors are disposed of": `
    const table = ropeTable(4, 8); table.cosines.dispose(); table.sines.dispose();`,
  "a former value that something else holds": `
    function f(x: Tensor) {
      let h = add(x, x); const first = h; h = softmax(h); first.dispose(); return h;
    }
    function g(x: Tensor) {
      let h = add(x, x); using former = h; h = softmax(h); return h;
    }
    function k(x: Tensor) { let h = x; h = softmax(h); return h; }
    function l(x: Tensor) { let h = add(x, x); h = softmax(x, { out: h }); return h; }`,
  "a former value that is disposed of in between": `
    function f(x: Tensor) {
      let h = add(x, x); const next = softmax(h); h.dispose(); h = next; return h;
    }`,
  "functions of the same name from elsewhere": `
    import { add as plus } from "./mine.ts"; plus(x, x); mine.add(x, x);`,
  "a local function of the same name":
    `{ const add = (a: number, b: number) => a + b; add(1, 2); }`,
  "a parameter of the same name": `function f(add: (x: number) => void) { add(1); }`,
  "methods of values that are no tensors": `
    const text = "abc"; const part = text.slice(1); [1, 2].slice(1); part.slice(0);`,
  "a model that is kept by then()": `loadModel("m").then((model) => serve(model));`,
  "models that are loaded together": `
    const [a, b] = await Promise.all([loadModel("a"), loadModel("b")]);`,
  "a default value": `function f(x = Tensor.ones([2])) { return x; }`,
  "a session that is stored":
    `using model = await loadModel("m"); sessions.add(model.createSession());`,
};

/** Sources that are wrong: their text, and what of it is reported. */
const bad: Record<string, [source: string, ...reports: string[]]> = {
  "a result that is lost": [`add(x, x);`, "add(x, x)"],
  "a result that void throws away": [`void add(x, x);`, "add(x, x)"],
  "a new tensor that is lost": [`Tensor.zeros([2]);`, "Tensor.zeros([2])"],
  "the result of an inner call": [`using y = softmax(add(x, x));`, "add(x, x)"],
  "the results of both inner calls": [
    `using y = add(softmax(x), softmax(y));`,
    "softmax(x)",
    "softmax(y)",
  ],
  "a chain of calls": [
    `softmax(softmax(add(x, x)));`,
    "softmax(softmax(add(x, x)))",
    "softmax(add(x, x))",
    "add(x, x)",
  ],
  "an operand made in the call with `out`": [
    `add(x, Tensor.ones([2]), { out: x });`,
    "Tensor.ones([2])",
  ],
  "a new tensor passed as `out` of a result that is lost": [
    `add(x, x, { out: Tensor.empty([2]) });`,
    "Tensor.empty([2])",
  ],
  "an option made in the call": [
    `using y = linear(x, x, { bias: Tensor.zeros([2]) });`,
    "Tensor.zeros([2])",
  ],
  "a variable that is never disposed of": [`const y = add(x, x);`, "add(x, x)"],
  "a variable that is only read": [
    `const y = add(x, x); console.log(y.get(0), y.toArray(), y.data);`,
    "add(x, x)",
  ],
  "a variable that is only printed": [`const y = add(x, x); console.log(y);`, "add(x, x)"],
  "a variable that is only an operand": [
    `const y = add(x, x); using z = add(y, y);`,
    "add(x, x)",
  ],
  "a variable that is only asserted": [
    `const y = add(x, x); assertEquals(y, x); assertThrows(() => y.get(9));`,
    "add(x, x)",
  ],
  "a variable that only a function of the file reads": [
    `function show(t: Tensor) { console.log(t.shape); } const y = add(x, x); show(y);`,
    "add(x, x)",
  ],
  "a variable that only a callback reads": [
    `const y = add(x, x); const sums = [0, 1].map((i) => y.get(i));`,
    "add(x, x)",
  ],
  "a variable whose elements are returned": [
    `function f(x: Tensor) { const y = add(x, x); return y.data; }`,
    "add(x, x)",
  ],
  "a variable of which only a view is returned": [
    `function f(x: Tensor) { const y = add(x, x); return y.reshape([4]); }`,
    "add(x, x)",
  ],
  "a variable that a declared type hides": [
    `const y: Tensor = add(x, x); y.get(0);`,
    "add(x, x)",
  ],
  "a variable that is assigned and never disposed of": [
    `function f(x: Tensor) { let y; y = add(x, x); return y.get(0); }`,
    "add(x, x)",
  ],
  "variables declared with `let` and `var`": [
    `let a = add(x, x); var b = add(x, x);`,
    "add(x, x)",
    "add(x, x)",
  ],
  "several variables of one declaration": [
    `const a = add(x, x), b = softmax(x); b.dispose();`,
    "add(x, x)",
  ],
  "a variable in a loop": [`for (const i of [1]) { const y = add(x, x); y.get(i); }`, "add(x, x)"],
  "a tensor behind a view": [
    `using y = Tensor.ones([4]).reshape([2, 2]);`,
    "Tensor.ones([4])",
  ],
  "a view that is lost": [`using y = Tensor.ones([4]); y.reshape([2, 2]);`, "y.reshape([2, 2])"],
  "a view of a parameter": [
    `function f(x: Tensor) { return softmax(x.slice(0, 1)); }`,
    "x.slice(0, 1)",
  ],
  "a view of a parameter of a generic type": [
    `function f(x: Tensor<"float32"> | undefined) { x?.reshape([4]); }`,
    "x?.reshape([4])",
  ],
  "a view of a parameter with a default": [
    `function f(x: Tensor, n = 2) { const y = x.reshape([n]); return y.shape; }`,
    "x.reshape([n])",
  ],
  "a view of a view": [
    `function f(x: Tensor) { using y = x.reshape([2, 2]).slice(0, 1); }`,
    "x.reshape([2, 2])",
  ],
  "a copy that is lost": [`using y = Tensor.ones([4]); y.clone().get(0);`, "y.clone()"],
  "a view of a workspace's tensor": [
    `using w = new Workspace(); w.get("y", [4]).reshape([2, 2]);`,
    `w.get("y", [4]).reshape([2, 2])`,
  ],
  "a result whose elements are read at once": [`const list = add(x, x).toArray();`, "add(x, x)"],
  "a result whose shape is read at once": [`const { shape } = add(x, x);`, "add(x, x)"],
  "a result in a template": ["const text = `${add(x, x)}`;", "add(x, x)"],
  "a result that is compared": [`if (add(x, x) === x) { done(); }`, "add(x, x)"],
  "a result under a condition": [`a && add(x, x); a ? add(x, x) : 0;`, "add(x, x)", "add(x, x)"],
  "a result before a comma": [`using y = (add(x, x), softmax(x));`, "add(x, x)"],
  "a result that is asserted to be of a type": [
    `const y = add(x, x) as Tensor<"float32">; y!.get(0);`,
    "add(x, x)",
  ],
  "results that forEach() throws away": [`list.forEach((x: Tensor) => add(x, x));`, "add(x, x)"],
  "a workspace": [`const w = new Workspace(); w.get("y", [2]);`, "new Workspace()"],
  "a model": [`const model = await loadModel("m"); await model.run();`, `loadModel("m")`],
  "a model that is lost": [`await loadModel("m");`, `loadModel("m")`],
  "a session": [
    `using model = await loadModel("m"); const s = model.createSession(); s.generate("x");`,
    "model.createSession()",
  ],
  "a session of a model that is lost": [
    `using session = (await loadModel("m")).createSession();`,
    `loadModel("m")`,
  ],
  "a table that is lost": [
    `const table = ropeTable(4, 8); rope(table.cosines.get(0));`,
    "ropeTable(4, 8)",
  ],
  "what a scope returns, when it is lost": [
    `scope(() => { const y = add(x, x); return y; });`,
    "scope(() => { const y = add(x, x); return y; })",
  ],
  "what an asynchronous scope returns, when it is lost": [
    `const y = await scope(async () => { await pause(); return add(x, x); });`,
    "scope(async () => { await pause(); return add(x, x); })",
  ],
  "what is made beside a scope": [`add(x, x); scope(() => softmax(x).shape);`, "add(x, x)"],
  "what a nested function makes": [
    `it("works", () => { const f = () => { const y = add(x, x); y.get(0); }; f(); });`,
    "add(x, x)",
  ],
  "what a function makes inside one that is asserted to throw": [
    `assertThrows(() => { [1].map(() => { add(x, x); }); });`,
    "add(x, x)",
  ],
  "what a function makes at once": [`(() => { add(x, x); })();`, "add(x, x)"],
  "a former value that its successor is made of": [
    `function f(x: Tensor) { let h = add(x, x); for (const i of [1]) h = softmax(h); return h; }`,
    "softmax(h)",
  ],
  "a former value whose successor is disposed of": [
    `let h = add(x, x); h = add(h, x); h.dispose();`,
    "add(h, x)",
  ],
};

for (const [what, source] of Object.entries(good)) {
  Deno.test(`no-undisposed allows ${what}`, () => {
    assertEquals(reported(imports + source), []);
  });
}

for (const [what, [source, ...reports]] of Object.entries(bad)) {
  Deno.test(`no-undisposed reports ${what}`, () => {
    assertEquals(reported(imports + source), reports);
  });
}

Deno.test("no-undisposed follows imports under other names", () => {
  const cases: [source: string, ...reports: string[]][] = [
    [`import { add as plus } from "@quern/quern"; plus(x, x);`, "plus(x, x)"],
    [`import { "add" as plus } from "@quern/quern"; plus(x, x);`, "plus(x, x)"],
    [`import * as q from "@quern/quern"; q.add(x, x);`, "q.add(x, x)"],
    [`import * as q from "@quern/quern"; q["add"](x, x);`, `q["add"](x, x)`],
    [`import * as q from "@quern/quern"; q.Tensor.ones([2]);`, "q.Tensor.ones([2])"],
    [`import * as q from "@quern/quern"; q.scope(() => q.add(x, x).shape);`],
    [
      `import type * as q from "@quern/quern"; (t: q.Tensor) => { t.clone(); };`,
      "t.clone()",
    ],
    [`import { Tensor as T } from "@quern/quern"; T.ones([2]);`, "T.ones([2])"],
    [`import type { Tensor } from "@quern/quern"; (t: Tensor) => t.clone().shape;`, "t.clone()"],
  ];
  for (const [source, ...reports] of cases) assertEquals(reported(source), reports, source);
});

Deno.test("no-undisposed knows the package by all its names, and no other", () => {
  const names = [
    "@quern/quern",
    "jsr:@quern/quern",
    "jsr:@quern/quern@^0.1.0",
    "jsr:/@quern/quern@0.1",
    "npm:@quern/quern@1/models",
  ];
  for (const name of names) {
    assertEquals(reported(`import { add } from "${name}"; add(x, x);`), ["add(x, x)"], name);
  }
  for (const name of ["@quern/quernel", "quern", "./quern/mod.ts", "npm:@other/quern"]) {
    assertEquals(reported(`import { add } from "${name}"; add(x, x);`), [], name);
  }
});
