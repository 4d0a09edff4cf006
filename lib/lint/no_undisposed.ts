/**
 * The rule `no-undisposed`: results of Quern that nothing disposes of.
 *
 * Every call that makes something (see `catalog.ts`) is looked at, and reported
 * unless something takes over its result (see `fates.ts`) or a scope around it
 * does. A variable that is never disposed of gets a fix, `using` in place of
 * `const`, where that is allowed and no view of its elements is handed on.
 *
 * Deno 2.9 shows plugins nothing of a block behind an empty statement (a stray
 * `;`, which `deno fmt` removes), so what is disposed of there counts as lost.
 */
import { kinds } from "./catalog.ts";
import { Fates } from "./fates.ts";
import {
  functionAround,
  type Identifier,
  Names,
  type Node,
  parentOf,
  type Variable,
} from "./names.ts";
import { importsQuern, isWrapper, propertyName, type Value, Values } from "./values.ts";

type Call = Deno.lint.CallExpression | Deno.lint.NewExpression;

/** Where a declaration with `using` may stand. */
const usingPlaces: ReadonlySet<string> = new Set(["Program", "BlockStatement", "StaticBlock"]);
/** Properties that show memory without holding it. */
const borrowedViews: ReadonlySet<string> = new Set(["data", "buffer", "address"]);

/** Reports results of Quern that nothing disposes of. */
export const noUndisposed: Deno.lint.Rule = {
  create(context) {
    const identifiers: Identifier[] = [];
    const calls: Call[] = [];
    let isOfInterest = false;
    return {
      ImportDeclaration(node) {
        isOfInterest ||= importsQuern(node);
      },
      Identifier(node) {
        identifiers.push(node);
      },
      CallExpression(node) {
        calls.push(node);
      },
      NewExpression(node) {
        calls.push(node);
      },
      "Program:exit"() {
        if (isOfInterest) new Check(context, identifiers).run(calls);
      },
    };
  },
};

/** The check of one file. */
class Check {
  readonly #context: Deno.lint.RuleContext;
  readonly #names: Names;
  readonly #values: Values;
  readonly #fates: Fates;

  constructor(context: Deno.lint.RuleContext, identifiers: Identifier[]) {
    this.#context = context;
    this.#names = new Names(identifiers);
    this.#values = new Values(this.#names);
    this.#fates = new Fates(this.#names, this.#values);
  }

  run(calls: Call[]): void {
    for (const call of calls) {
      const value = this.#values.of(call);
      if (value?.made === undefined || this.#fates.isSheltered(call)) continue;
      if (!this.#fates.isTaken(call)) this.#report(call, value);
      else this.#checkOverwritten(call);
    }
  }

  /** `h = add(h, x)`: the old value is an operand, and the only name of it is gone. */
  #checkOverwritten(call: Call): void {
    const place = placeOf(call);
    const assignment = parentOf(place);
    if (assignment?.type !== "AssignmentExpression" || assignment.right !== place) return;
    const variable = assignment.left.type === "Identifier"
      ? this.#names.of(assignment.left)
      : undefined;
    if (variable === undefined || !this.#ownsItsValue(variable)) return;
    const isOperand = variable.uses.some((use) => call.arguments.includes(use));
    if (!isOperand) return;
    const { name } = variable.declaration;
    this.#context.report({
      node: call,
      message: `The former value of \`${name}\` is lost: ${
        this.#values.callee(call)?.name
      } borrows it`,
      hint: `Work in place, pass \`out: ${name}\`, or dispose of it after the call`,
    });
  }

  /** Whether a variable is made with something new, which nothing but itself ever holds. */
  #ownsItsValue({ declaration, origin, uses }: Variable): boolean {
    if (origin.type !== "VariableDeclarator" || origin.init === null) return false;
    if (this.#values.of(origin.init)?.made === undefined) return false;
    const home = functionAround(declaration);
    return uses.every((use) =>
      functionAround(use) === home && (!this.#fates.isTaken(use) || isEnd(use))
    );
  }

  #report(call: Call, value: Value): void {
    const place = placeOf(call);
    const parent = parentOf(place);
    if (parent?.type === "VariableDeclarator" && parent.id.type === "Identifier") {
      this.#reportVariable(call, value, parent, parent.id);
      return;
    }
    const what = describe(value);
    if (parent?.type === "AssignmentExpression" && parent.left.type === "Identifier") {
      this.#context.report({
        node: call,
        message: `${what} is never disposed of: nothing disposes of \`${parent.left.name}\``,
        hint: "Dispose of the variable in a `finally` block, or bind each result with `using`",
      });
      return;
    }
    const user = parent?.type === "CallExpression" && parent.callee !== place
      ? this.#values.callee(parent)?.name
      : undefined;
    this.#context.report({
      node: call,
      message: user === undefined ? `${what} is lost` : `${what} is lost: ${user} borrows it`,
      hint: kinds[value.kind].disposable
        ? "Bind it with `using` first, pass `out`, or work inside `scope()`"
        : "Bind it first and dispose of its tensors, pass `out`, or work inside `scope()`",
    });
  }

  #reportVariable(
    call: Call,
    value: Value,
    declarator: Deno.lint.VariableDeclarator,
    id: Identifier,
  ): void {
    const list = declarator.parent;
    const variable = this.#names.of(id);
    const isFixable = variable !== undefined && this.#isFixable(value, declarator, variable);
    this.#context.report({
      node: call,
      message: `\`${id.name}\` is never disposed of; it holds ${describe(value, "the")}`,
      hint: kinds[value.kind].disposable
        ? "Bind it with `using`, or return it, keep() it or dispose of it"
        : "Dispose of its tensors, or return or keep() it",
      fix: isFixable
        ? (fixer) => {
          const [start] = list.range;
          return fixer.replaceTextRange([start, start + list.kind.length], "using");
        }
        : undefined,
    });
  }

  #isFixable(
    value: Value,
    { parent: list, init }: Deno.lint.VariableDeclarator,
    { uses }: Variable,
  ): boolean {
    if (!kinds[value.kind].disposable || list.kind === "var") return false;
    if (list.declarations.length > 1 || !usingPlaces.has(list.parent.type)) return false;
    if (init === null || this.#values.of(init)?.promised === true) return false;
    return !uses.some((use) => isWrite(use) || this.#isViewHandedOn(use));
  }

  /** Whether a view of the elements leaves, which would show other data after disposal. */
  #isViewHandedOn(use: Identifier): boolean {
    let node: Node = use;
    let parent = parentOf(node);
    while (parent !== undefined && isWrapper(parent)) {
      node = parent;
      parent = parentOf(node);
    }
    return parent?.type === "MemberExpression" && parent.object === node &&
      borrowedViews.has(propertyName(parent) ?? "") && this.#fates.isTaken(parent);
  }
}

/** The outermost expression that gives what a call gives. */
function placeOf(call: Call): Node {
  let node: Node = call;
  for (let parent = parentOf(node); parent !== undefined; parent = parentOf(node)) {
    const gives = isWrapper(parent) || parent.type === "AwaitExpression" ||
      parent.type === "LogicalExpression" ||
      (parent.type === "ConditionalExpression" && parent.test !== node);
    if (!gives) break;
    node = parent;
  }
  return node;
}

function describe({ made = "" }: Value, article = "The"): string {
  if (made.startsWith("new ")) return `${article} ${made.slice("new ".length)}`;
  return `${article} result of ${made}()`;
}

/** Whether a use of a variable is the last of its value: `return y` or `y.dispose()`. */
function isEnd(use: Identifier): boolean {
  const { parent } = use;
  return parent.type === "ReturnStatement" ||
    (parent.type === "MemberExpression" && parent.object === use);
}

function isWrite(use: Identifier): boolean {
  const { parent } = use;
  return (parent.type === "AssignmentExpression" && parent.left === use) ||
    parent.type === "UpdateExpression";
}
