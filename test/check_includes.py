#!/usr/bin/env python3
"""Checks the direction of includes: a header includes its own floor or a lower one, without cycles, and core/ stays freestanding.

Each header of core/ names its floor in its head comment (`// Layer 3 ...`; of several the smallest counts); a larger number lies
lower. Headers outside core/ stand on floor 1, but for those that lie under everything and say so (`// Layer 6`): macros, which
core/ may include.

What is Quarry's is declared in the inline namespace of its version: right behind each `namespace quarry {` stands
`inline namespace QUARRY_ABI {`, and the header includes version.hpp, itself or through others.

What only one compiler knows, builtins and attributes, stands in the headers that spell it for each compiler.

A header whose head comment says `Part of NAME.hpp.` holds definitions of NAME.hpp beside it: the two include each other and no
other header includes the part, so they count as one.

usage: check_includes.py [ROOT]       ROOT holds include/quarry; the project by default
       check_includes.py --self-test  breaks each rule once in a scratch folder and expects to be told

Prints one line for each breach and exits 1 when there is any.
"""
import pathlib
import posixpath
import re
import tempfile

import checking

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.MULTILINE)
LAYER = re.compile(r"^// Layer\s+(\d+)", re.MULTILINE)
HEAD = re.compile(r"\A(?://[^\n]*\n)*")
PART = re.compile(r"\bPart of (\w+\.hpp)\.")
# What of the standard library needs neither a heap, an operating system, exceptions nor RTTI.
FREESTANDING = {"array", "atomic", "bit", "climits", "cstddef", "cstdint", "initializer_list", "limits", "new", "type_traits",
                "utility", "version"}
PUBLIC_FLOOR = 1
GROUND_FLOOR = 6
OPENED = re.compile(r"^namespace quarry\b[^\n]*\n([^\n]*)", re.MULTILINE)
INLINE = "inline namespace QUARRY_ABI {"
ONE_COMPILERS_WORD = re.compile(r"\b__builtin_\w+|\b__(?:attribute__|declspec|asm__|asm|thread|forceinline|assume)\b|\[\[(?:gnu|clang|msvc)::"
                                r"|^\s*#\s*pragma(?!\s+once\b)|\b_Pragma\b|\b__(?:atomic|sync)_\w+", re.MULTILINE)
SPELLERS = {"portability.hpp", "export.hpp", "core/bits.hpp", "core/poison.hpp"}


def find_cycle(graph):
    """Returns the headers of one include cycle in order, or an empty list."""
    state, stack = {}, []

    def visit(name):
        state[name] = "open"
        stack.append(name)
        for target in graph[name]:
            if state.get(target) == "open":
                return stack[stack.index(target):] + [target]
            if target in graph and target not in state:
                cycle = visit(target)
                if cycle:
                    return cycle
        stack.pop()
        state[name] = "done"
        return []

    for name in graph:
        if name not in state:
            cycle = visit(name)
            if cycle:
                return cycle
    return []


def floor_of(name, text):
    layer = LAYER.search(text)
    if not name.startswith("core/"):
        return GROUND_FLOOR if layer and int(layer.group(1)) == GROUND_FLOOR else PUBLIC_FLOOR
    return int(layer.group(1)) if layer else None


def whole_of(name, text):
    """Returns the header that `name` is a part of, or None."""
    part = PART.search(HEAD.match(text).group())
    return posixpath.join(posixpath.dirname(name), part.group(1)) if part else None


def check_parts(wholes, floors, graph):
    """Returns the breaches of the rules for parts; `wholes` tells what each part belongs to."""
    breaches = []
    for part, whole in wholes.items():
        if whole not in graph:
            breaches.append(f"{part}: is a part of {whole}, which is not a header of include/quarry")
            continue
        if whole in wholes:
            breaches.append(f"{part}: is a part of {whole}, which is a part itself")
        if floors[part] != floors[whole]:
            breaches.append(f"{part} (floor {floors[part]}): is a part of {whole}, which stands on floor {floors[whole]}")
        if whole not in graph[part]:
            breaches.append(f"{part}: is a part of {whole} and does not include it")
        if part not in graph[whole]:
            breaches.append(f"{part}: is a part of {whole}, which does not include it")
        breaches += [f"{name}: includes {part}, which only {whole} may include, as its part"
                     for name in graph if part in graph[name] and name != whole]
    return breaches


def reached_from(name, graph):
    """Returns the headers that `name` includes, itself or through others."""
    reached, left = set(), [name]
    while left:
        for target in graph[left.pop()]:
            if target not in reached:
                reached.add(target)
                left.append(target)
    return reached


def check_namespaces(texts, graph):
    """Returns the breaches of the rule for the inline namespace."""
    breaches = []
    for name, text in texts.items():
        opened = OPENED.findall(text)
        if any(line.strip() != INLINE for line in opened):
            breaches.append(f"{name}: opens namespace quarry without `{INLINE}` in the next line")
        if opened and "version.hpp" not in reached_from(name, graph):
            breaches.append(f"{name}: does not include version.hpp, so nothing says what QUARRY_ABI is")
    return breaches


def with_parts_joined(graph, wholes):
    """Returns the graph with each part and its whole as one header."""
    joined = {name: [] for name in graph if name not in wholes}
    for name, targets in graph.items():
        one = wholes.get(name, name)
        if one in joined:
            joined[one] += [wholes.get(target, target) for target in targets if wholes.get(target, target) != one]
    return joined


def check_spellings(texts):
    """Returns the breaches of the rule for what only one compiler knows."""
    return [f"{name}: says {word.strip()}, which only one compiler knows; use or add a macro of portability.hpp"
            for name, text in texts.items() if name not in SPELLERS for word in ONE_COMPILERS_WORD.findall(text)]


def check(root):
    """Returns the breaches found under `root`, one sentence each."""
    base = root / "include" / "quarry"
    texts = {p.relative_to(base).as_posix(): p.read_text() for p in sorted(base.rglob("*.hpp"))}
    floors = {name: floor_of(name, text) for name, text in texts.items()}
    wholes = {name: whole for name, text in texts.items() if (whole := whole_of(name, text))}
    breaches, graph = [], {}
    for name, text in texts.items():
        graph[name] = []
        if floors[name] is None:
            breaches.append(f"{name}: names no floor; its head comment needs a line `// Layer N`")
            continue
        for quote, target in INCLUDE.findall(text):
            if quote == "<" and not target.startswith("quarry/"):
                if name.startswith("core/") and target not in FREESTANDING:
                    breaches.append(f"{name}: includes <{target}>, which core/ must do without")
                continue
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
            own = target[len("quarry/"):] if target.startswith("quarry/") else beside
            if own not in texts:
                breaches.append(f"{name}: includes {target}, which is not a header of include/quarry")
                continue
            graph[name].append(own)
            if name.startswith("core/") and not own.startswith("core/") and floors[own] != GROUND_FLOOR:
                breaches.append(f"{name}: includes {target}, which lies outside core/")
            elif floors[own] is not None and floors[own] < floors[name]:
                breaches.append(f"{name} (floor {floors[name]}): includes {target}, which stands above it on floor {floors[own]}")
    breaches += check_parts(wholes, floors, graph)
    breaches += check_namespaces(texts, graph)
    breaches += check_spellings({**texts, **{p.relative_to(root).as_posix(): p.read_text() for p in sorted(root.glob("src/*.[ch]pp"))}})
    cycle = find_cycle(with_parts_joined(graph, wholes))
    if cycle:
        breaches.append("headers include each other in a circle: " + " -> ".join(cycle))
    return breaches


def self_test():
    engine_part = '// Layer 2. Part of engine.hpp.\n#include "engine.hpp"\n'
    good = {
        "core/page_source.hpp": "// Layer 5.\n#include <cstddef>\n",
        "core/bin.hpp": '// Layer    3. A bin.\n#include "page_source.hpp"\n',
        "core/engine/engine.hpp": ('// The engine.\n// Layer      2. Freestanding.\n#pragma once\n#include "../bin.hpp"\n'
                                   "#include <quarry/core/engine/flush.hpp>\n#include <quarry/core/engine/take.hpp>\n"),
        "core/engine/flush.hpp": "// The way up.\n//\n// Layer      2. Part of engine.hpp.\n"
                                 "#include <quarry/core/engine/engine.hpp>\n",
        "core/engine/take.hpp": '// The way down.\n//\n// Layer      2. Part of engine.hpp.\n#include "engine.hpp"\n',
        "resource.hpp": '#include <memory_resource>\n#include "core/bin.hpp"\n#include <quarry/core/bin.hpp>\n',
        "version.hpp": "// Layer      6. Macros.\n",
        "core/lock.hpp": "// Layer 5.\n#include <quarry/version.hpp>\nnamespace quarry {\ninline namespace QUARRY_ABI {\n",
        "lock.hpp": "#include <quarry/core/lock.hpp>\nnamespace quarry {\ninline namespace QUARRY_ABI {\nclass slab;\n",
    }
    cases = [
        ("", {}),
        ("stands above it", {"core/page_source.hpp": '// Layer 5.\n#include "bin.hpp"\n', "core/bin.hpp": "// Layer 3.\n"}),
        ("must do without", {"core/bin.hpp": "// Layer 3.\n#include <memory>\n"}),
        ("outside core/", {"core/bin.hpp": '// Layer 3.\n#include "../resource.hpp"\n'}),
        ("in a circle", {"other.hpp": '#include "resource.hpp"\n', "resource.hpp": "#include <quarry/other.hpp>\n"}),
        ("not a header", {"resource.hpp": '#include "none.hpp"\n'}),
        ("names no floor", {"core/new.hpp": "// A new one.\n"}),
        # Headers of a folder in core/ are held to the same floors.
        ("stands above it", {"core/slabs/slab.hpp": "// Layer 4.\n#include <quarry/core/bin.hpp>\n"}),
        ("outside core/", {"core/slabs/slab.hpp": "// Layer 4.\n#include <quarry/resource.hpp>\n"}),
        ("must do without", {"core/engine/take.hpp": engine_part + "#include <vector>\n"}),
        # Who is no part may not include in a circle, whoever says that it is one in another place than the head comment.
        ("in a circle", {"core/engine/take.hpp": '// Layer 2.\n#include "engine.hpp"\n'}),
        ("in a circle", {"core/engine/take.hpp": '// Layer 2.\n#include "engine.hpp"\n// Part of engine.hpp.\n'}),
        # A part may not carry its whole into a circle with a third header, nor may two parts form one that hides a third.
        ("in a circle", {"core/engine/take.hpp": engine_part + '#include "other.hpp"\n',
                         "core/engine/other.hpp": '// Layer 2.\n#include "engine.hpp"\n'}),
        ("which only core/engine/engine.hpp may include", {"core/engine/other.hpp": '// Layer 2.\n#include "take.hpp"\n'}),
        ("which only core/engine/engine.hpp may include", {"core/engine/flush.hpp": engine_part + '#include "take.hpp"\n'}),
        ("and does not include it", {"core/engine/take.hpp": "// Layer 2. Part of engine.hpp.\n"}),
        ("which does not include it", {"core/engine/more.hpp": engine_part}),
        ("which stands on floor 2", {"core/engine/take.hpp": '// Layer 1. Part of engine.hpp.\n#include "engine.hpp"\n'}),
        ("which stands above it", {"core/engine/take.hpp": '// Layer 3. Part of engine.hpp.\n#include "engine.hpp"\n'}),
        ("is not a header of include/quarry", {"core/engine/take.hpp": "// Layer 2. Part of motor.hpp.\n"}),
        # What lies under everything includes nothing else, and only what says so lies there.
        ("outside core/", {"core/lock.hpp": "// Layer 5.\n#include <quarry/resource.hpp>\n"}),
        ("stands above it", {"version.hpp": "// Layer 6.\n#include <quarry/resource.hpp>\n"}),
        ("opens namespace quarry without", {"lock.hpp": "#include <quarry/version.hpp>\nnamespace quarry {\nclass slab;\n"}),
        ("opens namespace quarry without", {"lock.hpp": "#include <quarry/version.hpp>\nnamespace quarry::core {\n"}),
        ("does not include version.hpp", {"lock.hpp": "namespace quarry {\ninline namespace QUARRY_ABI {\n"}),
        ("only one compiler knows", {"lock.hpp": "bool likely(bool is) { return __builtin_expect(is, 1); }\n"}),
        ("only one compiler knows", {"core/bin.hpp": "// Layer 3.\n  [[gnu::noinline]] void find();\n"}),
        ("only one compiler knows", {"core/bin.hpp": "// Layer 3.\n#pragma GCC unroll 8\n"}),
        ("only one compiler knows", {"../../src/record.cpp": "__thread int depth;\n"}),
        ("", {"portability.hpp": "// Layer 6.\n#define QUARRY_THREAD_LOCAL __thread\n"}),
        ("which is a part itself", {"core/engine/more.hpp": '// Layer 2. Part of take.hpp.\n#include "take.hpp"\n'}),
    ]
    for expected, changes in cases:
        with tempfile.TemporaryDirectory() as scratch:
            root = pathlib.Path(scratch)
            for name, text in {**good, **changes}.items():
                path = root / "include" / "quarry" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            checking.expect(expected, check(root))


if __name__ == "__main__":
    checking.run(check, self_test)
