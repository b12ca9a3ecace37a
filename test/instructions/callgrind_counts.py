"""Counts the instructions of the calls that a program marks for callgrind."""
import pathlib
import re
import subprocess
import sys
import tempfile


def count(program, resource, calls):
    """Returns {(verb, bytes): fewest instructions of one call, the caller's side included}; each dump counts `calls` calls."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["valgrind", "--tool=callgrind", "--collect-atstart=no",
                   f"--callgrind-out-file={scratch}/out", program, resource]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240, check=False)
        if done.returncode != 0:
            sys.exit(f"error: {' '.join(command)} failed:\n{done.stdout}")
        fewest = {}
        for dump in pathlib.Path(scratch).iterdir():
            text = dump.read_text()
            name = re.search(r"^desc: Trigger: Client Request: (\w+) (\d+) \d+$", text, re.MULTILINE)
            total = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
            if name and total:
                key = (name.group(1), int(name.group(2)))
                fewest[key] = min(int(total.group(1)) / calls, fewest.get(key, float("inf")))
        if not fewest:
            sys.exit(f"error: callgrind left no counts:\n{done.stdout}")
        return fewest
