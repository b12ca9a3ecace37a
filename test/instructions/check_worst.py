#!/usr/bin/env python3
"""Holds the worst single call of unsynchronized_slab_resource to a number of instructions, counted by callgrind.

The worst of 400 allocations and of 400 frees is taken with few and with many objects alive, and with one resource and many.
The worst calls, one that makes an extent, its first slab and a larger directory, and one that puts a portion of slots back, must
stay under the limit everywhere; a cost that grows with what is alive would pass it at the large end.

usage: check_worst.py --program worst_call [--limit 2000]
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile


def worst(program, live_objects, resources):
    """Returns {verb: most instructions of one call}."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["valgrind", "--tool=callgrind", "--collect-atstart=no",
                   f"--callgrind-out-file={scratch}/out", program, str(live_objects), str(resources)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=280, check=False)
        if done.returncode != 0:
            sys.exit(f"error: {' '.join(command)} failed:\n{done.stdout}")
        most = {}
        for dump in pathlib.Path(scratch).iterdir():
            text = dump.read_text()
            name = re.search(r"^desc: Trigger: Client Request: (\w+)$", text, re.MULTILINE)
            total = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
            if name and total:
                most[name.group(1)] = max(int(total.group(1)), most.get(name.group(1), 0))
        if set(most) != {"allocate", "deallocate"}:
            sys.exit(f"error: callgrind left no counts:\n{done.stdout}")
        return most


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--limit", type=int, default=2000)
    options = parser.parse_args()
    over = False
    for live_objects, resources in ((1000, 1), (50_000, 1), (400_000, 1), (1000, 1000)):
        for verb, instructions in sorted(worst(options.program, live_objects, resources).items()):
            print(f"{live_objects:7} live, {resources:5} resources: worst {verb:10} {instructions:6} instructions")
            over = over or instructions > options.limit
    print(f"limit: {options.limit}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
