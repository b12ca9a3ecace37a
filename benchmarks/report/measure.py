"""Runs the benchmark programs and gathers what they print. No judgement here: numbers in, one dictionary out."""
import json
import os
import re
import subprocess
import sys
import time

# Each program answers one question; the order is the order of the table.
TIMED = ["hot_pair", "free_order", "list", "replacement", "map_churn", "string_map",
         "text_index", "json_tree", "order_book", "resource_lifetime"]
REAL = ["text_index", "json_parse", "json_edit", "order_book"]  # workloads on real input

# How much to run. `options`: what each timed program is told besides; `divisor`: by how much memory loads shrink.
FULL = {"rounds": 7, "options": ["--budget_ms=60"], "deadline_s": None, "leave_out": [],
        "memory_of": REAL + ["list1M", "map_churn", "string_map"], "memory_loads": None, "divisor": 1,
        "fresh_rounds": 7, "fresh_nodes": 1000000, "worst_call_blocks": 1000000, "hits": 20000}
QUICK = {**FULL, "rounds": 3, "options": ["--budget_ms=10"], "deadline_s": 32, "leave_out": ["rand1M"],
         "memory_of": ["text_index"], "memory_loads": ["500k_of_8_to_71", "10k_of_8_to_507"], "fresh_rounds": 2,
         "worst_call_blocks": 200000}
SMOKE = {**QUICK, "rounds": 1, "options": ["--smoke"], "divisor": 1000, "fresh_rounds": 1, "fresh_nodes": 1000,
         "worst_call_blocks": 1000, "hits": 100}


class BenchmarkFailed(Exception):
    """A program failed; its own message is the text."""


class Progress:
    """One line that says how far the run is; on a terminal it is rewritten in place."""

    def __init__(self):
        self.live = sys.stderr.isatty()
        self.start = time.monotonic()

    def say(self, text):
        elapsed = time.monotonic() - self.start
        if self.live:
            sys.stderr.write(f"\r\033[K[{elapsed:4.0f} s] {text}")
        else:
            sys.stderr.write(f"[{elapsed:4.0f} s] {text}\n")
        sys.stderr.flush()

    def done(self):
        if self.live:
            sys.stderr.write("\r\033[K")


class Programs:
    """The built programs in one folder, and which of their names the user's filter lets through."""

    def __init__(self, folder, pattern):
        self.folder = folder
        self.pattern = re.compile(pattern)

    def output(self, name, *arguments):
        ran = subprocess.run([os.path.join(self.folder, name), *arguments], capture_output=True, text=True)
        if ran.returncode != 0:
            raise BenchmarkFailed(f"{name} {' '.join(arguments)} failed ({ran.returncode}):\n{ran.stderr or ran.stdout}")
        return ran.stdout

    def listed(self, name, prefix=""):
        """(workload, rival, kind, operation) for each thing that the program measures and the filter lets through."""
        for line in self.output(name, "--list").splitlines():
            full, kind, *operation = line.split("\t")
            if self.pattern.search(prefix + full):
                workload, rival = full.split("/")
                yield workload, rival, kind, operation[0] if operation else ""


def time_workloads(programs, plan, progress, results):
    """Round after round: each program once, all rivals in turn inside it, another rival first in each round."""
    chosen = {name: [entry for entry in programs.listed(name) if entry[0] not in plan["leave_out"]] for name in TIMED}
    for name, entries in chosen.items():
        for workload, rival, kind, operation in entries:
            results["rivals"].setdefault(rival, kind)
            entry = results["workloads"].setdefault(
                workload, {"operation": operation, "real_input": workload in REAL, "program": name, "ns": {},
                           "memory": {}})
            entry["ns"].setdefault(rival, [])
    for turn in range(plan["rounds"]):
        for name, entries in chosen.items():
            if not entries:
                continue
            late = plan["deadline_s"] is not None and time.monotonic() - progress.start > plan["deadline_s"]
            if turn > 0 and late:
                continue
            progress.say(f"round {turn + 1} of {plan['rounds']}: {name}")
            names = "|".join(f"{workload}/{rival}" for workload, rival, _, _ in entries)
            report = json.loads(programs.output(
                name, *plan["options"], f"--rotate={turn * 5}", f"--benchmark_filter=^({names})/",
                "--benchmark_format=json"))
            context = report["context"]
            results["absent_rivals"] = context.get("absent_rivals", "")
            for phrase in filter(None, context.get("real_input", "").split("; ")):
                if phrase not in results["real_input"] :
                    results["real_input"].append(phrase)
            for run in report["benchmarks"]:
                if run.get("error_occurred"):
                    raise BenchmarkFailed(f"{run['name']}: {run['error_message']}")
                workload, rival = run["name"].split("/")[:2]
                results["workloads"][workload]["ns"][rival].append(run["cpu_time"] / run["operations"])


def measure_workload_memory(programs, plan, progress, results):
    """Peak bytes of one round, each rival in a fresh process."""
    for workload, entry in results["workloads"].items():
        if workload not in plan["memory_of"]:
            continue
        for rival in entry["ns"]:
            progress.say(f"memory: {workload}, {rival}")
            entry["memory"][rival] = json.loads(programs.output(entry["program"], *plan["options"],
                                                                f"--memory_of={workload}/{rival}"))


def measure_memory_loads(programs, plan, progress, results):
    for load, rival, kind, _ in programs.listed("memory", "memory/"):
        if plan["memory_loads"] is not None and load not in plan["memory_loads"]:
            continue
        progress.say(f"memory: {load}, {rival}")
        results["rivals"].setdefault(rival, kind)
        row = json.loads(programs.output("memory", "--child", load, rival, str(plan["divisor"])))
        results["memory"].setdefault(load, {})[rival] = row


def measure_fresh_lists(programs, plan, progress, results):
    """A list of a million in a new process, each rival in turns; the rival's other numbers are of its fastest life."""
    entries = list(programs.listed("fresh_list"))
    for turn in range(plan["fresh_rounds"]):
        for _, rival, kind, _ in entries:
            progress.say(f"fresh memory, round {turn + 1} of {plan['fresh_rounds']}: {rival}")
            results["rivals"].setdefault(rival, kind)
            row = json.loads(programs.output("fresh_list", "--child", rival, str(plan["fresh_nodes"])))
            if rival not in results["fresh"] or row["ns"] < results["fresh"][rival]["ns"]:
                results["fresh"][rival] = row


def measure_worst_calls(programs, plan, progress, results):
    if not programs.pattern.search("worst_call/quarry"):
        return
    progress.say("worst single call")
    results["worst_call_blocks"] = plan["worst_call_blocks"]
    for row in json.loads(programs.output("worst_call", f"--blocks={plan['worst_call_blocks']}"))["worst_call"]:
        results["rivals"].setdefault(row["rival"], row["kind"])
        results["worst_call"][row["rival"]] = row


def count_instructions(programs, plan, progress, results):
    """Instructions of one hit: callgrind with N and 2N pairs, collecting in one function, the difference over N."""
    if not programs.pattern.search("hit_instructions/quarry"):
        return
    pairs = plan["hits"]
    program = os.path.join(programs.folder, "hit_instructions")
    for call in ("do_allocate", "do_deallocate"):
        totals = []
        for count in (pairs, 2 * pairs):
            progress.say(f"instructions of a hit: {call}, {count} pairs under callgrind")
            try:
                ran = subprocess.run(
                    ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                     f"--toggle-collect=quarry::unsynchronized_slab_resource::{call}*", program, str(count)],
                    capture_output=True, text=True)
            except FileNotFoundError:
                results["notes"].append("Instructions were not counted: valgrind is not installed.")
                return
            found = re.search(r"Collected : (\d+)", ran.stderr)
            if ran.returncode != 0 or not found:
                raise BenchmarkFailed(f"callgrind failed:\n{ran.stderr}")
            totals.append(int(found.group(1)))
        results["instructions"][call] = (totals[1] - totals[0]) / pairs


def measure(folder, pattern, plan, progress):
    programs = Programs(folder, pattern)
    results = {"rivals": {}, "workloads": {}, "memory": {}, "fresh": {}, "worst_call": {}, "instructions": {},
               "real_input": [], "absent_rivals": "", "notes": []}
    time_workloads(programs, plan, progress, results)
    measure_workload_memory(programs, plan, progress, results)
    measure_memory_loads(programs, plan, progress, results)
    measure_fresh_lists(programs, plan, progress, results)
    measure_worst_calls(programs, plan, progress, results)
    count_instructions(programs, plan, progress, results)
    counts = {len(ns) for entry in results["workloads"].values() for ns in entry["ns"].values()}
    if counts and max(counts) > 0:
        few = f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else f"{max(counts)}"
        results["notes"].append(f"Times are the best of {few} rounds.")
    for entry in results["workloads"].values():
        entry["best_ns"] = {rival: min(ns) for rival, ns in entry["ns"].items() if ns}
        entry["spread"] = {rival: (max(ns) - min(ns)) / min(ns) for rival, ns in entry["ns"].items() if ns}
    progress.done()
    return results
