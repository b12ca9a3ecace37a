#!/usr/bin/env python3
"""Pins the instructions of a typed cache, counted by callgrind; counts do not depend on the machine's load.

usage: check_typed.py --program typed_path hit [--limit 8]
       check_typed.py --program typed_path worst [--limit 1200] [--growth 1.1] [--expect-over] [--scan]

hit:   an allocate and a deallocate that the magazine serves, out of line, less a function that only returns its argument.
worst: the most that one of 300 calls takes with 2,000 and with 200,000 objects alive: below the limit, and the second at most
       `growth` times the first.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile


def largest(program, *words):
    """Returns {verb: most instructions of one call}."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--callgrind-out-file={scratch}/out", program, *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240, check=False)
        if done.returncode != 0:
            sys.exit(f"error: {' '.join(command)} failed:\n{done.stdout}")
        most = {}
        for dump in pathlib.Path(scratch).iterdir():
            text = dump.read_text()
            name = re.search(r"^desc: Trigger: Client Request: (\w+) \d+$", text, re.MULTILINE)
            total = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
            if name and total:
                most[name.group(1)] = max(int(total.group(1)), most.get(name.group(1), 0))
        if not most:
            sys.exit(f"error: callgrind left no counts:\n{done.stdout}")
        return most


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("question", choices=["hit", "worst"])
    parser.add_argument("--limit", type=float, default=8)
    parser.add_argument("--growth", type=float, default=1.1)
    parser.add_argument("--scan", action="store_true")
    parser.add_argument("--expect-over", action="store_true")
    options = parser.parse_args()
    over = False
    if options.question == "hit":
        counts = largest(options.program, "hit")
        for verb in ("allocate", "deallocate"):
            # `nothing` returns its argument: a move, a return, and the caller's side.
            instructions = counts[verb] - counts["nothing"] + (0 if verb == "allocate" else 1)
            over |= instructions > options.limit
            print(f"{verb:10} {instructions} instructions, limit {options.limit:g}")
    else:
        word = "scan" if options.scan else "worst"
        few, many = largest(options.program, word, "2000"), largest(options.program, word, "200000")
        for verb in ("allocate", "deallocate"):
            over |= many[verb] > options.limit or many[verb] > options.growth * few[verb]
            print(f"{verb:10} worst of 300 calls: {few[verb]} with 2,000 alive, {many[verb]} with 200,000, limit {options.limit:g}")
    return 0 if over == options.expect_over else 1


if __name__ == "__main__":
    sys.exit(main())
