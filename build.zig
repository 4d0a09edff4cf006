//! Builds Quern's native library, its tests and nothing else.
//!
//! Sources are found by folder, so a new file needs no change here:
//!   - `csrc/{base,memory,dispatch,gemm,api}/*.c` are compiled once, for the
//!     oldest processor of the architecture;
//!   - `csrc/kernels/*.c` and `csrc/dispatch/kernel_table.c` are compiled once
//!     for each instruction set (`variants` below), with `QN_ISA` naming it and
//!     `csrc/isa/<name>` on the include path, so that `<vec.h>` means its own;
//!   - `csrc/kernels/real/*.c` and `csrc/dispatch/real_table.c` likewise, and once
//!     more for each variant of float64, whose `<vec.h>` has vectors of doubles;
//!   - `csrc/kernels/shared/*.c` and `csrc/dispatch/shared_table.c` likewise, but
//!     not for those that share another's;
//!   - `csrc/kernels/dot/*.c` and `csrc/dispatch/dot_table.c` likewise, but not for
//!     float64; some variants have nothing else.
//!
//! Invariants: a common file never sees an instruction set beyond the baseline;
//! floating-point contraction is off everywhere, so that a result does not
//! depend on what the compiler found worth fusing; symbols are hidden unless
//! `quern.h` exports them.
const std = @import("std");

const Build = std.Build;
const Target = std.Target;

pub fn build(b: *Build) void {
    const steps = .{
        .library = b.getInstallStep(), // the default: the library of one target, in zig-out/lib
        .all = b.step("all", "Build the library for all six targets, in zig-out/<target>"),
        .@"test" = b.step("test", "Run the C tests, here and under qemu-aarch64 where it is installed"),
        .sanitize = b.step("sanitize", "Run the C tests with the undefined-behaviour and thread sanitizers"),
    };
    const target = b.standardTargetOptions(.{});
    const optimize = b.option(std.lang.Optimize, "optimize", "debug, safe, fast (default), small") orelse .fast;
    const filter = b.option([]const u8, "only", "Run only the C tests whose name contains this");
    const sources: Sources = .find(b);

    steps.library.dependOn(installLibrary(b, sources, portable(b, target.query), optimize, null));
    for (release_targets) |name| {
        const query = Target.Query.parse(.{ .arch_os_abi = name }) catch unreachable;
        steps.all.dependOn(installLibrary(b, sources, portable(b, query), optimize, name));
    }

    const tests: Tests = .{ .b = b, .sources = sources, .filter = filter };
    const host = portable(b, target.query);
    tests.add(steps.@"test", .{ .name = "", .target = host, .optimize = optimize });
    tests.addEmulated(steps.@"test", optimize);
    tests.add(steps.sanitize, .{ .name = "undefined/", .target = host, .optimize = .debug, .undefined_behaviour = true });
    tests.add(steps.sanitize, .{ .name = "thread/", .target = host, .optimize = .debug, .data_races = true });
}

/// Where Quern runs. The version of glibc is the oldest one it loads on.
const release_targets = [_][]const u8{
    "x86_64-linux-gnu.2.17", "aarch64-linux-gnu.2.17",
    "x86_64-macos",          "aarch64-macos",
    "x86_64-windows-gnu",    "aarch64-windows-gnu",
};

/// An instruction set that the kernels are compiled for.
const Variant = struct {
    /// The suffix of its symbols, its folder in `csrc/isa`, its name in `QUERN_ISA`.
    name: []const u8,
    /// The folder of `csrc/isa` whose headers stand in for those it has no own form of.
    parent: ?[]const u8 = null,
    /// Which kernels it has: all, all but those of `csrc/kernels/shared`, those of
    /// `csrc/kernels/real` with doubles, or those of `csrc/kernels/dot`.
    kernels: enum { all, own, real, dot } = .all,
    model: ?*const Target.Cpu.Model = null,
    /// Whether few bytes count for more than speed.
    small: bool = false,
    add: Target.Cpu.Feature.Set = .empty,
    sub: Target.Cpu.Feature.Set = .empty,
};

const x86 = Target.x86;
const x86_variants = [_]Variant{
    // For processors of before 2013 alone.
    .{ .name = "generic", .small = true },
    .{ .name = "avx2", .model = &x86.cpu.x86_64_v3 },
    .{
        .name = "avx512",
        .kernels = .own,
        .model = &x86.cpu.x86_64_v4,
        .sub = x86.featureSet(&.{.prefer_256_bit}),
    },
    .{
        .name = "avx512vnni",
        .parent = "avx512",
        .kernels = .dot,
        .model = &x86.cpu.x86_64_v4,
        .add = x86.featureSet(&.{.avx512vnni}),
        .sub = x86.featureSet(&.{.prefer_256_bit}),
    },
    .{
        .name = "avx512bf16",
        .parent = "avx512",
        .kernels = .dot,
        .model = &x86.cpu.x86_64_v4,
        .add = x86.featureSet(&.{ .avx512vnni, .avx512bf16 }),
        .sub = x86.featureSet(&.{.prefer_256_bit}),
    },
    .{ .name = "float64", .kernels = .real, .small = true },
    .{ .name = "float64_avx2", .parent = "float64", .model = &x86.cpu.x86_64_v3, .kernels = .real },
};
const arm_variants = [_]Variant{
    .{ .name = "generic" },
    .{ .name = "neon", .add = Target.aarch64.featureSet(&.{ .dotprod, .fullfp16 }) },
    .{ .name = "float64", .kernels = .real },
};
const other_variants = [_]Variant{
    .{ .name = "generic" },
    .{ .name = "float64", .kernels = .real },
};

/// The instruction sets of an architecture; `csrc/dispatch/dispatch.c` has the same list.
fn variants(arch: Target.Cpu.Arch) []const Variant {
    return switch (arch) {
        .x86_64 => &x86_variants,
        .aarch64 => &arm_variants,
        else => &other_variants,
    };
}

/// The query's target with the oldest processor of its architecture and, on
/// Linux, the oldest glibc: what is built here must load elsewhere too.
fn portable(b: *Build, query: Target.Query) Build.ResolvedTarget {
    var q = query;
    q.cpu_model = .baseline;
    const resolved = b.resolveTargetQuery(q);
    if (!resolved.result.isGnuLibC() or resolved.result.os.tag != .linux) return resolved;
    q.cpu_arch = resolved.result.cpu.arch;
    q.os_tag = .linux;
    q.abi = .gnu;
    q.glibc_version = q.glibc_version orelse .{ .major = 2, .minor = 17, .patch = 0 };
    return b.resolveTargetQuery(q);
}

/// The C files of the project, by role.
const Sources = struct {
    common: []const []const u8,
    /// Of float32, and of whatever needs no dtype.
    kernels: []const []const u8,
    /// The same, of which some instruction sets have none of their own.
    shared_kernels: []const []const u8,
    /// Of float32 and of float64.
    real_kernels: []const []const u8,
    /// On dot products of 8-bit integers and of bfloat16.
    dot_kernels: []const []const u8,
    tests: []const []const u8,
    header_hash: u64,

    const table = "csrc/dispatch/kernel_table.c";
    const shared_table = "csrc/dispatch/shared_table.c";
    const real_table = "csrc/dispatch/real_table.c";
    const dot_table = "csrc/dispatch/dot_table.c";

    fn find(b: *Build) Sources {
        var common: std.ArrayList([]const u8) = .empty;
        var kernels: std.ArrayList([]const u8) = .empty;
        var shared_kernels: std.ArrayList([]const u8) = .empty;
        var real_kernels: std.ArrayList([]const u8) = .empty;
        var dot_kernels: std.ArrayList([]const u8) = .empty;
        var tests: std.ArrayList([]const u8) = .empty;
        for ([_][]const u8{ "base", "memory", "dispatch", "gemm", "api" }) |folder| {
            list(b, &common, b.fmt("csrc/{s}", .{folder}), "");
        }
        list(b, &kernels, "csrc/kernels", "");
        list(b, &shared_kernels, "csrc/kernels/shared", "");
        list(b, &real_kernels, "csrc/kernels/real", "");
        list(b, &dot_kernels, "csrc/kernels/dot", "");
        list(b, &tests, "tests/csrc", "test_");
        move(b, table, &common, &kernels);
        move(b, shared_table, &common, &shared_kernels);
        move(b, real_table, &common, &real_kernels);
        move(b, dot_table, &common, &dot_kernels);
        return .{
            .common = common.items,
            .kernels = kernels.items,
            .shared_kernels = shared_kernels.items,
            .real_kernels = real_kernels.items,
            .dot_kernels = dot_kernels.items,
            .tests = tests.items,
            .header_hash = hashHeader(b),
        };
    }

    /// Appends the C files of a folder whose names begin with `prefix`, sorted.
    fn list(b: *Build, files: *std.ArrayList([]const u8), folder: []const u8, prefix: []const u8) void {
        const io = b.graph.io;
        b.dependOnDirectoryContents(b.path(folder));
        var dir = b.root.root_dir.handle.openDir(io, b.root.joinString(b.allocator, folder) catch @panic("OOM"), .{ .iterate = true }) catch |err|
            std.process.fatal("cannot list {s}: {t}", .{ folder, err });
        defer dir.close(io);
        const first = files.items.len;
        var entries = dir.iterate();
        while (entries.next(io) catch |err| std.process.fatal("cannot list {s}: {t}", .{ folder, err })) |entry| {
            if (!std.mem.endsWith(u8, entry.name, ".c") or !std.mem.startsWith(u8, entry.name, prefix)) continue;
            files.append(b.allocator, b.fmt("{s}/{s}", .{ folder, entry.name })) catch @panic("OOM");
        }
        std.mem.sort([]const u8, files.items[first..], {}, lessThan);
    }

    /// Moves a file from one list to another.
    fn move(b: *Build, file: []const u8, from: *std.ArrayList([]const u8), to: *std.ArrayList([]const u8)) void {
        for (from.items, 0..) |name, i| {
            if (!std.mem.eql(u8, name, file)) continue;
            to.append(b.allocator, from.orderedRemove(i)) catch @panic("OOM");
            return;
        }
    }

    fn lessThan(_: void, a: []const u8, c: []const u8) bool {
        return std.mem.lessThan(u8, a, c);
    }

    /// FNV-1a of `quern.h`: the loader compares it with that of the FFI table.
    fn hashHeader(b: *Build) u64 {
        const header = "csrc/quern.h";
        b.dependOnFileContents(b.path(header));
        const buffer = b.allocator.alloc(u8, 1 << 20) catch @panic("OOM");
        const bytes = b.root.root_dir.handle.readFile(b.graph.io, b.root.joinString(b.allocator, header) catch @panic("OOM"), buffer) catch |err|
            std.process.fatal("cannot read {s}: {t}", .{ header, err });
        return std.hash.Fnv1a_64.hash(bytes);
    }
};

/// How a set of objects is compiled.
const Mode = struct {
    target: Build.ResolvedTarget,
    optimize: std.lang.Optimize,
    strip: bool = false,
    undefined_behaviour: bool = false,
    data_races: bool = false,

    fn module(mode: Mode, b: *Build, target: Build.ResolvedTarget) *Build.Module {
        const m = b.createModule(.{
            .target = target,
            .optimize = mode.optimize,
            .link_libc = true,
            .strip = mode.strip,
            .pic = true,
            .sanitize_c = if (mode.undefined_behaviour) .full else .off,
            .sanitize_thread = mode.data_races,
        });
        m.addIncludePath(b.path("csrc"));
        return m;
    }
};

const flags = [_][]const u8{
    "-std=c11", "-Wall",               "-Wextra",           "-Wvla",           "-Wstrict-prototypes",
    "-Werror",  "-fvisibility=hidden", "-ffp-contract=off", "-fno-math-errno",
};

/// Adds everything that the library consists of to `m`.
fn addSources(b: *Build, m: *Build.Module, sources: Sources, mode: Mode) void {
    const hash = b.fmt("-DQN_HEADER_HASH=0x{x}ull", .{sources.header_hash});
    m.addCSourceFiles(.{ .files = sources.common, .flags = &(flags ++ .{hash}) });
    for (variants(mode.target.result.cpu.arch)) |variant| m.linkLibrary(variantLibrary(b, variant, sources, mode));
}

/// The kernels of one instruction set, as an archive.
fn variantLibrary(b: *Build, variant: Variant, sources: Sources, mode: Mode) *Build.Step.Compile {
    var query = mode.target.query;
    if (variant.model) |model| {
        query.cpu_arch = mode.target.result.cpu.arch;
        query.cpu_model = .{ .explicit = model };
    }
    query.cpu_features_add.addFeatureSet(variant.add);
    query.cpu_features_sub.addFeatureSet(variant.sub);
    var own = mode;
    if (variant.small and mode.optimize == .fast) own.optimize = .small;
    const m = own.module(b, b.resolveTargetQuery(query));
    m.addIncludePath(b.path(b.fmt("csrc/isa/{s}", .{variant.name})));
    if (variant.parent) |parent| m.addIncludePath(b.path(b.fmt("csrc/isa/{s}", .{parent})));
    const isa = b.fmt("-DQN_ISA={s}", .{variant.name});
    if (variant.kernels != .dot) m.addCSourceFiles(.{ .files = sources.real_kernels, .flags = &(flags ++ .{isa}) });
    if (variant.kernels != .real) m.addCSourceFiles(.{ .files = sources.dot_kernels, .flags = &(flags ++ .{isa}) });
    if (variant.kernels == .all or variant.kernels == .own) m.addCSourceFiles(.{ .files = sources.kernels, .flags = &(flags ++ .{isa}) });
    if (variant.kernels == .all) m.addCSourceFiles(.{ .files = sources.shared_kernels, .flags = &(flags ++ .{isa}) });
    return b.addLibrary(.{ .name = b.fmt("kernels_{s}", .{variant.name}), .linkage = .static, .root_module = m });
}

/// Installs the shared library into `zig-out/lib`, or `zig-out/<folder>`.
fn installLibrary(b: *Build, sources: Sources, target: Build.ResolvedTarget, optimize: std.lang.Optimize, folder: ?[]const u8) *Build.Step {
    const mode: Mode = .{ .target = target, .optimize = optimize, .strip = true };
    const m = mode.module(b, target);
    addSources(b, m, sources, mode);
    const library = b.addLibrary(.{ .name = "quern", .linkage = .dynamic, .root_module = m });
    const install = b.addInstallArtifact(library, .{
        .dest_dir = .{ .override = if (folder) |name| .{ .custom = name } else .lib },
        .pdb_dir = .disabled,
        .implib_dir = .disabled,
        .h_dir = .disabled,
    });
    return &install.step;
}

/// The C test programs, each linked with everything.
const Tests = struct {
    b: *Build,
    sources: Sources,
    filter: ?[]const u8,

    const Suite = struct {
        /// Stands before a program's name in the output.
        name: []const u8,
        target: Build.ResolvedTarget,
        optimize: std.lang.Optimize,
        undefined_behaviour: bool = false,
        data_races: bool = false,
        emulator: ?[]const u8 = null,
    };

    fn add(tests: Tests, step: *Build.Step, suite: Suite) void {
        const b = tests.b;
        const mode: Mode = .{
            .target = suite.target,
            .optimize = suite.optimize,
            .undefined_behaviour = suite.undefined_behaviour,
            .data_races = suite.data_races,
        };
        const core = mode.module(b, suite.target);
        addSources(b, core, tests.sources, mode);
        const library = b.addLibrary(.{ .name = "quern_tests", .linkage = .static, .root_module = core });
        for (tests.sources.tests) |file| {
            const name = std.fs.path.stem(file);
            if (tests.filter) |text| if (std.mem.indexOf(u8, name, text) == null) continue;
            step.dependOn(tests.addProgram(suite, mode, library, name, file));
        }
    }

    fn addProgram(tests: Tests, suite: Suite, mode: Mode, library: *Build.Step.Compile, name: []const u8, file: []const u8) *Build.Step {
        const b = tests.b;
        const m = mode.module(b, suite.target);
        m.addIncludePath(b.path("tests/csrc"));
        m.addCSourceFiles(.{ .files = &.{file}, .flags = &flags });
        m.linkLibrary(library);
        const program = b.addExecutable(.{ .name = name, .root_module = m });
        const run = if (suite.emulator) |emulator| b.addSystemCommand(&.{emulator}) else b.addRunArtifact(program);
        if (suite.emulator != null) run.addArtifactArg(program);
        run.addArg(b.fmt("{s}{s}", .{ suite.name, name }));
        if (suite.emulator != null) run.addArg("emulated");
        run.stdio = .inherit;
        run.setName(b.fmt("{s}{s}", .{ suite.name, name }));
        return &run.step;
    }

    /// The same programs for aarch64, statically linked so that the emulator
    /// needs no foreign libc; where there is no emulator, a line says so.
    fn addEmulated(tests: Tests, step: *Build.Step, optimize: std.lang.Optimize) void {
        const b = tests.b;
        if (b.graph.host.result.os.tag != .linux or b.graph.host.result.cpu.arch == .aarch64) return;
        const query = Target.Query.parse(.{ .arch_os_abi = "aarch64-linux-musl" }) catch unreachable;
        if (b.findProgram(.{ .names = &.{"qemu-aarch64"} })) |emulator| {
            tests.add(step, .{ .name = "aarch64/", .target = portable(b, query), .optimize = optimize, .emulator = emulator });
            return;
        }
        const m = b.createModule(.{ .target = b.graph.host, .optimize = .small, .link_libc = true });
        m.addCSourceFiles(.{ .files = &.{"tests/csrc/support/say.c"}, .flags = &flags });
        const say = b.addRunArtifact(b.addExecutable(.{ .name = "say", .root_module = m }));
        say.addArg("c-test aarch64 skipped: qemu-aarch64 is not installed");
        say.stdio = .inherit;
        step.dependOn(&say.step);
    }
};
