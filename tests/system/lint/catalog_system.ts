import { assertEquals } from "@std/assert";
import * as catalog from "../../../lib/lint/catalog.ts";

/** The entry points whose exports the lint plugin follows. */
const entries = [
  "mod.ts",
  "models.ts",
  "nn.ts",
  "optim.ts",
  "testing.ts",
  "train.ts",
  "lib/formats/mod.ts",
  "lib/tokenizers/mod.ts",
];
const root = new URL("../../../", import.meta.url);

/** Of what `deno doc --json` writes, the part that is used here. */
interface Type {
  kind: string;
  value?: unknown;
}
interface Parameter {
  kind: string;
  tsType?: Type;
  left?: Parameter;
}
interface Signature {
  params?: Parameter[];
  returnType?: Type;
}
interface Definition extends Signature {
  methods?: { name: string; isStatic?: boolean; functionDef: Signature }[];
  properties?: { name: string; tsType?: Type }[];
  extends?: Type[] | string;
  tsType?: Type;
}
interface Declaration {
  kind: string;
  def: Definition;
}

/** All exported declarations by name; a function may have several. */
async function declarations(): Promise<Map<string, Declaration[]>> {
  const all = new Map<string, Declaration[]>();
  for (const entry of entries) {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["doc", "--json", entry],
      cwd: root,
      stderr: "null",
    }).output();
    const { nodes } = JSON.parse(new TextDecoder().decode(stdout));
    for (const { symbols } of Object.values<{ symbols: [] }>(nodes)) {
      for (const { name, declarations } of symbols) all.set(name, declarations);
    }
  }
  return all;
}

/** The name of a type, and whether it comes in a promise. */
function named(type: Type | undefined, self?: string): { name: string; promised: boolean } {
  if (type?.kind === "this" && self !== undefined) return { name: self, promised: false };
  if (type?.kind !== "typeRef") return { name: "", promised: false };
  const { typeName, typeParams } = type.value as { typeName: string; typeParams?: Type[] };
  return typeName === "Promise"
    ? { name: named(typeParams?.[0]).name, promised: true }
    : { name: typeName, promised: false };
}

/** What the types of the package say, in the form of the catalog. */
class Exports {
  readonly #all: Map<string, Declaration[]>;

  constructor(all: Map<string, Declaration[]>) {
    this.#all = all;
  }

  functions(): Record<string, unknown> {
    const found: Record<string, unknown> = {};
    for (const [name, list] of this.#all) {
      for (const { kind, def } of list) {
        const result = kind === "function" ? this.#result(def) : undefined;
        if (result !== undefined) found[name] = result;
      }
    }
    return found;
  }

  values(): Record<string, string> {
    const found: Record<string, string> = {};
    for (const [name, [{ kind, def }]] of this.#all) {
      const type = kind === "variable" ? named(def.tsType).name : "";
      if (this.#isOfInterest(type)) found[name] = type;
    }
    return found;
  }

  kinds(): Record<string, unknown> {
    const found: Record<string, unknown> = {};
    for (const name of this.#all.keys()) {
      if (this.#isOfInterest(name)) found[name] = this.#kind(name);
    }
    return found;
  }

  #kind(name: string): unknown {
    const { kind, def } = this.#all.get(name)![0];
    if (kind === "interface") return { disposable: false, parts: this.#parts(name) };
    const methods: Record<string, unknown> = {};
    const statics: Record<string, unknown> = {};
    for (const { name: method, isStatic, functionDef } of def.methods ?? []) {
      const result = this.#result(functionDef, name);
      if (result !== undefined) (isStatic ? statics : methods)[method] = result;
    }
    return {
      disposable: this.#isDisposable(name),
      ...Object.keys(methods).length > 0 && { methods },
      ...Object.keys(statics).length > 0 && { statics },
    };
  }

  #result({ params = [], returnType }: Signature, self?: string): unknown {
    const { name, promised } = named(returnType, self);
    if (!this.#isHandle(name)) return undefined;
    const options = params.findIndex((parameter) => this.#hasOut(parameter));
    return {
      kind: name,
      ...options >= 0 && { options },
      ...promised && { asynchronous: true },
    };
  }

  /** Whether results of a type must be disposed of, themselves or their parts. */
  #isHandle(name: string): boolean {
    if (this.#isDisposable(name)) return true;
    return this.#all.get(name)?.[0].kind === "interface" && this.#parts(name) !== undefined;
  }

  #isDisposable(name: string): boolean {
    const first = this.#all.get(name)?.[0];
    if (first?.kind !== "class") return false;
    const { methods, extends: parent } = first.def;
    return methods?.some((method) => method.name === "[Symbol.dispose]") === true ||
      typeof parent === "string" && this.#isDisposable(parent);
  }

  #parts(name: string): Record<string, string> | undefined {
    const found: Record<string, string> = {};
    for (const property of this.#all.get(name)?.[0].def.properties ?? []) {
      const type = named(property.tsType).name;
      if (this.#isDisposable(type)) found[property.name] = type;
    }
    return Object.keys(found).length > 0 ? found : undefined;
  }

  /** Handles, tables that a function gives, and what handles come from. */
  #isOfInterest(name: string): boolean {
    if (this.#isDisposable(name)) return true;
    const first = this.#all.get(name)?.[0];
    if (first?.kind === "class") {
      return first.def.methods?.some(({ functionDef }) => this.#result(functionDef)) === true;
    }
    return first?.kind === "interface" && this.#isHandle(name) &&
      Object.values(this.functions()).some((result) => (result as { kind: string }).kind === name);
  }

  #hasOut(parameter: Parameter): boolean {
    const type = parameter.tsType ?? parameter.left?.tsType;
    if (type?.kind === "typeLiteral") {
      const { properties } = type.value as { properties: { name: string }[] };
      return properties.some((property) => property.name === "out");
    }
    return this.#interfaceHasOut(named(type).name);
  }

  #interfaceHasOut(name: string): boolean {
    const first = this.#all.get(name)?.[0];
    if (first?.kind !== "interface") return false;
    const around = Array.isArray(first.def.extends) ? first.def.extends : [];
    return first.def.properties?.some((property) => property.name === "out") === true ||
      around.some((type) => this.#interfaceHasOut(named(type).name));
  }
}

/** The catalog without what types do not say. */
function typed(entries: object): unknown {
  return JSON.parse(JSON.stringify(
    entries,
    (key, value) => ["ownership", "ending", "constructible"].includes(key) ? undefined : value,
  ));
}

const exported = new Exports(await declarations());

Deno.test("The lint plugin knows every function that gives something to dispose of", () => {
  assertEquals(typed(catalog.functions), exported.functions());
});

Deno.test("The lint plugin knows every value and class that something to dispose of comes from", () => {
  assertEquals(catalog.values, exported.values());
  assertEquals(typed(catalog.kinds), exported.kinds());
});

Deno.test("The lint plugin knows what can be made with `new`", async () => {
  const modules = {
    ...await import("@quern/quern"),
    ...await import("@quern/quern/models"),
    ...await import("@quern/quern/nn"),
    ...await import("@quern/quern/optim"),
    ...await import("@quern/quern/train"),
  };
  const constructible = Object.entries(modules).filter(([name, value]) =>
    typeof value === "function" && Symbol.dispose in (value.prototype ?? {}) &&
    Object.hasOwn(catalog.kinds, name)
  ).map(([name]) => name);
  const known = Object.entries(catalog.kinds).filter(([, kind]) => kind.constructible);
  assertEquals(known.map(([name]) => name).sort(), constructible.sort());
});

Deno.test("The lint plugin lists only callback takers that exist", async () => {
  const modules = {
    ...await import("@quern/quern"),
    ...await import("@quern/quern/testing"),
  };
  for (const name of catalog.callbackTakers) assertEquals(name in modules, true, name);
});
