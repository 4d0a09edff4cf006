import { assertEquals } from "@std/assert";
import { fixed, imports, lint } from "./support.ts";

/** What is written, and what the fix makes of it. */
const fixes: Record<string, [before: string, after: string]> = {
  "`const`": [
    `function f(x: Tensor) { const y = add(x, x); return y.get(0); }`,
    `function f(x: Tensor) { using y = add(x, x); return y.get(0); }`,
  ],
  "`let`": [`let y = add(x, x); y.get(0);`, `using y = add(x, x); y.get(0);`],
  "`const` with a type": [`const y: Tensor = add(x, x);`, `using y: Tensor = add(x, x);`],
  "`const` of what is awaited": [
    `const model = await loadModel("m"); await model.run();`,
    `using model = await loadModel("m"); await model.run();`,
  ],
  "`const` of what is awaited late": [
    `const y = await scope(async () => add(x, x)); y.get(0);`,
    `using y = await scope(async () => add(x, x)); y.get(0);`,
  ],
  "`const` under a condition": [
    `const y = a ? add(x, x) : undefined; y?.get(0);`,
    `using y = a ? add(x, x) : undefined; y?.get(0);`,
  ],
  "several declarations": [
    `const a = add(x, x); const b = softmax(a); b.get(0);`,
    `using a = add(x, x); using b = softmax(a); b.get(0);`,
  ],
  "a declaration after a label in a block": [
    `{ const y = new Workspace({ limit: 8 }); y.stats(); }`,
    `{ using y = new Workspace({ limit: 8 }); y.stats(); }`,
  ],
  "a variable whose elements are copied": [
    `function f(x: Tensor) { const y = add(x, x); return y.toArray(); }`,
    `function f(x: Tensor) { using y = add(x, x); return y.toArray(); }`,
  ],
  "a variable whose elements are read": [
    `const y = add(x, x); console.log(y.data[0]);`,
    `using y = add(x, x); console.log(y.data[0]);`,
  ],
};

/** What is reported without a fix: `using` would be an error, or wrong. */
const unfixed: Record<string, string> = {
  "a variable that is assigned again": `let y = add(x, x); y = softmax(y); y.get(0);`,
  "`var`, which belongs to the function": `var y = add(x, x);`,
  "two variables of one declaration": `const a = add(x, x), b = 3;`,
  "a promise": `const model = loadModel("m"); console.log(model);`,
  "a declaration in a case": `switch (a) { case 1: const y = add(x, x); y.get(0); }`,
  "a declaration of a loop": `for (let y = add(x, x); y.get(0) > 0;) { next(); }`,
  "a table, which is no object that `using` takes": `const t = ropeTable(4, 8); t.cosines.get(0);`,
  "a pattern": `const { shape } = add(x, x);`,
  "a variable whose elements are returned": `
    function f(x: Tensor) { const y = add(x, x); return y.data; }`,
  "a variable whose elements are stored": `const y = add(x, x); object.data = y.data;`,
  "a result that is lost": `add(x, x);`,
};

for (const [what, [before, after]] of Object.entries(fixes)) {
  Deno.test(`The fix of no-undisposed writes \`using\` for ${what}`, () => {
    assertEquals(fixed(imports + before), imports + after);
    assertEquals(lint(imports + after), []);
  });
}

for (const [what, source] of Object.entries(unfixed)) {
  Deno.test(`no-undisposed has no fix for ${what}`, () => {
    const reports = lint(imports + source);
    assertEquals(reports.length > 0, true);
    for (const { fix } of reports) assertEquals(fix ?? [], []);
  });
}

Deno.test("no-undisposed says what is lost, what borrows it, and what to do", () => {
  const [{ id, message, hint }] = lint(`${imports} using y = softmax(Tensor.ones([2]));`);
  assertEquals(id, "quern/no-undisposed");
  assertEquals(message, "The result of Tensor.ones() is lost: softmax borrows it");
  assertEquals(hint, "Bind it with `using` first, pass `out`, or work inside `scope()`");
});

Deno.test("no-undisposed names the variable that is never disposed of", () => {
  const messages = lint(`${imports}
    const w = new Workspace();
    let y; y = add(x, x);
  `).map(({ message }) => message);
  assertEquals(messages, [
    "`w` is never disposed of; it holds the Workspace",
    "The result of add() is never disposed of: nothing disposes of `y`",
  ]);
});
