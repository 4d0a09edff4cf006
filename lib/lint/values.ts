/**
 * Values: what of Quern an expression of a source file gives, as far as its
 * text tells. Imports are followed under any name, variables to what they were
 * declared with, parameters to their types.
 */
import { functions, kinds, type Result, values } from "./catalog.ts";
import { type Identifier, isFunction, type Names, type Node, type Variable } from "./names.ts";

/** What an expression gives. */
export interface Value {
  /** The name of its class or interface, a key of `kinds`. */
  readonly kind: string;
  /** The call that makes it new, when that is what the expression is. */
  readonly made?: string;
  /** Whether it comes in a promise. */
  readonly promised?: boolean;
}

/** What a call refers to. */
export interface Callee {
  /** For messages: `add`, `Tensor.zeros`, `reshape`. */
  readonly name: string;
  /** What it gives; undefined for functions of Quern that give nothing of interest. */
  readonly result?: Result;
  /** What it was called on, for methods. */
  readonly receiver?: Node;
}

type Call = Deno.lint.CallExpression | Deno.lint.NewExpression;

/** Wherever the package comes from: an import map, JSR or npm, with or without a version. */
const packagePattern = /^(?:jsr:\/?|npm:\/?)?@quern\/quern(?:@[^/]*)?(?:\/[\w./-]*)?$/;

/** Expressions that give what another one gives. */
const wrappers: ReadonlySet<string> = new Set([
  "TSAsExpression",
  "TSNonNullExpression",
  "TSSatisfiesExpression",
  "TSTypeAssertion",
  "ChainExpression",
]);

/**
 * Whether an expression gives what the one inside it gives.
 *
 * @param node A node.
 * @returns True for assertions of types, `!` and optional chains.
 */
export function isWrapper(node: Node): node is Node & { expression: Deno.lint.Expression } {
  return wrappers.has(node.type);
}

/** Works out what expressions of one file give. */
export class Values {
  readonly #names: Names;
  readonly #known = new Map<Node, Value | undefined>();

  /**
   * For one file.
   *
   * @param names Its variables.
   */
  constructor(names: Names) {
    this.#names = names;
  }

  /**
   * What an expression gives.
   *
   * @param node An expression.
   * @returns Its kind; undefined when it is none of Quern's, or cannot be told.
   */
  of(node: Node): Value | undefined {
    if (this.#known.has(node)) return this.#known.get(node);
    // Stands while a variable that refers to itself is looked at.
    this.#known.set(node, undefined);
    const value = this.#workOut(node);
    this.#known.set(node, value);
    return value;
  }

  /**
   * What a call refers to.
   *
   * @param call A call, or `new`.
   * @returns A function, method or class of Quern; undefined for all others.
   */
  callee(call: Call): Callee | undefined {
    const target = unwrap(call.callee);
    const exported = this.#exportedName(target);
    if (exported !== undefined) return this.#exportedCallee(call, exported);
    if (target.type !== "MemberExpression" || call.type === "NewExpression") return undefined;
    const method = propertyName(target);
    const owner = this.#exportedName(unwrap(target.object));
    if (method === undefined) return undefined;
    if (owner !== undefined && Object.hasOwn(kinds, owner)) {
      return { name: `${owner}.${method}`, result: own(kinds[owner].statics, method) };
    }
    const receiver = this.of(target.object);
    if (receiver === undefined) return undefined;
    const name = `${receiver.kind}.${method}`;
    return { name, result: own(kinds[receiver.kind].methods, method), receiver: target.object };
  }

  /**
   * Whether a call refers to a function that Quern exports under a name.
   *
   * @param call A call.
   * @param names The names.
   * @returns True when it is one of them.
   */
  calls(call: Node, names: ReadonlySet<string>): boolean {
    if (call.type !== "CallExpression") return false;
    const name = this.#exportedName(unwrap(call.callee));
    return name !== undefined && names.has(name);
  }

  #exportedCallee(call: Call, name: string): Callee {
    if (call.type === "CallExpression") return { name, result: own(functions, name) };
    const isMade = own(kinds, name)?.constructible === true;
    return { name: `new ${name}`, result: isMade ? { kind: name, ownership: "new" } : undefined };
  }

  #workOut(node: Node): Value | undefined {
    if (isWrapper(node)) return this.of(node.expression);
    switch (node.type) {
      case "AwaitExpression": {
        const value = this.of(node.argument);
        return value && { ...value, promised: false };
      }
      case "Identifier":
        return this.#valueOfName(node);
      case "CallExpression":
      case "NewExpression":
        return this.#valueOfCall(node);
      case "MemberExpression":
        return this.#valueOfMember(node);
      case "ConditionalExpression":
        return borrowed(this.of(node.consequent) ?? this.of(node.alternate));
      case "LogicalExpression":
        return borrowed(this.of(node.right) ?? this.of(node.left));
      case "AssignmentExpression":
        return borrowed(this.of(node.right));
      default:
        return undefined;
    }
  }

  #valueOfCall(call: Call): Value | undefined {
    const callee = this.callee(call);
    if (callee?.name === "scope") return this.#valueOfScope(call);
    const result = callee?.result;
    if (result === undefined) return undefined;
    const { kind, ownership, asynchronous: promised } = result;
    if (ownership !== "new") return { kind };
    return isNew(call, result) ? { kind, made: callee?.name, promised } : { kind };
  }

  /** A scope gives what its callback returns, released from the scope. */
  #valueOfScope(call: Call): Value | undefined {
    const [callback] = call.arguments;
    if (callback === undefined || !isFunction(callback) || callback.body === null) return undefined;
    for (const returned of returnedExpressions(callback.body)) {
      const value = this.#made(returned);
      if (value !== undefined) {
        return { kind: value.kind, made: "scope", promised: callback.async || value.promised };
      }
    }
    return undefined;
  }

  /** What an expression makes, itself or by way of a variable. */
  #made(node: Node): Value | undefined {
    const variable = node.type === "Identifier" ? this.#names.of(node) : undefined;
    const origin = variable?.origin;
    const init = origin?.type === "VariableDeclarator" ? origin.init : undefined;
    const value = this.of(init ?? node);
    return value?.made === undefined ? undefined : value;
  }

  #valueOfMember(node: Deno.lint.MemberExpression): Value | undefined {
    const exported = this.#exportedName(node);
    if (exported !== undefined) return valueOfExport(exported);
    const name = propertyName(node);
    const owner = this.of(node.object);
    if (name === undefined || owner === undefined) return undefined;
    const kind = own(kinds[owner.kind].parts, name);
    return kind === undefined ? undefined : { kind };
  }

  #valueOfName(identifier: Identifier): Value | undefined {
    const exported = this.#exportedName(identifier);
    if (exported !== undefined) return valueOfExport(exported);
    const variable = this.#names.of(identifier);
    return variable && borrowed(this.#valueOfVariable(variable));
  }

  #valueOfVariable({ declaration, origin, uses }: Variable): Value | undefined {
    const type = declaration.typeAnnotation?.typeAnnotation;
    const kind = type && this.#kindOfType(type);
    if (kind !== undefined) return { kind };
    if (origin.type !== "VariableDeclarator" || origin.id !== declaration) return undefined;
    if (origin.init !== null) return this.of(origin.init);
    const assignment = uses.map(assignedTo).find((value) => value !== undefined);
    return assignment && this.of(assignment);
  }

  /** The kind that a type names, also in a union. */
  #kindOfType(type: Node): string | undefined {
    if (type.type === "TSUnionType") {
      return type.types.map((each) => this.#kindOfType(each)).find((kind) => kind !== undefined);
    }
    if (type.type !== "TSTypeReference") return undefined;
    const { typeName } = type;
    const name = typeName.type === "Identifier"
      ? this.#importedName(typeName)
      : typeName.type === "TSQualifiedName" && typeName.left.type === "Identifier" &&
          this.#isNamespace(typeName.left)
      ? typeName.right.name
      : undefined;
    return name !== undefined && Object.hasOwn(kinds, name) ? name : undefined;
  }

  /** The name under which Quern exports what an expression means. */
  #exportedName(node: Node): string | undefined {
    if (node.type === "Identifier") return this.#importedName(node);
    if (node.type !== "MemberExpression" || node.object.type !== "Identifier") return undefined;
    return this.#isNamespace(node.object) ? propertyName(node) : undefined;
  }

  #importedName(identifier: Identifier): string | undefined {
    const origin = this.#names.find(identifier.name, identifier)?.origin;
    if (origin?.type !== "ImportSpecifier" || !isFromQuern(origin)) return undefined;
    const { imported } = origin;
    return imported.type === "Identifier" ? imported.name : imported.value;
  }

  #isNamespace(identifier: Identifier): boolean {
    const origin = this.#names.find(identifier.name, identifier)?.origin;
    return origin?.type === "ImportNamespaceSpecifier" && isFromQuern(origin);
  }
}

/**
 * The name of the property that a member expression reads.
 *
 * @param node `object.name`, `object["name"]` or `object[Symbol.name]`.
 * @returns `name`, with `Symbol.` before it in the last form; undefined when it is computed.
 */
export function propertyName(node: Deno.lint.MemberExpression): string | undefined {
  const { property, computed } = node;
  if (!computed) return property.type === "Identifier" ? property.name : undefined;
  if (property.type === "Literal" && typeof property.value === "string") return property.value;
  if (property.type !== "MemberExpression" || property.computed) return undefined;
  const isSymbol = property.object.type === "Identifier" && property.object.name === "Symbol";
  return isSymbol ? `Symbol.${propertyName(property)}` : undefined;
}

/**
 * The `out` of a call's options.
 *
 * @param call A call.
 * @param result What its function gives.
 * @returns The expression; undefined when there is none.
 */
export function outOf(call: Call, result: Result): Node | undefined {
  const options = result.options === undefined ? undefined : call.arguments[result.options];
  if (options?.type !== "ObjectExpression") return undefined;
  for (const property of options.properties) {
    if (property.type !== "Property" || property.computed) continue;
    if (property.key.type === "Identifier" && property.key.name === "out") return property.value;
  }
  return undefined;
}

/**
 * Whether an import is of Quern.
 *
 * @param declaration An import.
 * @returns True for the package and its entry points, by any of its names.
 */
export function importsQuern(declaration: Deno.lint.ImportDeclaration): boolean {
  return packagePattern.test(declaration.source.value);
}

/** Whether a call makes its result; options that cannot be read might hold an `out`. */
function isNew(call: Call, result: Result): boolean {
  if (call.arguments.some((argument) => argument.type === "SpreadElement")) return false;
  const options = result.options === undefined ? undefined : call.arguments[result.options];
  if (options === undefined) return true;
  if (options.type !== "ObjectExpression") return false;
  const isSpread = options.properties.some((property) => property.type === "SpreadElement");
  return !isSpread && outOf(call, result) === undefined;
}

function isFromQuern(specifier: Node & { parent: Node }): boolean {
  const { parent } = specifier;
  return parent.type === "ImportDeclaration" && importsQuern(parent);
}

function valueOfExport(name: string): Value | undefined {
  const kind = own(values, name);
  return kind === undefined ? undefined : { kind };
}

function borrowed(value: Value | undefined): Value | undefined {
  return value && { kind: value.kind, promised: value.promised };
}

/** The value that a use of a variable assigns to it, if it does. */
function assignedTo(use: Identifier): Node | undefined {
  const { parent } = use;
  return parent.type === "AssignmentExpression" && parent.left === use ? parent.right : undefined;
}

function unwrap(node: Node): Node {
  let inner = node;
  while (isWrapper(inner)) inner = inner.expression;
  return inner;
}

/** An own property, so that `constructor` and the like are no entries. */
function own<T>(entries: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return entries !== undefined && Object.hasOwn(entries, name) ? entries[name] : undefined;
}

/** What a function returns, as far as it is written in its own statements. */
function returnedExpressions(body: Node): Node[] {
  switch (body.type) {
    case "BlockStatement":
      return body.body.flatMap(returnedExpressions);
    case "ReturnStatement":
      return body.argument === null ? [] : [body.argument];
    case "IfStatement":
      return [body.consequent, body.alternate].flatMap((branch) =>
        branch ? returnedExpressions(branch) : []
      );
    case "TryStatement":
      return returnedExpressions(body.block);
    default:
      return body.type.endsWith("Statement") || body.type.endsWith("Declaration") ? [] : [body];
  }
}
