#!/usr/bin/env python3
"""Runs libstdc++'s own tests of the pool resources against Quarry's classes.

The tests come from Debian's package gcc-12-source and are unpacked into the work folder; none of them is part of this project.
Each is built twice: as it is, which must pass and shows that the test works here, and with quarry_as_std_pool.hpp
renaming the standard class to Quarry's, minus the assertions that excuses.txt takes out with a reason.

usage: run.py --work DIR --library libquarry.a [--compiler g++] [--jobs N]

Prints `ok NAME`, `not ok NAME` with the output, or `skip NAME (reason)`; exits 1 when any failed.
"""
import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ARCHIVES = sorted(pathlib.Path("/usr/src/gcc-12").glob("gcc-12.*.tar.xz"))
SUITE = "libstdc++-v3/testsuite"
FOLDERS = ("unsynchronized_pool_resource", "synchronized_pool_resource")
EXPECTED_FILES = 15


def unpack(work):
    """Unpacks the wanted part of the compiler's source once and returns its testsuite folder."""
    if not ARCHIVES:
        sys.exit("error: /usr/src/gcc-12/gcc-12.*.tar.xz is not there: install the package gcc-12-source")
    stamp = work / "unpacked"
    if not stamp.exists():
        work.mkdir(parents=True, exist_ok=True)
        wanted = tuple(f"{SUITE}/20_util/{folder}/" for folder in FOLDERS) + (f"{SUITE}/util/",)
        found = False
        with tarfile.open(ARCHIVES[0], "r|xz") as archive:
            for member in archive:
                inside = member.name.split("/", 1)[-1]
                if inside.startswith(wanted):
                    member.name = inside
                    archive.extract(member, work)
                    found = True
                elif found and not inside.startswith(SUITE):
                    break  # the testsuite lies together; the rest of the archive need not be read
        stamp.touch()
    return work / SUITE


def read_excuses(path):
    """Returns {file: [(text to drop, text to put in its place, reason)]}."""
    excuses, file, reason, drop, put = {}, None, None, None, None
    for line in path.read_text().splitlines():
        if drop is not None:
            if line == "end":
                excuses.setdefault(file, []).append(("\n".join(drop), "\n".join(put or []), reason))
                drop = put = None
            elif line == "put:" and put is None:
                put = []
            else:
                (drop if put is None else put).append(line)
        elif line.startswith("file:"):
            file, reason = line[len("file:"):].strip(), None
        elif line.startswith("reason:"):
            reason = line[len("reason:"):].strip()
        elif line == "drop:":
            if not file or not reason:
                sys.exit(f"error: {path}: an excuse needs a file and a reason")
            drop = []
        elif line and not line.startswith("#"):
            sys.exit(f"error: {path}: cannot read the line {line!r}")
    return excuses


def write_excused(suite, target, excuses):
    """Copies the tests to `target` without the excused assertions; returns the excuses that match nothing."""
    unmatched = []
    for folder in FOLDERS:
        (target / "20_util" / folder).mkdir(parents=True, exist_ok=True)
        for source in sorted((suite / "20_util" / folder).glob("*.cc")):
            name = f"{folder}/{source.name}"
            text = source.read_text()
            for drop, put, _ in excuses.get(name, []):
                if text.count(drop) != 1:
                    unmatched.append(f"{name}: the excused text appears {text.count(drop)} times: {drop.splitlines()[0]}")
                text = text.replace(drop, put)
            (target / "20_util" / name).write_text(text)
    known = {f"{f}/{p.name}" for f in FOLDERS for p in (suite / "20_util" / f).glob("*.cc")}
    return unmatched + [f"{name}: no such test" for name in excuses if name not in known]


def run(command, timeout_s=120):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return f"no end after {timeout_s} s: {' '.join(map(str, command))}"
    return "" if done.returncode == 0 else f"exit status {done.returncode}\n{done.stdout}"


def judge(options, suite, source, name, ours):
    program = options.work / ("quarry" if ours else "control") / name.replace("/", ".")
    program.parent.mkdir(parents=True, exist_ok=True)
    command = [options.compiler, "-std=gnu++17", "-O1", "-g1", "-w", "-pthread", f"-I{suite / 'util'}", f"-I{ROOT / 'include'}",
               "-include", HERE / "quarry_as_std_pool.hpp"]
    if ours:
        command.append("-DQUARRY_CONFORMANCE")
    command += [source, "-o", program]
    if ours:
        command += [options.library, "-pthread"]
    return run(command) or run([program])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--library", type=pathlib.Path, required=True)
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()

    suite = unpack(options.work)
    excuses = read_excuses(HERE / "excuses.txt")
    excused = options.work / "excused"
    failed = False
    for complaint in write_excused(suite, excused, excuses):
        print(f"not ok excuses.txt\n{complaint}")
        failed = True
    for name, entries in excuses.items():
        for _, _, reason in entries:
            print(f"note: excused in {name}: {reason}")

    names = [f"{folder}/{p.name}" for folder in FOLDERS for p in sorted((suite / "20_util" / folder).glob("*.cc"))]
    if len(names) != EXPECTED_FILES:
        print(f"not ok conformance.files\n{len(names)} tests found, {EXPECTED_FILES} expected")
        failed = True
    tasks = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for name in names:
            header = name.split("/")[0].replace("_pool_", "_slab_") + ".hpp"
            tasks.append((f"control {name}", pool.submit(judge, options, suite, suite / "20_util" / name, name, False)))
            if (ROOT / "include" / "quarry" / header).exists():
                tasks.append((f"quarry {name}", pool.submit(judge, options, suite, excused / "20_util" / name, name, True)))
            else:
                print(f"skip quarry {name} (this version has no quarry/{header})")
        for name, task in tasks:
            trouble = task.result()
            failed = failed or bool(trouble)
            print(f"not ok {name}\n{trouble}" if trouble else f"ok {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
