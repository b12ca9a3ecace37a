"""Measures, judges, prints and writes: the part of benchmarks/run that comes after the build."""
import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import time

import measure
import page
import readme
import table
import targets


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip().splitlines()[0]
    except (OSError, IndexError):
        return "unknown"


def machine():
    cpu = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith(("model name", "Model")):
                cpu = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="utf-8") as lines:
        kibibytes = int(re.search(r"MemTotal:\s+(\d+)", lines.read()).group(1))
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "") if hasattr(platform, "freedesktop_os_release") else ""
    return f"{cpu}, {os.cpu_count()} cores, {kibibytes / 2**20:.0f} GiB, {system}, Linux {platform.release()}"


def versions(packages):
    """Installed versions of the packages that this run is made of."""
    found = {"compiler": first_line("c++", "--version")}
    for package in packages:
        version = first_line("dpkg-query", "--show", "--showformat=${Version}\n", package)
        if version != "unknown":
            found[package] = version
    return found


def commit():
    """The commit that was measured, with `-dirty` behind it where files differ from it."""
    return first_line("git", "-C", readme.ROOT, "describe", "--always", "--dirty", "--exclude=*")


def processor_ticks():
    """(busy, all) ticks of all cores since the machine started."""
    with open("/proc/stat", encoding="utf-8") as lines:
        ticks = [int(word) for word in lines.readline().split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def machine_is_busy():
    """Whether others work on this machine: the share of busy processor time while we wait."""
    busy_before, all_before = processor_ticks()
    time.sleep(0.5)
    busy_after, all_after = processor_ticks()
    return busy_after - busy_before > 0.25 * (all_after - all_before)


def write(path, text):
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True)
    parser.add_argument("--packages", default="")
    parser.add_argument("--html", required=True)
    parser.add_argument("--json", required=True)
    parser.add_argument("--svg", default="")
    parser.add_argument("--publish", action="store_true")
    parser.add_argument("--filter", default="")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--smoke", action="store_true", help="everything tiny: shows that it runs, measures nothing")
    return parser.parse_args()


def main():
    options = parse()
    try:
        re.compile(options.filter)
    except re.error as error:
        sys.exit(fail(2, f"--filter {options.filter} is not a regular expression: {error}"))
    plan = measure.SMOKE if options.smoke else measure.QUICK if options.quick else measure.FULL
    progress = measure.Progress()
    busy = machine_is_busy()
    try:
        results = measure.measure(options.programs, options.filter, plan, progress)
    except measure.BenchmarkFailed as error:
        sys.exit(fail(1, str(error)))
    if not any(results[part] for part in ("workloads", "memory", "fresh", "fresh_resource", "pinned", "worst_call", "instructions", "checks")):
        sys.exit(fail(2, f"--filter {options.filter} matches nothing; names look like list1M/quarry or memory/10k_of_8_to_507/malloc"))
    if busy:
        results["notes"].append("The machine was busy with other work when the run began: expect noise.")
    results["machine"] = machine()
    results["commit"] = commit()
    results["date"] = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    results["command"] = "benchmarks/run" + (" --quick" if options.quick else "") + (
        f" --filter '{options.filter}'" if options.filter else "")
    results["versions"] = versions(options.packages.split())
    results["targets"] = targets.judge(results)
    results["verdicts"] = targets.verdicts(results)
    write(options.json, json.dumps(results, indent=1))
    write(options.html, page.render(results))
    if options.svg:
        write(options.svg, page.picture(results))
    if options.publish:
        try:
            readme.publish(results)
        except readme.NotMeasured as error:
            sys.exit(fail(2, str(error)))
    show(results, options)


def fail(code, message):
    sys.stderr.write(f"\nerror: {message}\n")
    return code


def show(results, options):
    if results["caveat"]:
        print(f"\n{results['caveat']}")
    print(f"\n{results['machine']}\nReal input: {'; '.join(results['real_input']) or 'none used'}")
    if results["absent_rivals"]:
        print(f"Not installed, so not compared: {results['absent_rivals']}")
    for note in results["notes"]:
        print(f"Note: {note}")
    if results["workloads"]:
        print("\n" + table.times(results))
    if results["memory"] or any(entry["memory"] for entry in results["workloads"].values()):
        print("\n" + table.memory(results))
    if results["fresh"]:
        print("\n" + table.fresh(results))
    if results["fresh_resource"]:
        print("\n" + table.aligned(table.fresh_resources(results)))
    if results["checks"]:
        print("\n" + table.aligned(table.checks(results)))
    if results["pinned"]:
        print("\n" + table.aligned(table.pinned(results)))
    if results["worst_call"]:
        print("\n" + table.worst_calls(results))
    measured = [row for row in results["targets"] if row["measured"] is not None]
    if measured:
        print("\n" + table.targets(measured))
    print(f"\nCharts: {options.html}\nData:   {options.json}")


if __name__ == "__main__":
    main()
