#!/usr/bin/env python3
"""Checks the direction of includes: a header includes its own floor or a lower one, without cycles, and core/ stays freestanding.

usage: check_includes.py [ROOT]     ROOT holds include/quarry and test/include_floors.txt; the project by default
       check_includes.py --self-test  breaks each rule once in a scratch folder and expects to be told

Prints one line for each breach and exits 1 when there is any.
"""
import pathlib
import re
import sys
import tempfile

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.MULTILINE)
# What of the standard library needs neither a heap, an operating system, exceptions nor RTTI.
FREESTANDING = {"atomic", "bit", "climits", "cstddef", "cstdint", "initializer_list", "limits", "new", "type_traits",
                "utility", "version"}
PUBLIC_FLOOR = 1


def read_floors(path):
    floors = {}
    for line in path.read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            floors[words[0]] = int(words[1])
    return floors


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


def check(root):
    """Returns the breaches found under `root`, one sentence each."""
    base = root / "include" / "quarry"
    floors = read_floors(root / "test" / "include_floors.txt")
    headers = {p.relative_to(base).as_posix(): p for p in sorted(base.rglob("*.hpp"))}
    breaches, graph = [], {}

    def floor_of(name):
        return floors.get(name, None if name.startswith("core/") else PUBLIC_FLOOR)

    for name, path in headers.items():
        graph[name] = []
        if floor_of(name) is None:
            breaches.append(f"{name}: has no floor; give it a line in test/include_floors.txt")
            continue
        for quote, target in INCLUDE.findall(path.read_text()):
            if not target.startswith("quarry/"):
                if quote == '"':
                    breaches.append(f'{name}: includes "{target}"; write <quarry/...> for the project\'s own headers')
                elif name.startswith("core/") and target not in FREESTANDING:
                    breaches.append(f"{name}: includes <{target}>, which core/ must do without")
                continue
            own = target[len("quarry/"):]
            if own not in headers:
                breaches.append(f"{name}: includes <{target}>, which does not exist")
                continue
            graph[name].append(own)
            below = floor_of(own)
            if name.startswith("core/") and not own.startswith("core/"):
                breaches.append(f"{name}: includes <{target}>, which lies outside core/")
            elif below is not None and below < floor_of(name):
                breaches.append(f"{name} (floor {floor_of(name)}): includes <{target}>, which stands above it on floor {below}")
    cycle = find_cycle(graph)
    if cycle:
        breaches.append("headers include each other in a circle: " + " -> ".join(cycle))
    return breaches


def self_test():
    good = {
        "core/page_source.hpp": "#include <cstddef>\n",
        "core/bin.hpp": "#include <quarry/core/page_source.hpp>\n",
        "resource.hpp": "#include <memory_resource>\n#include <quarry/core/bin.hpp>\n",
    }
    floors = "core/bin.hpp 3\ncore/page_source.hpp 5\n"
    cases = [
        ("stands above it", {"core/page_source.hpp": "#include <quarry/core/bin.hpp>\n"}, floors),
        ("must do without", {"core/bin.hpp": "#include <memory>\n"}, floors),
        ("outside core/", {"core/bin.hpp": "#include <quarry/resource.hpp>\n"}, floors),
        ("in a circle", {"other.hpp": "#include <quarry/resource.hpp>\n", "resource.hpp": "#include <quarry/other.hpp>\n"}, floors),
        ("does not exist", {"resource.hpp": "#include <quarry/none.hpp>\n"}, floors),
        ("has no floor", {"core/new.hpp": "\n"}, floors),
        ("write <quarry/", {"resource.hpp": '#include "core/bin.hpp"\n'}, floors),
    ]
    failures = 0
    for expected, changes, table in [("", {}, floors)] + cases:
        with tempfile.TemporaryDirectory() as scratch:
            root = pathlib.Path(scratch)
            for name, text in {**good, **changes}.items():
                path = root / "include" / "quarry" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            (root / "test").mkdir()
            (root / "test" / "include_floors.txt").write_text(table)
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
