#!/usr/bin/env python3
"""Holds that work costs about the same whatever lies around it: two variants of one question, in instructions an operation.

usage: check_growth.py --program cost_growth --question numbers --first 250 --second 1000 [--times 2] [--expect-over]
Exits 1 when the second variant takes more than `times` the instructions of the first; with --expect-over, when it does not.
Counts do not depend on the machine's load.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile


def instructions(program, question, variant):
    """Returns the instructions of one operation."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--callgrind-out-file={scratch}/out",
                   program, question, variant]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500, check=False)
        operations = re.search(r"^operations (\d+)$", done.stdout, re.MULTILINE)
        if done.returncode != 0 or not operations:
            sys.exit(f"error: {' '.join(command)} failed:\n{done.stdout}")
        totals = [re.search(r"^(?:summary|totals): (\d+)", dump.read_text(), re.MULTILINE)
                  for dump in pathlib.Path(scratch).iterdir()]
        total = sum(int(found.group(1)) for found in totals if found)
        if total == 0:
            sys.exit(f"error: callgrind counted nothing:\n{done.stdout}")
        return total / int(operations.group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--question", required=True)
    parser.add_argument("--first", required=True)
    parser.add_argument("--second", required=True)
    parser.add_argument("--times", type=float, default=2)
    parser.add_argument("--expect-over", action="store_true")
    options = parser.parse_args()
    first = instructions(options.program, options.question, options.first)
    second = instructions(options.program, options.question, options.second)
    print(f"{options.question}: {first:.1f} instructions for {options.first}, {second:.1f} for {options.second}, "
          f"{second / first:.2f} times, limit {options.times:g}")
    return 0 if (second > options.times * first) == options.expect_over else 1


if __name__ == "__main__":
    sys.exit(main())
