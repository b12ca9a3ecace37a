#!/usr/bin/env python3
"""Checks the direction of includes: a header includes its own floor or a lower one, without cycles, and core/ stays freestanding.

Each header of core/ names its floor in its head comment (`// Layer 3 ...`; of several the smallest counts); a larger number lies
lower. Headers outside core/ stand on floor 1.

usage: check_includes.py [ROOT]       ROOT holds include/quarry; the project by default
       check_includes.py --self-test  breaks each rule once in a scratch folder and expects to be told

Prints one line for each breach and exits 1 when there is any.
"""
import pathlib
import posixpath
import re
import sys
import tempfile

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.MULTILINE)
LAYER = re.compile(r"^// Layer\s+(\d+)", re.MULTILINE)
# What of the standard library needs neither a heap, an operating system, exceptions nor RTTI.
FREESTANDING = {"array", "atomic", "bit", "climits", "cstddef", "cstdint", "initializer_list", "limits", "new", "type_traits",
                "utility", "version"}
PUBLIC_FLOOR = 1


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
    if not name.startswith("core/"):
        return PUBLIC_FLOOR
    layer = LAYER.search(text)
    return int(layer.group(1)) if layer else None


def check(root):
    """Returns the breaches found under `root`, one sentence each."""
    base = root / "include" / "quarry"
    texts = {p.relative_to(base).as_posix(): p.read_text() for p in sorted(base.rglob("*.hpp"))}
    floors = {name: floor_of(name, text) for name, text in texts.items()}
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
            if name.startswith("core/") and not own.startswith("core/"):
                breaches.append(f"{name}: includes {target}, which lies outside core/")
            elif floors[own] is not None and floors[own] < floors[name]:
                breaches.append(f"{name} (floor {floors[name]}): includes {target}, which stands above it on floor {floors[own]}")
    cycle = find_cycle(graph)
    if cycle:
        breaches.append("headers include each other in a circle: " + " -> ".join(cycle))
    return breaches


def self_test():
    good = {
        "core/page_source.hpp": "// Layer 5.\n#include <cstddef>\n",
        "core/bin.hpp": '// Layer    3. A bin.\n#include "page_source.hpp"\n',
        "resource.hpp": '#include <memory_resource>\n#include "core/bin.hpp"\n#include <quarry/core/bin.hpp>\n',
    }
    cases = [
        ("", {}),
        ("stands above it", {"core/page_source.hpp": '// Layer 5.\n#include "bin.hpp"\n', "core/bin.hpp": "// Layer 3.\n"}),
        ("must do without", {"core/bin.hpp": "// Layer 3.\n#include <memory>\n"}),
        ("outside core/", {"core/bin.hpp": '// Layer 3.\n#include "../resource.hpp"\n'}),
        ("in a circle", {"other.hpp": '#include "resource.hpp"\n', "resource.hpp": "#include <quarry/other.hpp>\n"}),
        ("not a header", {"resource.hpp": '#include "none.hpp"\n'}),
        ("names no floor", {"core/new.hpp": "// A new one.\n"}),
    ]
    failures = 0
    for expected, changes in cases:
        with tempfile.TemporaryDirectory() as scratch:
            root = pathlib.Path(scratch)
            for name, text in {**good, **changes}.items():
                path = root / "include" / "quarry" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            breaches = check(root)
            right = any(expected in b for b in breaches) if expected else not breaches
            if not right:
                failures += 1
                print(f"self-test: expected {expected or 'no breach'!r}, got {breaches}")
    return failures


def main():
    if sys.argv[1:] == ["--self-test"]:
        return 1 if self_test() else 0
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    breaches = check(root)
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
