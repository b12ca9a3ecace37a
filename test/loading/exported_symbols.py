#!/usr/bin/env python3
"""Checks which of Quarry's names a library shows.

usage: exported_symbols.py [--nm NM] --shared FILE      a shared Quarry: the public ones, and what inline code calls beyond it
       exported_symbols.py [--nm NM] --module FILE      a module that contains a static Quarry: none
       exported_symbols.py [--nm NM] --versioned FILE   a static Quarry: whatever it defines is in the inline namespace

Prints one line for each breach and exits 1 when there is any, or when nothing was found to look at.
"""
import argparse
import pathlib
import re
import subprocess
import sys

HEADER = pathlib.Path(__file__).parents[2] / "include" / "quarry" / "version.hpp"
# What inline code of users calls or names beyond the public face.
NEEDED = ["core::engine<", "core::store<", "detail::slab_face<", "detail::slab_host<", "detail::thread_caches::",
          "detail::thread_table", "detail::resource_supply::", "detail::sleeping_lock::", "detail::supply_lock::",
          "detail::throw_bad_array_new_length(", "detail::report_violation(", "detail::checks_of_environment(",
          "detail::fork_peer_of_library("]
# What must be there, or the library has another face than users know.
PUBLIC = ["unsynchronized_slab_resource::", "synchronized_slab_resource::", "slab_thread_view::", "os_page_source::",
          "slab_options::resolved(", "memory_budget::", "os_page_resource(", "pooled_page_resource(", "trim_pooled_pages(",
          "set_pooled_page_limit(", "set_violation_handler(", "slab_category(", "make_error_code("]


def names_of(nm, file, *options):
    """Returns the demangled names of what `file` defines, as far as they are Quarry's."""
    output = subprocess.run([nm, "--defined-only", *options, file], check=True, capture_output=True, text=True).stdout
    mangled = [line.split()[-1] for line in output.splitlines() if re.search(r" [A-Za-z] ", line)]
    filtered = subprocess.run(["c++filt"], input="\n".join(mangled), check=True, capture_output=True, text=True).stdout
    return sorted({name for name in filtered.splitlines() if "quarry::" in name})


def entity(name):
    """Returns what a name is about: without `vtable for` and the like, and without a return type."""
    name = re.sub(r"^(vtable|typeinfo name|typeinfo|VTT|guard variable|construction vtable) for ", "", name)
    return name[len(re.match(r"(?:[^<(]*? )?(?=quarry::)|", name).group()):]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nm", default="nm")
    kind = parser.add_mutually_exclusive_group(required=True)
    for each in ("shared", "module", "versioned"):
        kind.add_argument(f"--{each}", metavar="FILE")
    options = parser.parse_args()
    abi = re.search(r"^#define QUARRY_ABI (\w+)$", HEADER.read_text(), re.MULTILINE).group(1)
    prefix = f"quarry::{abi}::"
    breaches = []
    if options.module:
        breaches = [f"shown: {name}" for name in names_of(options.nm, options.module, "-D")]
    elif options.versioned:
        names = names_of(options.nm, options.versioned)
        breaches = [f"in no version's namespace: {name}" for name in names if re.search(rf"\bquarry::(?!{abi}::)", name)]
        breaches += [] if names else ["no name of Quarry's is defined"]
    else:
        shown = [entity(name) for name in names_of(options.nm, options.shared, "-D") if not name.startswith("std::")]
        shown = [name[len(prefix):] if name.startswith(prefix) else name for name in shown]
        hidden = ("core::", "detail::", "quarry::")
        breaches = [f"shown by mistake: {name}" for name in shown
                    if name.startswith(hidden) and not name.startswith(tuple(NEEDED))]
        breaches += [f"not shown: {wanted}" for wanted in NEEDED + PUBLIC if not any(name.startswith(wanted) for name in shown)]
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
