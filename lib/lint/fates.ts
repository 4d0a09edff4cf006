/**
 * Fates: whether something takes over what an expression gives, so that its
 * disposal is in other hands.
 *
 * A value is taken over when it is bound with `using`, disposed of, returned,
 * stored, passed to something unknown, or put into a variable with such a use.
 * Operations of Quern, assertions and `console` only look at it. What cannot be
 * told counts as taken over: a missed leak is found by `assertNoLeaks`, a false
 * alarm by nobody.
 */
import { callbackTakers, kinds } from "./catalog.ts";
import {
  functionAround,
  type Identifier,
  isFunction,
  type Names,
  type Node,
  parentOf,
  type Variable,
} from "./names.ts";
import { isWrapper, outOf, propertyName, type Values } from "./values.ts";

type Call = Deno.lint.CallExpression | Deno.lint.NewExpression;

/** Methods after which nothing is left to dispose of, whatever they belong to. */
const disposers: ReadonlySet<string> = new Set([
  "dispose",
  "Symbol.dispose",
  "Symbol.asyncDispose",
]);
const promiseMethods: ReadonlySet<string> = new Set(["then", "catch", "finally"]);

/** Methods whose callback is called before they return and keeps nothing. */
const immediateMethods: ReadonlySet<string> = new Set([
  "every",
  "filter",
  "find",
  "findIndex",
  "findLast",
  "findLastIndex",
  "flatMap",
  "forEach",
  "from",
  "map",
  "reduce",
  "reduceRight",
  "replace",
  "replaceAll",
  "some",
  "sort",
  "toSorted",
]);

/** Functions that only look at what they are given. */
const onlookers = /^(?:assert\w*|expect|String|Number|Boolean|isNaN)$/;
/** Functions and methods that expect a callback to throw. */
const throwers = /^(?:assertThrows|assertRejects|throws|rejects|expect)$/;
/** Objects whose methods only look at what they are given. */
const onlookingObjects: ReadonlySet<string> = new Set([
  "console",
  "Deno",
  "JSON",
  "Math",
  "Number",
]);

/** Nodes that use a value and let go of it. */
const lookers: ReadonlySet<string> = new Set([
  "ExpressionStatement",
  "UnaryExpression",
  "BinaryExpression",
  "TemplateLiteral",
  "IfStatement",
  "WhileStatement",
  "DoWhileStatement",
  "ForStatement",
  "ForInStatement",
  "ForOfStatement",
  "SwitchStatement",
  "SwitchCase",
  "UpdateExpression",
]);

/** Works out the fates of one file's values. */
export class Fates {
  readonly #names: Names;
  readonly #values: Values;
  readonly #known = new Map<Variable, boolean>();

  /**
   * For one file.
   *
   * @param names Its variables.
   * @param values What its expressions give.
   */
  constructor(names: Names, values: Values) {
    this.#names = names;
    this.#values = values;
  }

  /**
   * Whether something takes over what an expression gives.
   *
   * @param node An expression.
   * @returns False when it is lost, or only looked at.
   */
  isTaken(node: Node): boolean {
    const parent = parentOf(node);
    if (parent === undefined) return true;
    if (isWrapper(parent) || parent.type === "AwaitExpression") return this.isTaken(parent);
    if (lookers.has(parent.type)) return false;
    switch (parent.type) {
      case "ConditionalExpression":
        return parent.test !== node && this.isTaken(parent);
      case "LogicalExpression":
        return this.isTaken(parent);
      case "SequenceExpression":
        return parent.expressions.at(-1) === node && this.isTaken(parent);
      case "VariableDeclarator":
        return this.#isDeclaredTaken(node, parent);
      case "AssignmentExpression":
        return this.#isAssignedTaken(node, parent);
      case "MemberExpression":
        return this.#isMemberTaken(node, parent);
      case "ArrowFunctionExpression":
        return !this.#isIgnoredResult(parent);
      case "CallExpression":
      case "NewExpression":
        return this.#isArgumentTaken(node, parent);
      case "ArrayExpression":
        return this.#isElementTaken(parent);
      case "Property":
        return this.#isPropertyTaken(parent);
      default:
        return true;
    }
  }

  /**
   * Whether some use of a variable takes over what it holds.
   *
   * @param variable A variable, or a parameter.
   * @returns False when its uses only look at it.
   */
  isVariableTaken(variable: Variable): boolean {
    const known = this.#known.get(variable);
    if (known !== undefined) return known;
    // Stands while a function that calls itself is looked at.
    this.#known.set(variable, false);
    const isTaken = isHeld(variable) ||
      variable.uses.some((use) => this.#isCaptured(variable, use) || this.isTaken(use));
    this.#known.set(variable, isTaken);
    return isTaken;
  }

  /**
   * Whether a node is where nothing made is lost: in the callback of a scope, which
   * disposes of it, at any depth, or in that of an assertion that it throws.
   *
   * @param node A node.
   * @returns True there.
   */
  isSheltered(node: Node): boolean {
    const nearest = functionAround(node);
    for (let around = nearest; around.type !== "Program"; around = functionAround(around)) {
      const calls = this.#callsWith(around);
      if (calls.some((call) => this.#values.calls(call, scopes))) return true;
      if (around === nearest && calls.some(expectsError)) return true;
    }
    return false;
  }

  /** The calls that a function is passed to, itself or by its name. */
  #callsWith(fn: Node): Deno.lint.CallExpression[] {
    const declaration = parentOf(fn);
    const id = fn.type === "FunctionDeclaration"
      ? fn.id
      : declaration?.type === "VariableDeclarator" && declaration.init === fn
      ? declaration.id
      : undefined;
    const uses = id?.type === "Identifier" ? this.#names.of(id)?.uses ?? [] : [];
    return [fn, ...uses].map(argumentOf).filter((call) => call !== undefined);
  }

  #isDeclaredTaken(node: Node, declarator: Deno.lint.VariableDeclarator): boolean {
    if (declarator.id.type !== "Identifier") {
      // Destructuring keeps the parts of a table, and loses the rest of a tensor.
      const kind = this.#values.of(node)?.kind;
      return kind === undefined || !kinds[kind].disposable;
    }
    const variable = this.#names.of(declarator.id);
    return variable === undefined || this.isVariableTaken(variable);
  }

  #isAssignedTaken(node: Node, assignment: Deno.lint.AssignmentExpression): boolean {
    const { left, right } = assignment;
    if (right !== node) return left.type !== "Identifier";
    if (left.type !== "Identifier") return true;
    const variable = this.#names.of(left);
    if (variable === undefined) return true;
    return functionAround(variable.declaration) !== functionAround(assignment) ||
      this.isVariableTaken(variable) || this.isTaken(assignment);
  }

  #isMemberTaken(node: Node, member: Deno.lint.MemberExpression): boolean {
    if (member.object !== node) return false;
    const name = propertyName(member);
    if (name === undefined) return false;
    if (disposers.has(name)) return true;
    const value = this.#values.of(node);
    const call = callOf(member);
    if (call !== undefined && promiseMethods.has(name)) return value?.promised !== false;
    if (value === undefined) return false;
    const { methods, parts, ending } = kinds[value.kind];
    if (parts !== undefined && Object.hasOwn(parts, name)) return this.isTaken(member);
    if (call === undefined) return false;
    if (ending?.includes(name)) return true;
    return methods?.[name]?.ownership === "same" && this.isTaken(call);
  }

  #isArgumentTaken(node: Node, call: Call): boolean {
    if (call.callee === node) return false;
    const callee = this.#values.callee(call);
    if (callee === undefined) return !this.#onlyLooks(node, call);
    if (callee.name === "keep") return true;
    if (callee.name.startsWith("new ")) return true;
    const isSame = callee.result?.ownership === "same" && callee.receiver === undefined;
    return isSame && call.arguments[0] === node && this.isTaken(call);
  }

  /** An array that is an operand is looked at with its elements. */
  #isElementTaken(list: Deno.lint.ArrayExpression): boolean {
    const parent = parentOf(list);
    const isOperand = parent?.type === "CallExpression" && parent.callee !== list &&
      this.#values.callee(parent) !== undefined;
    return !isOperand || this.#isArgumentTaken(list, parent);
  }

  /** An option of an operation is looked at, except `out`, which becomes the result. */
  #isPropertyTaken(property: Deno.lint.Property): boolean {
    const call = parentOf(property.parent);
    if (call?.type !== "CallExpression") return true;
    const callee = this.#values.callee(call);
    if (callee === undefined || callee.name === "keep") return true;
    const out = callee.result && outOf(call, callee.result);
    return out === property.value && this.isTaken(call);
  }

  /** Whether a function that is none of Quern's only looks at an argument. */
  #onlyLooks(node: Node, call: Call): boolean {
    if (call.type === "NewExpression") return false;
    const { callee } = call;
    if (callee.type === "MemberExpression") {
      return callee.object.type === "Identifier" && onlookingObjects.has(callee.object.name) &&
        this.#names.of(callee.object) === undefined;
    }
    if (callee.type !== "Identifier") return false;
    if (onlookers.test(callee.name)) return true;
    const parameter = this.#parameterFor(node, call, callee);
    return parameter !== undefined && !this.isVariableTaken(parameter);
  }

  /** The parameter that an argument becomes, of a function in the same file. */
  #parameterFor(node: Node, call: Call, callee: Identifier): Variable | undefined {
    const origin = this.#names.of(callee)?.origin;
    const fn = origin?.type === "VariableDeclarator" ? origin.init : origin;
    if (!fn || !isFunction(fn) || fn.body === null) return undefined;
    const before = call.arguments.slice(0, call.arguments.indexOf(node as Deno.lint.Expression));
    if (before.some((argument) => argument.type === "SpreadElement")) return undefined;
    const parameter = fn.params[before.length];
    return parameter?.type === "Identifier" ? this.#names.of(parameter) : undefined;
  }

  /** Whether a use is in a function that may run later. */
  #isCaptured(variable: Variable, use: Identifier): boolean {
    const home = isFunction(variable.origin)
      ? variable.origin
      : functionAround(variable.declaration);
    for (let fn = functionAround(use); fn !== home; fn = functionAround(fn)) {
      if (fn.type === "Program" || !this.#isImmediate(fn)) return true;
    }
    return false;
  }

  /** Whether a function runs where it stands, and is gone then. */
  #isImmediate(fn: Node): boolean {
    const call = parentOf(fn);
    if (!isFunction(fn) || call?.type !== "CallExpression") return false;
    if (this.#values.calls(call, callbackTakers)) return true;
    if (fn.async || fn.generator) return false;
    if (call.callee === fn) return true;
    const { callee } = call;
    if (callee.type === "Identifier") return onlookers.test(callee.name);
    return callee.type === "MemberExpression" && immediateMethods.has(propertyName(callee) ?? "");
  }

  /** Whether what a callback gives is thrown away. */
  #isIgnoredResult(fn: Deno.lint.ArrowFunctionExpression): boolean {
    const call = parentOf(fn);
    return call?.type === "CallExpression" && call.callee.type === "MemberExpression" &&
      propertyName(call.callee) === "forEach";
  }
}

const scopes: ReadonlySet<string> = new Set(["scope", "checkpoint", "grad", "valueAndGrad"]);

/** The call that a node is an argument of. */
function argumentOf(node: Node): Deno.lint.CallExpression | undefined {
  const parent = parentOf(node);
  return parent?.type === "CallExpression" && parent.callee !== node ? parent : undefined;
}

/** Whether a call takes a function that throws. */
function expectsError({ callee }: Deno.lint.CallExpression): boolean {
  const name = callee.type === "MemberExpression" ? propertyName(callee) : undefined;
  return throwers.test(name ?? (callee.type === "Identifier" ? callee.name : ""));
}

/** Whether a variable's declaration alone takes care of it. */
function isHeld({ origin }: Variable): boolean {
  if (origin.type !== "VariableDeclarator") return false;
  const list = parentOf(origin);
  if (list?.type !== "VariableDeclaration") return false;
  return list.kind.endsWith("using") || parentOf(list)?.type === "ExportNamedDeclaration";
}

/** The call of a method, when that is what its member expression is for. */
function callOf(member: Node): Deno.lint.CallExpression | undefined {
  let node = member;
  let parent = parentOf(node);
  while (parent !== undefined && isWrapper(parent)) {
    node = parent;
    parent = parentOf(node);
  }
  return parent?.type === "CallExpression" && parent.callee === node ? parent : undefined;
}
