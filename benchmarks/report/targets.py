"""The targets and the verdict of each load, computed from one run. Only bounds are written here; every ratio is measured."""
from math import prod

from measure import PAGE_SIZES, REAL

SLAB_BYTES = 65536  # a slab's default size
MIB = 2**20
CHECKED_LOADS = 14  # of the program that asks what checks cost

# The rival that a load is about: the first of these that runs it. Where threads share a resource, quarry sits out.
SUBJECTS = ("quarry", "slab_allocator", "reuse_and_recycle", "quarry_sync")


# Rivals that threads may share; all mallocs besides.
SHARED_POOLS = ("std_sync_pool", "boost_sync_pool")

TIE_AT_MOST = 0.10  # no gap above this is called a tie, however much the rounds differ


def compared(times, subject, peer):
    """How `subject` did against `peer`. A tie: neither the best nor the median rounds of the two lie further apart than the
    best and the median round of the steadier one, nor by more than 10 %. Else first or behind when best and median rounds
    agree on who is ahead, and undecided when they do not."""
    best, median = times["best_ns"], times["median_ns"]
    ratio, median_ratio = best[subject] / best[peer], median[subject] / median[peer]
    doubt = min(TIE_AT_MOST, *(median[name] / best[name] - 1 for name in (subject, peer)))
    gap = max(max(each, 1 / each) - 1 for each in (ratio, median_ratio))
    if gap <= doubt:
        result = "tie"
    elif ratio < 1 and median_ratio < 1:
        result = "first"
    elif ratio > 1 and median_ratio > 1:
        result = "behind"
    else:
        result = "undecided"
    return {"subject": subject, "peer": peer, "ratio": ratio, "median_ratio": median_ratio, "result": result}


SEVERITY = ("first", "tie", "undecided", "behind")


def against_all(times, subject, peers):
    """The verdict against the peer that `subject` does worst against; none where one of them was not measured."""
    found = [compared(times, subject, peer) for peer in peers if peer in times["best_ns"] and peer != subject]
    if subject not in times["best_ns"] or not found:
        return None
    return max(found, key=lambda each: (SEVERITY.index(each["result"]), each["ratio"]))


def leader(times, names):
    """The one that is first against each of the others, beyond what the rounds differ; none where nobody is."""
    present = [name for name in names if name in times["best_ns"]]
    for name in present:
        found = against_all(times, name, present)
        if found and found["result"] == "first":
            return name
    return None


def peers_in(results, shared_only=False):
    """All rivals that free memory, Quarry's own apart; or only those that threads may share."""
    return [name for name, kind in results["rivals"].items()
            if kind == "malloc" or kind == "pool" and (not shared_only or name in SHARED_POOLS)]


def verdicts(results):
    """One for each load: Quarry among all that free memory."""
    found = {}
    for load, times in [*results["workloads"].items(), *results["fresh_times"].items()]:
        subject = next((name for name in SUBJECTS if name in times["best_ns"]), None)
        verdict = subject and against_all(times, subject, peers_in(results))
        if verdict:
            found[load] = verdict
    return found


class Run:
    """Answers about one run, as the targets ask them. None: not measured in this run."""

    def __init__(self, results):
        self.results = results
        self.peers = [name for name, kind in results["rivals"].items() if kind in ("pool", "malloc")]
        self.mallocs = [name for name, kind in results["rivals"].items() if kind == "malloc"]

    def ns(self, workload, rival):
        return self.results["workloads"].get(workload, {}).get("best_ns", {}).get(rival)

    def best(self, workload, rivals):
        """The fastest of `rivals`: (ns, name)."""
        times = [(self.ns(workload, rival), rival) for rival in rivals]
        times = [pair for pair in times if pair[0] is not None]
        return min(times) if times else (None, "")

    def relative(self, workload, rival):
        """Quarry's time over the rival's: below 1 Quarry is ahead."""
        return quotient(self.ns(workload, "quarry"), self.ns(workload, rival))

    def relative_to_best(self, workload, rivals):
        ns, name = self.best(workload, rivals)
        return quotient(self.ns(workload, "quarry"), ns), name

    def speedup(self, workload, rival):
        return quotient(self.ns(workload, rival), self.ns(workload, "quarry"))


def geometric_mean(numbers):
    return prod(numbers) ** (1 / len(numbers)) if numbers else None


def quotient(a, b):
    return None if a is None or b is None or b == 0 else a / b


def row(target, what, measured, must, stretch=None, unit="", at_least=False, against=""):
    """One line of the table. `must` and `stretch` are bounds; at_least says on which side of them is good."""
    def holds(bound):
        return None if measured is None or bound is None else (measured >= bound if at_least else measured <= bound)

    return {"target": target, "what": what, "measured": measured, "must": must, "stretch": stretch, "unit": unit,
            "at_least": at_least, "against": against, "pass": holds(must), "stretch_pass": holds(stretch)}


def speed_targets(run):
    pair = "hot 64-byte pair"
    yield row("P1", f"{pair}: times faster than Boost's pool", run.speedup("pair64", "boost_pool"), 2.3, at_least=True)
    yield row("P1", f"{pair}: time over one fixed block", run.relative("pair64", "one_block"), None, 2.0)
    for target, load, name, floor, stretch in (("P1", "pair64", pair, 1.0, None),
                                               ("P3", "rand100k", "100k random frees", 1.45, 1.2),
                                               ("P3", "rand1M", "a million random frees", 2.0, 1.5),
                                               ("P4", "list1M", "list of a million", 1.0, None)):
        yield row(target, f"{name}: time over monotonic, which never frees", run.relative(load, "monotonic"), floor, stretch)


def order_targets(run):
    for load, name in (("rand100k", "100k random frees"), ("rand100k_read", "100k random frees, each block read first"),
                       ("rand1M", "a million random frees"), ("rand1M_read", "a million random frees, each block read first")):
        ratio, best = run.relative_to_best(load, run.peers)
        yield row("P3", f"{name}: time over the best that frees", ratio, 1.0, against=best)
    for blocks in ("10k", "100k", "1M"):
        for block_bytes in (64, 16, 1024):
            ratio, best = run.relative_to_best(f"fleet{blocks}_{block_bytes}", run.peers)
            yield row("P16", f"{blocks} blocks of {block_bytes} bytes, a fleet's frees: time over the best that frees", ratio, 1.0,
                      against=best)


def large_block_targets(run):
    for threads, subjects in ((1, ("quarry", "quarry_sync")), (2, ("quarry_sync",))):
        for kibibytes in (9, 33, 100, 300, 1024):
            load = f"pair{kibibytes}k_t{threads}"
            ns, best = run.best(load, run.mallocs)
            for subject in subjects:
                name = "" if subject == "quarry" else ", synchronized"
                yield row("P15", f"pair of {kibibytes} KiB, threads: {threads}{name}: time over the best malloc",
                          quotient(run.ns(load, subject), ns), 1.5, against=best)


def typed_targets(run):
    ratio = quotient(run.ns("typed_cache/pair48", "quarry"), run.ns("typed_cache/pair48", "intrusive_list"))
    yield row("P2", "hot pair of a typed cache: time over a bare intrusive list", ratio, 1.2, 1.0)


def thread_targets(run):
    peers = peers_in(run.results, shared_only=True)
    for load, name in (("hot_pair", "hot pair"), ("larson", "larson"), ("producer_consumer", "producer and consumer"),
                       ("mixed", "mixed sizes"), ("containers", "containers of each thread"), ("false_sharing", "false sharing")):
        measured = []
        for threads in (1, 2, 8, 64):
            ns, best = run.best(f"{load}_t{threads}", peers)
            ratio = quotient(run.ns(f"{load}_t{threads}", "quarry_sync"), ns)
            if ratio is not None:
                measured.append((ratio, f"{best}, {threads} thread{'s' if threads > 1 else ''}"))
        ratio, against = max(measured) if measured else (None, "")
        yield row("P8", f"{name}, the worst of 1, 2, 8 and 64 threads: time over the best that frees", ratio, 1.0, against=against)
    yield row("P8", "uncontended hot pair: time over the unsynchronized resource's",
              quotient(run.ns("hot_pair_t1", "quarry_sync"), run.ns("hot_pair_t1", "quarry")), 1.25)


def container_targets(run):
    loads = (("map_churn", "map churn"), ("string_map", "string map"), ("text_index", "text index"),
             ("json_parse", "JSON parse"), ("json_edit", "JSON edit"))
    for load, name in loads:
        ratio, best = run.relative_to_best(load, run.peers)
        yield row("P5", f"{name}: time over the best that frees", ratio, 1.0, against=best)
    for load, name in (("mix10k", "replacement, 10k live"), ("mix500k", "replacement, 500k live")):
        for suffix, words in (("", ""), ("_read", ", each block read first")):
            ratio, best = run.relative_to_best(load + suffix, run.peers)
            yield row("P6", f"{name}{words}: time over the best that frees", ratio, 1.0, against=best)
    ratio, best = run.relative_to_best("mix500k", run.mallocs)
    yield row("P6", "replacement, 500k live: time over the best malloc", ratio, 0.5, against=best)


def resident_per_live(row_of_rival):
    """Peak resident over live requested bytes: when full, and after every object was replaced twice."""
    samples = [row_of_rival[when] for when in ("full", "churned") if when in row_of_rival]
    return max(sample["resident_bytes"] / sample["live_bytes"] for sample in samples)


def memory_targets(run):
    for load, must, stretch in (("200k_of_8_to_507", 1.08, 1.05), ("500k_of_8_to_71", 1.12, 1.10),
                                ("200k_of_8_to_1007", 1.06, 1.04), ("10k_of_8_to_507", 1.20, 1.12)):
        rows = run.results["memory"].get(load, {})
        name = load.replace("_", " ")
        mine = resident_per_live(rows["quarry"]) if "quarry" in rows else None
        yield row("P7", f"{name}: peak resident over live bytes", mine, must, stretch)
        others = [(resident_per_live(rows[rival]), rival) for rival in run.peers if rival in rows]
        best, best_name = min(others) if others else (None, "")
        yield row("P7", f"{name}: Quarry's resident over the best peer's", quotient(mine, best), 1.0, against=best_name)
        held = quotient(rows["quarry"]["emptied"]["upstream_bytes"], SLAB_BYTES) if "quarry" in rows else None
        yield row("P7", f"{name}: slabs held when all is freed and trimmed", held, 0)


def call_targets(run):
    calls = run.results["worst_call"]
    for call, must in (("allocate", 4), ("deallocate", 5)):
        mine = calls.get("quarry", {}).get(call)
        yield row("P9", f"one {call}: p99.9 over p50", quotient(mine["p999_ns"], mine["p50_ns"]) if mine else None, must, 2)
        others = [(calls[rival][call]["p9999_ns"], rival) for rival in run.peers if rival in calls]
        best, best_name = min(others) if others else (None, "")
        yield row("P9", f"one {call}: p99.99 over the best peer's", quotient(mine["p9999_ns"], best) if mine else None,
                  1.0, against=best_name)
    yield row("P10", "short life: time over Boost's pool", run.relative("short_life", "boost_pool"), 0.95)
    for load, name in (("short_life", "short life"), ("short_life_buffer", "short life in a 2 KiB buffer")):
        yield row("P10", f"{name}: time over monotonic", run.relative(load, "monotonic"), 1.2)
    ratio, best = run.relative_to_best("short_life", run.mallocs)
    yield row("P10", "short life: time over the best malloc", ratio, 1.0, against=best)
    for call in ("do_allocate", "do_deallocate"):
        hit = "an allocate hit" if call == "do_allocate" else "a free hit"
        yield row("P11", f"instructions of {hit}", run.results["instructions"].get(call), 16)


def fresh_targets(run):
    for pages, words in zip(PAGE_SIZES, ("huge pages for all", "huge pages for none")):
        fresh = run.results["fresh"].get(pages, {})
        mine = fresh.get("quarry", {})
        peers = [(fresh[rival]["ns"], rival) for rival in run.peers if rival in fresh]
        best, best_name = min(peers) if peers else (None, "")
        yield row("P12", f"list of a million in fresh memory, {words}: times faster than the best peer",
                  quotient(best, mine.get("ns")), 1, 1.5, at_least=True, against=best_name)


def fresh_resource_targets(run):
    for load, kept, floor, stretch in (("fresh50", 2.0, 1.4, 1.3), ("fresh2000", 1.2, 1.2, 1.05), ("fresh800k", 1.2, 1.0, 1.05)):
        entry = run.results["fresh_resource"].get(load, {"operation": load, "of": {}})
        of, name = entry["of"], entry["operation"]

        def best_ns(rival, way, part="best"):
            return of.get(rival, {}).get(way, {}).get(f"{part}_ns")

        mine = best_ns("quarry", "fresh")
        yield row("P13", f"{name}, fresh resource: time over a kept one", quotient(mine, best_ns("quarry", "kept")), kept, stretch)
        yield row("P13", f"{name}, fresh resource: time over monotonic", quotient(mine, best_ns("monotonic", "fresh")), floor)
        for part, must, words in (("best", 1.0, "time"), ("first", None, "first round")):
            others = [(best_ns(rival, "fresh", part), rival) for rival in run.peers if rival in of]
            best, best_name = min(others) if others else (None, "")
            yield row("P13", f"{name}, fresh resource: {words} over the best that frees",
                      quotient(best_ns("quarry", "fresh", part), best), must, None if must else 1.0, against=best_name)


def pinned_targets(run):
    """The worse of the two looks, at once and after the pause, counts."""
    def worst(sample, figure):
        return max(sample[when][figure] for when in ("at_once", "later"))

    for subject, name in (("quarry", ""), ("quarry_sync", ", synchronized")):
        of = {load: of_rival[subject] for load, of_rival in run.results["pinned"].items() if subject in of_rival}
        for load, words in (("one_in_32768", "default upstream"), ("one_in_32768_os_pages", "OS pages")):
            sample = of.get(load)
            yield row("P14", f"one of 32,768 blocks lives, {words}{name}: slabs resident for each",
                      sample and worst(sample, "resident_bytes") / SLAB_BYTES / sample["survivors"], 1.5)
        for load, words in (("all_freed_retain_1", "retain_bytes 1"), ("all_freed", "default")):
            sample = of.get(load)
            yield row("P14", f"all freed at random, {words}{name}: MiB resident above retain_bytes",
                      sample and max(0, worst(sample, "resident_bytes") - sample["retain_bytes"]) / MIB, 8)
        sample = of.get("phases")
        for figure in ("resident", "held"):
            yield row("P14", f"ten phases of other sizes{name}: peak {figure} without retain_bytes over one phase",
                      sample and (sample["peak"][f"{figure}_bytes"] - sample["retain_bytes"]) / sample["phase_bytes"], 1.25)
    sample = run.results["pinned"].get("idle_threads", {}).get("quarry_sync")
    yield row("P14", "beside 64 idle threads, each class used: MiB cached", sample and worst(sample, "cached_bytes") / MIB, 32)
    yield row("P14", "beside 64 idle threads, each class used: MiB held above retain_bytes",
              sample and max(0, worst(sample, "held_bytes") - sample["retain_bytes"]) / MIB, 64)


def check_ratios(results, level, of):
    """{load: time with checks at `level` over the time without}, for Quarry's resource `of`."""
    found = {}
    for load, of_rival in results["checks"].items():
        with_checks, without = of_rival.get(f"{of}_{level}"), of_rival.get(f"{of}_off")
        if with_checks and without:
            found[load] = min(with_checks) / min(without)
    return found


def check_targets(run):
    for of, name in (("quarry", ""), ("quarry_sync", ", synchronized")):
        ratios = check_ratios(run.results, "pointers", of)
        yield row("checks", f"hot pair{name}: time with `pointers` over off", ratios.get("pair64"), 2.0, 1.4)
        mean = geometric_mean(list(ratios.values())) if len(ratios) == CHECKED_LOADS else None
        yield row("checks", f"geometric mean of {CHECKED_LOADS} loads{name}: time with `pointers` over off", mean, 1.25, 1.10)
        for load in REAL:
            yield row("checks", f"{load}{name}: time with `pointers` over off", ratios.get(load), 1.10)


def judge(results):
    run = Run(results)
    return [*speed_targets(run), *typed_targets(run), *order_targets(run), *container_targets(run), *memory_targets(run), *call_targets(run),
            *fresh_targets(run), *fresh_resource_targets(run), *pinned_targets(run), *large_block_targets(run),
            *thread_targets(run), *check_targets(run)]
