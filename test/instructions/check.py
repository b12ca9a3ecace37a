#!/usr/bin/env python3
"""Pins the number of instructions that a hit of unsynchronized_slab_resource takes, counted by callgrind.

What is counted is the virtual call: from the first instruction of do_allocate or do_deallocate to its return. The caller's side
is counted over a resource whose functions do nothing, and taken off. Counts do not depend on the machine's load.
A hit is a call that the magazine serves by itself, so the smallest count over several fill levels of the magazine is taken.

usage: check.py --program hit_path [--limit 16] [--resource quarry] [--expect-over]
Exits 1 when a hit takes more than the limit; with --expect-over, when none does.
"""
import argparse
import sys

from callgrind_counts import count

CALLS = 100 * 8  # counted in each dump
EMPTY_BODY = {"allocate": 2, "deallocate": 1}  # empty_resource: lea + ret, ret


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--limit", type=float, default=16)
    parser.add_argument("--resource", default="quarry")
    parser.add_argument("--expect-over", action="store_true")
    options = parser.parse_args()
    empty = count(options.program, "empty", CALLS)
    worst = 0
    for (verb, size), whole in sorted(count(options.program, options.resource, CALLS).items()):
        body = whole - empty[verb, size] + EMPTY_BODY[verb]
        worst = max(worst, body)
        print(f"{options.resource:9} {verb:10} {size:5} bytes: {body:5.2f} instructions, {whole:5.2f} with the caller's side")
    print(f"worst: {worst:.2f}, limit: {options.limit:g}")
    return 0 if (worst > options.limit) == options.expect_over else 1


if __name__ == "__main__":
    sys.exit(main())
