"""Runs the benchmark programs and gathers what they print. No judgement here: numbers in, one dictionary out."""
import concurrent.futures
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

# Each program answers one question; the order is the order of the table.
TIMED = ["hot_pair", "free_order", "fleet_order", "list", "replacement", "map_churn", "string_map",
         "text_index", "json_tree", "order_book", "resource_lifetime", "large_blocks", "threads"]
SECTIONS = {"large_blocks": "Large blocks", "threads": "Threads"}  # of the page; the others are in the first one
FIRST_SECTION = "One thread"

# Programs whose rivals are others than those of the rest, and the words for one operation. They run all of their rounds by
# themselves, rivals in random turns.
OTHER_RIVALS = {"containers": ("Containers with typed allocators", "one element"),
                "json_boost": ("Boost.JSON", "one KiB of a document of iso-codes parsed and destroyed; numbers is made here"),
                "typed_cache": ("Typed caches", "one object of 48 bytes taken and given back")}
# Those of them that take from glibc's malloc alone: what tuning it does shows on them.
OVER_MALLOC = {"containers": ["std_allocator"], "json_boost": ["default"], "typed_cache": ["std_allocator", "new_and_delete"]}
KINDS = {"quarry": ["quarry", "quarry_slab_ptr", "quarry_spin_lock", "slab_allocator", "slabs_through_pmr",
                    "slabs_one_by_one", "make_and_destroy", "reuse_and_recycle"],
         "malloc": ["default", "std_allocator", "mimalloc", "new_and_delete"],
         "floor": ["bump", "bump_in_bursts", "intrusive_list", "spin_lock_alone", "monotonic"]}
KIND_OF = {rival: kind for kind, rivals in KINDS.items() for rival in rivals}  # all others are pools
REAL = ["text_index", "json_parse", "json_edit", "order_book"]  # workloads on real input
PAGE_SIZES = ("huge", "small")  # of fresh memory: huge pages for all, for none

# How much to run. `options`: what each timed program is told besides; `divisor`: by how much memory loads shrink.
FULL = {"rounds": 7, "options": ["--budget_ms=60"], "deadline_s": None, "leave_out": None,
        "other_options": {"containers": [], "json_boost": [], "typed_cache": ["--benchmark_repetitions=7"]},
        "fresh_resource_turns": 3, "pinned_of": ("quarry", "pool", "malloc"), "pause_s": 60, "pinned_leave_out": [],
        "memory_of": REAL + ["list1M", "map_churn", "string_map"], "memory_loads": None, "divisor": 1,
        "fresh_rounds": 7, "fresh_nodes": 1000000, "worst_call_blocks": 1000000, "hits": 20000, "caveat": "",
        "untuned_of": ["quarry", "std_pool", "boost_pool", "malloc"], "untuned_rounds": 3,
        "checks_rounds": 7, "checks_budget_ms": 60, "checks_of": None, "checks_full": True}
QUICK = {**FULL, "rounds": 3, "options": ["--budget_ms=10"], "deadline_s": 45,
         "leave_out": r"rand1M|mix500k_read|fleet1M|fleet.*_1024|(hot_pair|larson|mixed|containers)_t(1|8|64)/|"
                      r"producer_consumer_t(8|64)/|false_sharing|remote_free|_10M|_insert_erase|numbers_copy|"
                      r"/(std_sync_pool|boost_sync_pool|new_delete)$|(?<!_t[12])/quarry_sync$",
         "other_options": {"containers": ["--benchmark_repetitions=2"], "json_boost": ["--benchmark_repetitions=10"],
                           "typed_cache": ["--benchmark_repetitions=3"]},
         "fresh_resource_turns": 1, "pinned_of": ("quarry",), "pause_s": 1, "pinned_leave_out": ["phases"],
         "memory_of": ["text_index"], "memory_loads": ["500k_of_8_to_71", "10k_of_8_to_507"], "fresh_rounds": 2,
         "worst_call_blocks": 200000, "untuned_of": [], "checks_rounds": 1, "checks_budget_ms": 10, "checks_of": ["pair64", "rand100k", "list1M", *REAL],
         "checks_full": False,
         "caveat": "A quick run: at most three short rounds, no large loads. It shows where to look, and is no figure to quote."}
SMOKE = {**QUICK, "rounds": 1, "options": ["--smoke"], "leave_out": None, "divisor": 1000, "pause_s": 0,
         "other_options": dict.fromkeys(OTHER_RIVALS, ["--smoke", "--benchmark_repetitions=1"]),
         "fresh_rounds": 1, "fresh_nodes": 1000,
         "worst_call_blocks": 1000, "hits": 100, "untuned_of": ["malloc"], "untuned_rounds": 1, "checks_budget_ms": 0, "checks_of": None, "checks_full": True,
         "caveat": "A smoke run: it shows that everything runs. Its figures mean nothing."}


def first_request(load):
    """The name of the load that is the first round of a process of `load`: the latency of the first request."""
    return f"{load}_first"


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

    def has(self, name):
        return os.path.exists(os.path.join(self.folder, name))

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


def is_left_out(plan, workload, rival):
    return plan["leave_out"] is not None and re.search(plan["leave_out"], f"{workload}/{rival}") is not None


def new_entry(operation, program, section, real_input=False):
    return {"operation": operation, "real_input": real_input, "program": program, "section": section, "ns": {},
            "faults": {}, "memory": {}}


def time_workloads(programs, plan, progress, results):
    """Round after round: each program once, all rivals in turn inside it, another rival first in each round."""
    chosen = {name: [entry for entry in programs.listed(name) if not is_left_out(plan, entry[0], entry[1])]
              for name in TIMED}
    for name, entries in chosen.items():
        for workload, rival, kind, operation in entries:
            results["rivals"].setdefault(rival, kind)
            entry = results["workloads"].setdefault(
                workload, new_entry(operation, name, SECTIONS.get(name, FIRST_SECTION), workload in REAL))
            entry["ns"].setdefault(rival, [])
            entry["faults"].setdefault(rival, [])
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
                clock = "real_time" if run["name"].endswith("/real_time") else "cpu_time"
                results["workloads"][workload]["ns"][rival].append(run[clock] / run["operations"])
                results["workloads"][workload]["faults"][rival].append(run["faults"])
                if "pairs_in_one_span" in run:
                    results["workloads"][workload].setdefault("pairs_in_one_span", {})[rival] = run["pairs_in_one_span"]


def time_untuned(programs, plan, progress, results):
    """The same loads, each rival in a process of its own whose heap nobody tuned. Threads keep out: they are many minutes."""
    for turn in range(plan["untuned_rounds"] if plan["untuned_of"] else 0):
        for name in TIMED:
            loads = {workload: entry for workload, entry in results["workloads"].items() if entry["program"] == name}
            if name == "threads" or not loads:
                continue
            for rival in plan["untuned_of"]:
                names = [workload for workload, entry in loads.items() if rival in entry["ns"]]
                if not names:
                    continue
                progress.say(f"clean processes, round {turn + 1} of {plan['untuned_rounds']}: {name}, {rival}")
                report = json.loads(programs.output(
                    name, *plan["options"], f"--untuned={rival}", f"--benchmark_filter=^({'|'.join(names)})/",
                    "--benchmark_format=json"))
                for run in report["benchmarks"]:
                    clock = "real_time" if run["name"].endswith("/real_time") else "cpu_time"
                    of_load = loads[run["name"].split("/")[0]].setdefault("untuned_ns", {})
                    of_load.setdefault(rival, []).append(run[clock] / run["operations"])


def time_other_rivals(programs, plan, progress, results):
    """Programs with rivals of their own: one run each, which makes all rounds."""
    for name, (section, operation) in OTHER_RIVALS.items():
        if not programs.has(name):
            results["notes"].append(f"{section}: not measured, {name} was not built.")
            continue
        listed = programs.output(name, "--benchmark_list_tests=true", "--benchmark_filter=.", *plan["other_options"][name])
        names = [line for line in listed.splitlines() if re.fullmatch(r"\S+/\S+", line)]
        names = [each for each in names if programs.pattern.search(f"{name}/{each}") and
                 not is_left_out(plan, *f"{name}/{each}".rsplit("/", 1))]
        if not names:
            continue
        for each in names:
            load, rival = each.split("/")
            results["rivals"].setdefault(rival, KIND_OF.get(rival, "pool"))
            entry = results["workloads"].setdefault(f"{name}/{load}", new_entry(operation, name, section))
            entry["ns"].setdefault(rival, [])
        progress.say(f"all rounds: {name}")
        for load, rival, ns in times_by_itself(programs, plan, name, names):
            results["workloads"][f"{name}/{load}"]["ns"][rival].append(ns)
        for rival in OVER_MALLOC[name] if plan["untuned_of"] else []:
            own = [each for each in names if each.endswith(f"/{rival}")]
            if own:
                progress.say(f"a clean process: {name}, {rival}")
                for load, _, ns in times_by_itself(programs, plan, name, own, "--untuned"):
                    untuned = results["workloads"][f"{name}/{load}"].setdefault("untuned_ns", {})
                    untuned.setdefault(rival, []).append(ns)


def times_by_itself(programs, plan, name, names, *more):
    """(load, rival, ns) of each round of a program that makes all of its rounds."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "times.json")
        programs.output(name, *plan["other_options"][name], *more, "--benchmark_report_aggregates_only=false",
                        f"--benchmark_filter=^({'|'.join(names)})$", f"--benchmark_out={path}", "--benchmark_out_format=json")
        with open(path, encoding="utf-8") as file:
            runs = json.load(file)["benchmarks"]
    for run in runs:
        if run["run_type"] == "iteration":
            load, rival = run["run_name"].split("/")[:2]
            yield load, rival, run["real_time"] / run.get("operations", 1)


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
        if is_left_out(plan, load, rival) or plan["memory_loads"] is not None and load not in plan["memory_loads"]:
            continue
        progress.say(f"memory: {load}, {rival}")
        results["rivals"].setdefault(rival, kind)
        row = json.loads(programs.output("memory", "--child", load, rival, str(plan["divisor"])))
        results["memory"].setdefault(load, {})[rival] = row


def measure_fresh_lists(programs, plan, progress, results):
    """A list of a million in a new process, each rival in turns, with huge pages for all and for none; the rival's other numbers
    are of its fastest life."""
    entries = [entry for entry in programs.listed("fresh_list") if not is_left_out(plan, entry[0], entry[1])]
    for turn in range(plan["fresh_rounds"]):
        for load, rival, kind, _ in entries:
            pages = load.rsplit("_", 1)[1]
            progress.say(f"fresh memory, {pages} pages, round {turn + 1} of {plan['fresh_rounds']}: {rival}")
            results["rivals"].setdefault(rival, kind)
            row = json.loads(programs.output("fresh_list", "--child", rival, pages, str(plan["fresh_nodes"])))
            of_rival = results["fresh"].setdefault(pages, {})
            all_ns = of_rival.get(rival, {}).get("all_ns", []) + [row["ns"]]
            if row["ns"] == min(all_ns):
                of_rival[rival] = row
            of_rival[rival]["all_ns"] = all_ns


def measure_fresh_resources(programs, plan, progress, results):
    """A resource for each round beside a kept one, each rival and way in a new process, all in turns."""
    entries = [entry for entry in programs.listed("fresh_resource") if not is_left_out(plan, entry[0], entry[1])]
    for turn in range(plan["fresh_resource_turns"]):
        for load, rival, kind, operation in entries:
            for way in ("fresh", "kept"):
                progress.say(f"fresh resources, turn {turn + 1} of {plan['fresh_resource_turns']}: {load}, {rival}, {way}")
                results["rivals"].setdefault(rival, kind)
                row = json.loads(programs.output("fresh_resource", "--child", load, rival, way, str(plan["divisor"])))
                of_load = results["fresh_resource"].setdefault(load, {"operation": operation, "sum": row["sum"], "of": {}})
                if row["sum"] != of_load["sum"]:
                    raise BenchmarkFailed(f"{load}: {rival} computed something else than the others")
                ways = of_load["of"].setdefault(rival, {})
                best = ways.setdefault(way, dict(row, all_best_ns=[], all_first_ns=[]))
                best["all_best_ns"].append(row["best_ns"])
                best["all_first_ns"].append(row["first_ns"])
                for part in ("best", "first"):
                    if row[f"{part}_ns"] < best[f"{part}_ns"]:
                        best[f"{part}_ns"], best[f"{part}_faults"] = row[f"{part}_ns"], row[f"{part}_faults"]


def measure_pinned_memory(programs, plan, progress, results):
    """No time is taken here, so the processes run side by side. Only Quarry's are looked at again after a pause."""
    entries = [entry for entry in programs.listed("pinned_memory")
               if entry[2] in plan["pinned_of"] and entry[0] not in plan["pinned_leave_out"]]

    def row_of(entry):
        load, rival, kind, _ = entry
        pause = plan["pause_s"] if kind == "quarry" else 0
        return json.loads(programs.output("pinned_memory", "--child", load, rival, str(plan["divisor"]), str(pause)))

    if entries:
        progress.say(f"pinned memory: {len(entries)} processes")
    with concurrent.futures.ThreadPoolExecutor(max_workers=12) as pool:
        for (load, rival, kind, _), row in zip(entries, pool.map(row_of, entries)):
            results["rivals"].setdefault(rival, kind)
            results["pinned"].setdefault(load, {})[rival] = row


def measure_checks(programs, plan, progress, results):
    """The loads with checks off, `pointers` and `full`, and the mallocs that check: each round is a process for all in turns, and
    one for glibc's malloc without the caches of its threads. `full` has one round, in a process of its own: a call takes
    microseconds."""
    entries = [entry for entry in programs.listed("checks", "checks/") if plan["checks_of"] is None or entry[0] in plan["checks_of"]]
    chosen = {(load, rival) for load, rival, _, _ in entries}
    loads = ",".join(dict.fromkeys(load for load, _, _, _ in entries))
    for turn in range(plan["checks_rounds"] if chosen else 0):
        for process in ("turns", "no_tcache") + (("full",) if turn == 0 and plan["checks_full"] else ()):
            progress.say(f"checks, round {turn + 1} of {plan['checks_rounds']}: {process}")
            lines = programs.output("checks", "--child", process, str(turn * 5), str(plan["checks_budget_ms"]), loads)
            for load, rival, ns in (line.split("\t") for line in lines.splitlines()):
                if (load, rival) in chosen:
                    results["checks"].setdefault(load, {}).setdefault(rival, []).append(float(ns))


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
                     f"--toggle-collect=*slab_face<quarry::*unsynchronized_slab_resource>::{call}*", program,
                     str(count)],
                    capture_output=True, text=True)
            except FileNotFoundError:
                results["notes"].append("Instructions were not counted: valgrind is not installed.")
                return
            found = re.search(r"Collected : (\d+)", ran.stderr)
            if ran.returncode != 0 or not found:
                raise BenchmarkFailed(f"callgrind failed:\n{ran.stderr}")
            totals.append(int(found.group(1)))
        if totals[1] == totals[0]:
            raise BenchmarkFailed(f"callgrind saw no call of {call}: its name is not what is asked for")
        results["instructions"][call] = (totals[1] - totals[0]) / pairs


def times_of(ns):
    """The best and the median round of each rival. Rounds above the median tell about the machine, not about the program."""
    return {"best_ns": {rival: min(rounds) for rival, rounds in ns.items() if rounds},
            "median_ns": {rival: statistics.median(rounds) for rival, rounds in ns.items() if rounds}}


def measure(folder, pattern, plan, progress):
    programs = Programs(folder, pattern)
    results = {"rivals": {}, "workloads": {}, "memory": {}, "fresh": {}, "fresh_resource": {}, "pinned": {},
               "worst_call": {}, "instructions": {}, "checks": {}, "caveat": plan["caveat"],
               "real_input": [], "absent_rivals": "", "notes": []}
    time_workloads(programs, plan, progress, results)
    time_untuned(programs, plan, progress, results)
    time_other_rivals(programs, plan, progress, results)
    measure_workload_memory(programs, plan, progress, results)
    measure_memory_loads(programs, plan, progress, results)
    measure_fresh_lists(programs, plan, progress, results)
    measure_fresh_resources(programs, plan, progress, results)
    measure_pinned_memory(programs, plan, progress, results)
    measure_checks(programs, plan, progress, results)
    measure_worst_calls(programs, plan, progress, results)
    count_instructions(programs, plan, progress, results)
    counts = {len(ns) for entry in results["workloads"].values() if entry["program"] not in OTHER_RIVALS
              for ns in entry["ns"].values()}
    if counts and max(counts) > 0:
        few = f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else f"{max(counts)}"
        results["notes"].append(f"Times are the best of {few} rounds." if max(counts) > 1 else "Times are of one round.")
    for entry in results["workloads"].values():
        entry.update(times_of(entry["ns"]))
        entry["best_faults"] = {rival: faults[entry["ns"][rival].index(min(entry["ns"][rival]))]
                                for rival, faults in entry["faults"].items() if faults}
    results["fresh_times"] = {}
    for load, entry in results["fresh_resource"].items():
        for name, part in ((load, "best"), (first_request(load), "first")):
            results["fresh_times"][name] = times_of(
                {rival: ways["fresh"][f"all_{part}_ns"] for rival, ways in entry["of"].items()})
    for pages, of_rival in results["fresh"].items():
        results["fresh_times"][f"fresh_list_{pages}"] = times_of({rival: row["all_ns"] for rival, row in of_rival.items()})
    progress.done()
    return results
