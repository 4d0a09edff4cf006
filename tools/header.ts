/**
 * Reads `csrc/quern.h`, the native interface, into plain descriptions.
 *
 * The header keeps to a closed grammar, stated at its own head, so that this reader can be small
 * and strict: whatever it does not know is an error that names the line, never something skipped.
 *
 *     header     = { directive | comment | enum | function }
 *     enum       = "typedef" "enum" NAME "{" { NAME "=" INTEGER "," } "}" NAME ";"
 *     function   = "QN_API" type NAME "(" ( "void" | parameter { "," parameter } ) ")" ";"
 *     parameter  = [ "QN_BUFFER" ] type NAME
 *     type       = [ "const" ] BASE [ "*" ]
 *
 * @module
 */

/** A value of the foreign function interface, as `Deno.dlopen` names it. */
export type ForeignType =
  | "i32"
  | "u32"
  | "u64"
  | "usize"
  | "f32"
  | "f64"
  | "buffer"
  | "pointer"
  | "void";

/** One parameter of a function. */
export interface Parameter {
  /** The parameter's name. */
  name: string;
  /** The declaration in C, for example `const float *x`. */
  declaration: string;
  /** How Deno passes it. */
  type: ForeignType;
}

/** One exported function. */
export interface FunctionDeclaration {
  /** The exported name. */
  name: string;
  /** The prototype in C, on one line. */
  prototype: string;
  /** The parameters in order. */
  parameters: Parameter[];
  /** How Deno receives the result. */
  result: ForeignType;
  /** The lines of the comment above it; empty when there is none. */
  comment: string[];
  /** The line that the declaration starts on, from 1. */
  line: number;
}

/** One name of an enum. */
export interface Enumerator {
  /** The name in C. */
  name: string;
  /** Its value. */
  value: number;
  /** The lines of the comment beside it; empty when there is none. */
  comment: string[];
}

/** One enum. */
export interface EnumDeclaration {
  /** The name of the type in C. */
  name: string;
  /** Its names in the order of the header. */
  enumerators: Enumerator[];
  /** The lines of the comment above it; empty when there is none. */
  comment: string[];
}

/** Everything that the header declares. */
export interface Header {
  /** The enums in the order of the header. */
  enums: EnumDeclaration[];
  /** The functions in the order of the header. */
  functions: FunctionDeclaration[];
}

/** The types a parameter or result may be of when it is no pointer. */
const SCALARS: Record<string, ForeignType> = {
  int32_t: "i32",
  uint32_t: "u32",
  uint64_t: "u64",
  size_t: "usize",
  float: "f32",
  double: "f64",
};

/** The types that a pointer may point to. */
const POINTEES = new Set(["void", "float", "int32_t", "uint64_t", "char"]);

/** The only directives there may be, with every run of blanks made one space. */
const DIRECTIVES = new Set([
  "#ifndef QUERN_H",
  "#define QUERN_H",
  "#include <stddef.h>",
  "#include <stdint.h>",
  "#define QN_BUFFER",
  "#if defined(_WIN32)",
  "#define QN_API __declspec(dllexport)",
  "#else",
  '#define QN_API __attribute__((visibility("default")))',
  "#endif",
]);

interface Token {
  kind: "word" | "number" | "mark" | "comment" | "end";
  text: string;
  line: number;
}

/** FNV-1a, 64 bit, of some bytes: the hash that ties the library to the table made from the header. */
export function fnv1a64(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}

/**
 * Reads a header.
 *
 * @param text the header's text
 * @param name what to call it in errors
 * @returns its enums and functions
 * @throws SyntaxError with the name and line of whatever is outside the grammar
 */
export function parseHeader(text: string, name = "quern.h"): Header {
  return new Parser(tokenize(text, name), name).parse();
}

function tokenize(text: string, name: string): Token[] {
  const pattern =
    /(?<blank>[ \n]+)|(?<comment>\/\*[^]*?\*\/)|(?<directive>#[^\n]*)|(?<word>[A-Za-z_]\w*)|(?<number>\d+)|(?<mark>[{}();,=*])/y;
  const tokens: Token[] = [];
  let line = 1;
  for (let at = 0; at < text.length; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const groups = pattern.exec(text)?.groups;
    if (groups === undefined) {
      throw new SyntaxError(`${name}:${line}: unexpected ${JSON.stringify(text[at])}`);
    }
    const [kind, found] = Object.entries(groups).find(([, value]) => value !== undefined)!;
    if (kind === "directive") checkDirective(found, name, line);
    else if (kind !== "blank") tokens.push({ kind: kind as Token["kind"], text: found, line });
    line += found.split("\n").length - 1;
  }
  tokens.push({ kind: "end", text: "the end of the file", line });
  return tokens;
}

function checkDirective(text: string, name: string, line: number): void {
  if (DIRECTIVES.has(text.trim().replace(/ +/g, " "))) return;
  throw new SyntaxError(`${name}:${line}: a directive outside the grammar: ${text.trim()}`);
}

/** The lines of a comment without its marks and without the star that may begin each line. */
function commentLines(comment: string): string[] {
  const lines = comment.slice(2, -2).split("\n").map((line) =>
    line.replace(/^ *\*? ?/, "").trimEnd()
  );
  lines[0] = lines[0].trimStart();
  while (lines.length > 0 && lines[0] === "") lines.shift();
  while (lines.length > 0 && lines.at(-1) === "") lines.pop();
  return lines;
}

/** A comment such as `---- Rows ----` names a section, and documents nothing. */
function isSection(lines: string[]): boolean {
  return lines.length === 1 && /^-{4}.*-{4}$/.test(lines[0]);
}

class Parser {
  #tokens: Token[];
  #at = 0;
  #name: string;
  #header: Header = { enums: [], functions: [] };
  #names = new Set<string>();

  constructor(tokens: Token[], name: string) {
    this.#tokens = tokens;
    this.#name = name;
  }

  parse(): Header {
    let comment: { lines: string[]; endLine: number } | undefined;
    while (this.#peek.kind !== "end") {
      const token = this.#peek;
      if (token.kind === "comment") {
        this.#at++;
        const lines = commentLines(token.text);
        const endLine = token.line + token.text.split("\n").length - 1;
        comment = isSection(lines) ? undefined : { lines, endLine };
        continue;
      }
      // A comment belongs to the declaration only when no blank line parts them.
      const own = comment !== undefined && comment.endLine === token.line - 1 ? comment.lines : [];
      comment = undefined;
      if (token.text === "typedef") this.#enum(own);
      else if (token.text === "QN_API") this.#function(own);
      else this.#fail("a typedef of an enum or a QN_API declaration");
    }
    return this.#header;
  }

  get #peek(): Token {
    return this.#tokens[this.#at];
  }

  #fail(expected: string): never {
    const { line, text } = this.#peek;
    throw new SyntaxError(`${this.#name}:${line}: expected ${expected}, found ${text}`);
  }

  /** Takes the next token, which must be `text`. */
  #take(text: string): void {
    if (this.#peek.text !== text) this.#fail(`"${text}"`);
    this.#at++;
  }

  /** Takes the next token when it is `text`. */
  #takeIf(text: string): boolean {
    if (this.#peek.text !== text) return false;
    this.#at++;
    return true;
  }

  #takeKind(kind: Token["kind"], what: string): string {
    if (this.#peek.kind !== kind) this.#fail(what);
    return this.#tokens[this.#at++].text;
  }

  /** Takes a name that no other declaration of the header may have. */
  #takeNew(pattern: RegExp, what: string): string {
    const { line, text, kind } = this.#peek;
    if (kind !== "word" || !pattern.test(text)) this.#fail(what);
    if (this.#names.has(text)) {
      throw new SyntaxError(`${this.#name}:${line}: ${text} is declared twice`);
    }
    this.#names.add(text);
    this.#at++;
    return text;
  }

  #enum(comment: string[]): void {
    this.#take("typedef");
    this.#take("enum");
    const name = this.#takeNew(/^qn_[a-z0-9_]+$/, "the enum's name, qn_…");
    this.#take("{");
    const enumerators: Enumerator[] = [];
    while (!this.#takeIf("}")) enumerators.push(this.#enumerator());
    this.#take(name);
    this.#take(";");
    this.#header.enums.push({ name, enumerators, comment });
  }

  #enumerator(): Enumerator {
    const line = this.#peek.line;
    const name = this.#takeNew(/^QN_[A-Z0-9_]+$/, "an enumerator's name, QN_…");
    this.#take("=");
    const value = Number(this.#takeKind("number", "the enumerator's value"));
    if (!(value < 2 ** 31)) this.#fail("a value that fits int32_t before this");
    this.#take(",");
    const next = this.#peek;
    if (next.kind === "comment" && next.line === line) {
      this.#at++;
      return { name, value, comment: commentLines(next.text) };
    }
    if (next.line === line) this.#fail("the next enumerator on a line of its own");
    return { name, value, comment: [] };
  }

  #function(comment: string[]): void {
    const line = this.#peek.line;
    this.#take("QN_API");
    const result = this.#result();
    const name = this.#takeNew(/^qn_[a-z0-9_]+$/, "the function's name, qn_…");
    this.#take("(");
    const parameters = this.#parameters();
    this.#take(";");
    const list = parameters.map((p) => (p.type === "buffer" ? "QN_BUFFER " : "") + p.declaration);
    const prototype = `${result.declaration}${name}(${list.join(", ") || "void"})`;
    this.#header.functions.push({
      name,
      prototype,
      parameters,
      result: result.type,
      comment,
      line,
    });
  }

  #result(): { declaration: string; type: ForeignType } {
    if (this.#takeIf("void")) return { declaration: "void ", type: "void" };
    if (this.#takeIf("const")) {
      this.#take("char");
      this.#take("*");
      return { declaration: "const char *", type: "pointer" };
    }
    const base = this.#peek.text;
    if (!Object.hasOwn(SCALARS, base)) this.#fail("a result: void, a number or const char *");
    this.#at++;
    return { declaration: `${base} `, type: SCALARS[base] };
  }

  #parameters(): Parameter[] {
    if (this.#takeIf("void")) {
      // `void` alone means no parameters; `void *` begins one.
      if (this.#takeIf(")")) return [];
      this.#at--;
    }
    const parameters: Parameter[] = [];
    do {
      const parameter = this.#parameter();
      if (parameters.some((other) => other.name === parameter.name)) {
        this.#at--;
        this.#fail("a name that no other parameter has");
      }
      parameters.push(parameter);
    } while (this.#takeIf(","));
    this.#take(")");
    return parameters;
  }

  #parameter(): Parameter {
    const isBuffer = this.#takeIf("QN_BUFFER");
    const qualifier = this.#takeIf("const") ? "const " : "";
    const base = this.#peek.text;
    if (!Object.hasOwn(SCALARS, base) && !POINTEES.has(base)) this.#fail("a type of the list");
    this.#at++;
    if (this.#takeIf("*")) {
      if (!POINTEES.has(base)) {
        this.#at--;
        this.#fail(`no pointer to ${base}`);
      }
      const name = this.#takeKind("word", "the parameter's name");
      const type = isBuffer ? "buffer" : "usize";
      return { name, declaration: `${qualifier}${base} *${name}`, type };
    }
    if (isBuffer) this.#fail("a pointer after QN_BUFFER");
    if (qualifier !== "" || !Object.hasOwn(SCALARS, base)) this.#fail(`"*"`);
    const name = this.#takeKind("word", "the parameter's name");
    return { name, declaration: `${base} ${name}`, type: SCALARS[base] };
  }
}
