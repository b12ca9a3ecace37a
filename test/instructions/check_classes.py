#!/usr/bin/env python3
"""Holds that a hit costs about the same for every size: nowhere more than so many times the hit of 64 bytes.

What is counted is the virtual call, as in check.py: the caller's side is counted over a resource that does nothing and taken
off. Of several fill levels of the magazine the cheapest is a hit. Counts do not depend on the machine's load.

usage: check_classes.py --program class_hits --resource unsynchronized [--times 1.5] [--expect-over]
Exits 1 when a size is dearer; with --expect-over, when none is.
"""
import argparse
import sys

from callgrind_counts import count

CALLS = 30  # counted in each dump
EMPTY_BODY = {"allocate": 5, "deallocate": 3}  # the empty resource's own instructions, to within one


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--resource", required=True)
    parser.add_argument("--times", type=float, default=1.5)
    parser.add_argument("--expect-over", action="store_true")
    options = parser.parse_args()
    empty = count(options.program, "empty", CALLS)
    whole = count(options.program, options.resource, CALLS)
    bodies = {key: whole[key] - empty[key] + EMPTY_BODY[key[0]] for key in whole}
    over = False
    for verb in EMPTY_BODY:
        limit = options.times * bodies[verb, 64]
        for (of, size), body in sorted(bodies.items()):
            if of == verb and body > limit:
                over = True
                print(f"{options.resource} {verb} {size} bytes: {body:.1f} instructions")
        worst, size = max((body, size) for (of, size), body in bodies.items() if of == verb)
        print(f"{options.resource} {verb}: 64 bytes {bodies[verb, 64]:.1f}, worst {worst:.1f} at {size} bytes, limit {limit:.1f}")
    return 0 if over == options.expect_over else 1


if __name__ == "__main__":
    sys.exit(main())
