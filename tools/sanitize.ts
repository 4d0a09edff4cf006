/**
 * Runs the C tests under clang's address and undefined-behaviour sanitizers.
 *
 *     deno task test:address              every test
 *     deno task test:address pool         those whose names contain `pool`
 *
 * `zig build sanitize` finds undefined behaviour and data races; reads and writes outside memory, or
 * after its life, need a compiler that comes with the address sanitizer's runtime. Zig does not, so
 * the system's clang compiles everything here, in the way that `build.zig` does. Where there is none,
 * one line says that the tests were skipped.
 *
 * @module
 */
import { runProgram } from "../lib/ffi/process.ts";
import { listFiles, ROOT } from "./files.ts";
import { interruptSignal } from "./processes.ts";

/** The oldest clang that knows the vector builtins that the kernels use. */
const OLDEST_CLANG = 17;
const COMPILERS = ["clang", ...[22, 21, 20, 19, 18, 17].map((version) => `clang-${version}`)];

/** gnu11 and not c11: without Zig's headers, strict C hides what the tests use of POSIX. */
const FLAGS = [
  "-std=gnu11",
  "-g",
  "-O1",
  "-fno-omit-frame-pointer",
  "-ffp-contract=off",
  "-fno-math-errno",
  "-fsanitize=address,undefined",
  "-fno-sanitize-recover=all",
  "-Icsrc",
  // Checked by the tool that generates the table; here it only has to be there.
  "-DQN_HEADER_HASH=1ull",
];

/** The flags of each instruction set, as in `build.zig`. */
const VARIANTS: Record<string, Record<string, string[]>> = {
  x86_64: {
    generic: ["-march=x86-64"],
    avx2: ["-march=x86-64-v3"],
    avx512: ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    avx512vnni: ["-march=x86-64-v4", "-mavx512vnni", "-mprefer-vector-width=512"],
    avx512bf16: [
      "-march=x86-64-v4",
      "-mavx512vnni",
      "-mavx512bf16",
      "-mprefer-vector-width=512",
    ],
    float64: ["-march=x86-64"],
    float64_avx2: ["-march=x86-64-v3"],
  },
  aarch64: {
    generic: ["-march=armv8-a"],
    neon: ["-march=armv8.2-a+dotprod+fp16"],
    float64: ["-march=armv8-a"],
  },
};

/** Folders of headers besides an instruction set's own. */
const PARENTS: Record<string, string> = {
  avx512vnni: "avx512",
  avx512bf16: "avx512",
  float64_avx2: "float64",
};

const TABLES = ["kernel", "real", "dot", "shared"].map((name) => `csrc/dispatch/${name}_table.c`);

/** One file to compile, and what to make of it. */
interface Unit {
  source: string;
  object: string;
  flags: string[];
}

/** Everything the library consists of; kernels once for each instruction set. */
async function units(folder: string): Promise<Unit[]> {
  const sources = (await listFiles(ROOT, "csrc")).filter((file) => file.endsWith(".c"));
  const isKernel = (file: string) => file.startsWith("csrc/kernels/") || TABLES.includes(file);
  const isReal = (file: string) => file.startsWith("csrc/kernels/real/") || file === TABLES[1];
  const unit = (source: string, name: string, flags: string[]): Unit => ({
    source,
    object: `${folder}/${name}_${source.replaceAll("/", "_")}.o`,
    flags,
  });
  const all = sources.filter((file) => !isKernel(file)).map((file) => unit(file, "common", []));
  for (const [name, flags] of Object.entries(VARIANTS[Deno.build.arch])) {
    const folders = [name, PARENTS[name]].filter((isa) => isa !== undefined);
    const own = [...flags, `-DQN_ISA=${name}`, ...folders.map((isa) => `-Icsrc/isa/${isa}`)];
    const kernels = sources.filter(name.startsWith("float64") ? isReal : isKernel);
    all.push(...kernels.map((file) => unit(file, name, own)));
  }
  return all;
}

/** Runs `task` for each item, on as many processors as there are. */
async function inParallel<T>(items: T[], task: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await task(item);
  };
  await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, worker));
}

/** Runs a program in the checkout; throws with all it wrote when it fails. */
async function run(command: string[], signal: AbortSignal): Promise<string> {
  const outcome = await runProgram(command, { signal, cwd: ROOT });
  if (outcome?.code === 0) return outcome.stdout;
  const why = outcome === undefined ? "could not be started" : outcome.stdout + outcome.stderr;
  throw new Error(`${command.slice(0, 1).concat(command.slice(-3)).join(" ")}\n${why}`);
}

async function findCompiler(signal: AbortSignal): Promise<string | undefined> {
  for (const name of COMPILERS) {
    const outcome = await runProgram([name, "--version"], { signal, cwd: ROOT });
    const version = outcome?.stdout.match(/clang version (\d+)/)?.[1];
    if (Number(version ?? 0) >= OLDEST_CLANG) return name;
  }
}

/** Compiles the library and the tests that `only` names, and runs them one by one. */
async function testAll(compiler: string, only: string, signal: AbortSignal): Promise<boolean> {
  const folder = await Deno.makeTempDir({ prefix: "quern-sanitize-" });
  try {
    const library = await units(folder);
    await inParallel(library, async ({ source, object, flags }) => {
      await run([compiler, ...FLAGS, ...flags, "-c", source, "-o", object], signal);
    });
    const objects = library.map(({ object }) => object);
    let sound = true;
    for (const file of await listFiles(ROOT, "tests/csrc")) {
      const name = file.match(/^tests\/csrc\/(test_\w+)\.c$/)?.[1];
      if (name === undefined || !name.includes(only)) continue;
      const program = `${folder}/${name}`;
      const link = [file, ...objects, "-lm", "-lpthread", "-o", program];
      await run([compiler, ...FLAGS, "-Itests/csrc", ...link], signal);
      sound = await runTest(program, `address/${name}`, signal) && sound;
    }
    return sound;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function runTest(program: string, name: string, signal: AbortSignal): Promise<boolean> {
  const outcome = await runProgram([program, name], { signal, cwd: ROOT });
  if (outcome === undefined) throw new Error(`${program} could not be started`);
  console.log((outcome.stdout + outcome.stderr).trimEnd());
  if (outcome.code !== 0) console.log(`c-test ${name} failed: exit status ${outcome.code}`);
  return outcome.code === 0;
}

if (import.meta.main) {
  const signal = interruptSignal();
  const compiler = Deno.build.os === "windows" ? undefined : await findCompiler(signal);
  if (compiler === undefined) {
    console.log("c-test address skipped: clang 17 or newer is not installed");
    Deno.exit(0);
  }
  const sound = await testAll(compiler, Deno.args[0] ?? "", signal);
  Deno.exit(sound ? 0 : 1);
}
