/**
 * Names: which variable an identifier of a source file means.
 *
 * Deno's lint plugins see a syntax tree without scopes, so the scopes of a file
 * are worked out here, in two passes over its identifiers: those that declare
 * something are put into their scope, then every other one is looked up from
 * the inside out. Types are no uses.
 */

/** A node of the syntax tree. */
export type Node = Deno.lint.Node;
/** A name in the syntax tree. */
export type Identifier = Deno.lint.Identifier;

/** Something that a name was declared for. */
export interface Variable {
  /** The identifier that declares it. */
  readonly declaration: Identifier;
  /**
   * What declares it: an import's specifier, a declarator, the function whose
   * parameter it is, a function, class, enum, or catch clause.
   */
  readonly origin: Node;
  /** The node that it belongs to: a block, a function, a loop, the program. */
  readonly scope: Node;
  /** Where it is used, writes included. */
  readonly uses: Identifier[];
}

const functionTypes: ReadonlySet<string> = new Set([
  "FunctionDeclaration",
  "FunctionExpression",
  "ArrowFunctionExpression",
]);

const scopeTypes: ReadonlySet<string> = new Set([
  ...functionTypes,
  "Program",
  "BlockStatement",
  "StaticBlock",
  "ForStatement",
  "ForInStatement",
  "ForOfStatement",
  "SwitchStatement",
  "CatchClause",
  "TSModuleBlock",
]);

/** Nodes whose name belongs to the scope around them. */
const namedDeclarations: ReadonlySet<string> = new Set([
  "FunctionDeclaration",
  "ClassDeclaration",
  "TSEnumDeclaration",
]);

/** Nodes of types that hold expressions. */
const typedExpressions: ReadonlySet<string> = new Set([
  "TSAsExpression",
  "TSNonNullExpression",
  "TSSatisfiesExpression",
  "TSTypeAssertion",
  "TSInstantiationExpression",
  "TSExportAssignment",
]);

/** All variables of a file. */
export class Names {
  readonly #scopes = new Map<Node, Map<string, Variable>>();
  readonly #variables = new Map<Identifier, Variable>();

  /**
   * Works out the variables of a file.
   *
   * @param identifiers All its identifiers.
   */
  constructor(identifiers: readonly Identifier[]) {
    const others = identifiers.filter((identifier) => !this.#declare(identifier));
    for (const identifier of others) {
      if (!isUse(identifier)) continue;
      const variable = this.find(identifier.name, identifier);
      if (variable === undefined) continue;
      variable.uses.push(identifier);
      this.#variables.set(identifier, variable);
    }
  }

  /**
   * The variable that an identifier declares or uses.
   *
   * @param identifier A name in the file.
   * @returns The variable; undefined for a global, a property or a type.
   */
  of(identifier: Identifier): Variable | undefined {
    return this.#variables.get(identifier);
  }

  /**
   * The variable that a name means at a place.
   *
   * @param name The name.
   * @param place A node.
   * @returns The variable; undefined for a global.
   */
  find(name: string, place: Node): Variable | undefined {
    for (let node: Node | undefined = place; node !== undefined; node = parentOf(node)) {
      const variable = this.#scopes.get(node)?.get(name);
      if (variable !== undefined) return variable;
    }
    return undefined;
  }

  #declare(declaration: Identifier): boolean {
    const origin = originOf(declaration);
    if (origin === undefined) return false;
    const scope = scopeOf(origin, declaration);
    let variables = this.#scopes.get(scope);
    if (variables === undefined) this.#scopes.set(scope, variables = new Map());
    // Overloads, and `var` twice, are one variable.
    let variable = variables.get(declaration.name);
    if (variable === undefined || origin.type === "FunctionDeclaration") {
      variable = { declaration, origin, scope, uses: variable?.uses ?? [] };
    }
    variables.set(declaration.name, variable);
    this.#variables.set(declaration, variable);
    return true;
  }
}

/**
 * The node around a node.
 *
 * @param node A node.
 * @returns Its parent; undefined for the program.
 */
export function parentOf(node: Node): Node | undefined {
  return node.type === "Program" ? undefined : (node as { parent?: Node }).parent;
}

/**
 * Whether a node is a function of any kind.
 *
 * @param node A node.
 * @returns True for declarations, expressions, arrows and the bodies of methods.
 */
export function isFunction(
  node: Node,
): node is
  | Deno.lint.FunctionDeclaration
  | Deno.lint.FunctionExpression
  | Deno.lint.ArrowFunctionExpression {
  return functionTypes.has(node.type);
}

/**
 * The function that a node is in.
 *
 * @param node A node.
 * @returns The innermost function around it; the program at the top level.
 */
export function functionAround(node: Node): Node {
  let around = node;
  for (let next = parentOf(node); next !== undefined; next = parentOf(next)) {
    around = next;
    if (isFunction(next) || next.type === "StaticBlock") break;
  }
  return around;
}

/** What an identifier declares a name in; undefined when it declares nothing. */
function originOf(identifier: Identifier): Node | undefined {
  let node: Node = identifier;
  let parent = parentOf(node);
  while (parent !== undefined && isPatternAround(parent, node)) {
    node = parent;
    parent = parentOf(node);
  }
  if (parent === undefined) return undefined;
  switch (parent.type) {
    case "VariableDeclarator":
      return parent.id === node ? parent : undefined;
    case "CatchClause":
      return parent.param === node ? parent : undefined;
    case "ImportSpecifier":
    case "ImportDefaultSpecifier":
    case "ImportNamespaceSpecifier":
      return parent.local === node ? parent : undefined;
    case "ClassDeclaration":
    case "ClassExpression":
    case "TSEnumDeclaration":
      return parent.id === node ? parent : undefined;
    default:
      return isFunction(parent) && parent.body !== node ? parent : undefined;
  }
}

function isPatternAround(parent: Node, node: Node): boolean {
  // Parameters that are properties are missing from the union of nodes.
  if ((parent.type as string) === "TSParameterProperty") return true;
  switch (parent.type) {
    case "ArrayPattern":
    case "ObjectPattern":
    case "RestElement":
      return true;
    case "AssignmentPattern":
      return parent.left === node;
    case "Property":
      return parent.value === node && parentOf(parent)?.type === "ObjectPattern";
    default:
      return false;
  }
}

/** The scope that a declaration puts its name into. */
function scopeOf(origin: Node, declaration: Identifier): Node {
  if (isFunction(origin)) {
    const isName = origin.type !== "ArrowFunctionExpression" && origin.id === declaration;
    if (!isName || origin.type === "FunctionExpression") return origin;
  }
  if (origin.type === "CatchClause" || origin.type === "ClassExpression") return origin;
  const list = parentOf(origin);
  if (origin.type === "VariableDeclarator" && list?.type === "VariableDeclaration") {
    if (list.kind === "var") return functionAround(origin);
  }
  let scope = namedDeclarations.has(origin.type) ? parentOf(origin) : origin;
  while (scope !== undefined && !scopeTypes.has(scope.type)) scope = parentOf(scope);
  return scope ?? origin;
}

/** Whether an identifier that declares nothing stands for a value. */
function isUse(identifier: Identifier): boolean {
  const parent = parentOf(identifier);
  if (parent === undefined) return false;
  switch (parent.type) {
    case "MemberExpression":
      return parent.computed || parent.object === identifier;
    case "Property":
    case "PropertyDefinition":
      return parent.computed || parent.value === identifier;
    case "MethodDefinition":
      return parent.computed;
    case "ExportSpecifier":
      return parent.local === identifier;
    case "LabeledStatement":
    case "BreakStatement":
    case "ContinueStatement":
    case "MetaProperty":
    case "ImportSpecifier":
      return false;
    default:
      return !parent.type.startsWith("TS") || typedExpressions.has(parent.type);
  }
}
