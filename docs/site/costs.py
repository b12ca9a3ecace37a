#!/usr/bin/env python3
"""Writes docs/costs.md: the bytes of code that each face adds to a program, and what each public header costs a compiler.

usage: costs.py [--compiler CXX] [--cross ARM_CXX] [--rounds N]

Without the cross compiler its columns are left out. Times are user time, the least of N rounds: let the machine be quiet.
"""
import argparse
import os
import pathlib
import platform
import resource
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# name, header, declarations, what one allocation is, what one free is
HOSTED = [
    ("`std::pmr::memory_resource*`, one virtual call", "unsynchronized_slab_resource.hpp", "",
     "void* one(std::pmr::memory_resource& r) { return r.allocate(48, 8); }",
     "void end(std::pmr::memory_resource& r, void* p) { r.deallocate(p, 48, 8); }"),
    ("`unsynchronized_slab_resource`, the size known", "unsynchronized_slab_resource.hpp", "",
     "void* one(quarry::unsynchronized_slab_resource& r) { return r.allocate(48, 8); }",
     "void end(quarry::unsynchronized_slab_resource& r, void* p) { r.deallocate(p, 48, 8); }"),
    ("the same, the size not known", "unsynchronized_slab_resource.hpp", "",
     "void* one(quarry::unsynchronized_slab_resource& r, std::size_t n) { return r.allocate(n, 8); }",
     "void end(quarry::unsynchronized_slab_resource& r, void* p, std::size_t n) { r.deallocate(p, n, 8); }"),
    ("`slab_allocator<T>`", "slab_allocator.hpp", "using a = quarry::slab_allocator<order>;",
     "void* one(a r) { return r.allocate(1); }", "void end(a r, order* p) { r.deallocate(p, 1); }"),
    ("`slab_allocator<T, synchronized_slab_resource>`", "slab_allocator.hpp",
     "#include <quarry/synchronized_slab_resource.hpp>\nusing a = quarry::slab_allocator<order, quarry::synchronized_slab_resource>;",
     "void* one(a r) { return r.allocate(1); }", "void end(a r, order* p) { r.deallocate(p, 1); }"),
    ("`slab_allocator<T, slab_thread_view>`", "slab_allocator.hpp",
     "#include <quarry/slab_thread_view.hpp>\nusing a = quarry::slab_allocator<order, quarry::slab_thread_view>;",
     "void* one(a r) { return r.allocate(1); }", "void end(a r, order* p) { r.deallocate(p, 1); }"),
    ("`static_slab_allocator<T>`", "static_slab_allocator.hpp", "using a = quarry::static_slab_allocator<order>;",
     "void* one() { return a().allocate(1); }", "void end(order* p) { a().deallocate(p, 1); }"),
    ("`slab_cache<T>`", "slab_cache.hpp", "using c = quarry::slab_cache<order>;",
     "order* one(c& r) { return r.make(1, 2.0).release(); }", "void end(order* p) { c::ptr::adopt(p).reset(); }"),
    ("`slab_cache<T, spin_lock>`", "slab_cache.hpp", "using c = quarry::slab_cache<order, quarry::spin_lock>;",
     "order* one(c& r) { return r.make(1, 2.0).release(); }", "void end(order* p) { c::ptr::adopt(p).reset(); }"),
]
STATIC = ("", "slab_cache.hpp",
          "using c = quarry::slab_cache<order, quarry::null_lock, 1024, quarry::static_page_source<4096, 1024>>;",
          "order* one(c& r) noexcept { return r.try_make(1, 2.0).release(); }",
          "void end(order* p) noexcept { c::ptr::adopt(p).reset(); }")
FREESTANDING = ["-ffreestanding", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-ffunction-sections", "-fdata-sections"]
CORTEX = ["-mcpu=cortex-m4", "-mthumb", *FREESTANDING]


def output_of(*command, **more):
    return subprocess.run(command, check=True, text=True, capture_output=True, **more).stdout


def sizes(compiler, flags, face, scratch):
    """Returns the bytes of one(), of end() and of all code in the object file."""
    _, header, declarations, one, end = face
    source, compiled = scratch / "face.cpp", scratch / "face.o"
    source.write_text(f"#include <quarry/{header}>\nstruct order {{ int number; double price; char text[32]; }};\n{declarations}\n"
                      f"{one}\n{end}\n", encoding="utf-8")
    output_of(compiler, "-std=c++17", "-DNDEBUG", f"-I{ROOT}/include", *flags, "-c", str(source), "-o", str(compiled))
    tools = compiler.removesuffix("g++") if compiler.endswith("g++") else ""
    found = {"one": 0, "end": 0, "all": 0}
    for line in output_of(f"{tools}nm", "-S", "-C", "--defined-only", str(compiled)).splitlines():
        words = line.split(None, 3)
        if len(words) == 4 and words[2] in "tTwWuV" and "guard variable" not in words[3]:
            size = int(words[1], 16)
            name = words[3]
            found["all"] += size
            if name.startswith(("one(", "end(")):
                found[name[:3]] += size
    return found


def size_rows(face, rows, scratch):
    """rows: (title, compiler, flags)."""
    lines = ["| for | allocate | free | all |", "|---|---:|---:|---:|"]
    for title, compiler, flags in rows:
        found = sizes(compiler, flags, face, scratch)
        lines.append(f"| {title} | {found['one']} | {found['end']} | {found['all']} |")
    return lines


def size_table(faces, columns, scratch):
    """columns: (title, compiler, flags)."""
    head = "| face | " + " | ".join(f"{title}: {part}" for title, *_ in columns for part in ("allocate", "free", "all")) + " |"
    lines = [head, "|---|" + "---:|" * (3 * len(columns))]
    for face in faces:
        cells = []
        for _, compiler, flags in columns:
            found = sizes(compiler, flags, face, scratch)
            cells += [str(found["one"]), str(found["end"]), str(found["all"])]
        lines.append(f"| {face[0]} | " + " | ".join(cells) + " |")
    return lines


def compile_seconds(compiler, source, rounds):
    best = None
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        output_of(compiler, "-std=c++17", "-O2", f"-I{ROOT}/include", "-c", str(source), "-o", os.devnull)
        seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        best = seconds if best is None else min(best, seconds)
    return best


def header_table(compiler, rounds, scratch):
    lines = ["| header | seconds | lines after the preprocessor |", "|---|---:|---:|"]
    headers = ["memory_resource", "map", *(f"quarry/{path.name}" for path in sorted((ROOT / "include/quarry").glob("*.hpp")))]
    for header in headers:
        source = scratch / "header.cpp"
        source.write_text(f"#include <{header}>\n", encoding="utf-8")
        try:
            text = output_of(compiler, "-std=c++17", "-E", "-P", f"-I{ROOT}/include", str(source))
        except subprocess.CalledProcessError:
            continue   # Boost is not there
        count = sum(1 for line in text.splitlines() if line.strip())
        lines.append(f"| `<{header}>` | {compile_seconds(compiler, source, rounds):.2f} | {count:,} |")
    return lines


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), platform.machine())
    system = next((line.split("=", 1)[1].strip().strip('"') for line in open("/etc/os-release", encoding="utf-8") if line.startswith("PRETTY_NAME=")), platform.system())
    return f"{model}, {os.cpu_count()} cores, {system}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--cross", default="arm-none-eabi-g++")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    version = output_of(options.compiler, "--version").splitlines()[0]
    commit = output_of("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD").strip()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        columns = [(level, options.compiler, [level]) for level in ("-Os", "-O2")]
        hosted = size_table(HOSTED, columns, scratch)
        bare = [(f"x86-64 {level}", options.compiler, [level, *FREESTANDING]) for level in ("-Os", "-O2")]
        cross = "none"
        try:
            cross = output_of(options.cross, "--version").splitlines()[0]
            bare += [(f"Cortex-M4 {level}", options.cross, [level, *CORTEX]) for level in ("-Os", "-O2")]
        except FileNotFoundError:
            pass
        static = size_rows(STATIC, bare, scratch)
        headers = header_table(options.compiler, options.rounds, scratch)
    text = ["# What Quarry costs a build", "",
            "Written by `docs/site/costs.py`: do not edit.", "",
            f"{machine()}; {version}; cross compiler: {cross}; commit {commit}.", "",
            "## Code size", "",
            "Bytes of machine code. *Allocate* and *free* are functions that do nothing else, for 48 bytes: so much stands at each place that "
            "calls. At `-Os` some are a call of a function that the library has. *All* is the whole object file with them: the slow paths that a template brings along are there once for each type. What is "
            "in the library is not counted. The level of checks is chosen when a program runs: the code of every level is in each program, for resources in the library, for a typed cache that has a system in *all*.", "",
            *hosted, "",
            "A `slab_cache` over a `static_page_source` without an operating system, exceptions and RTTI: `try_make` and the owner's end; *all* is before the linker "
            "drops what is not called:", "",
            *static, "",
            "## Compile time", "",
            f"A file that includes one header and nothing else, `-std=c++17 -O2`: user time, the least of {options.rounds} rounds (load of the machine "
            f"meanwhile {load:.1f}), and the lines that are left after the preprocessor without blank ones. Two headers of the standard library stand "
            "first, for comparison; much of each of Quarry's is theirs.", "",
            *headers, ""]
    (ROOT / "docs/costs.md").write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
