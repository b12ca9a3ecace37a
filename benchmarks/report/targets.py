"""The targets, each computed from one run. Only the bounds are written here; every ratio is measured."""
from math import prod

SLAB_BYTES = 65536  # P7: "at most two slabs held"; a slab's default size


class Run:
    """Answers about one run, as the targets ask them. None: not measured in this run."""

    def __init__(self, results):
        self.results = results
        self.peers = [name for name, kind in results["rivals"].items() if kind in ("pool", "malloc")]
        self.pools = [name for name, kind in results["rivals"].items() if kind == "pool"]
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


def quotient(a, b):
    return None if a is None or b is None or b == 0 else a / b


def geometric_mean(numbers):
    return None if not numbers or None in numbers else prod(numbers) ** (1 / len(numbers))


def row(target, what, measured, must, stretch=None, unit="", at_least=False, against=""):
    """One line of the table. `must` and `stretch` are bounds; at_least says on which side of them is good."""
    def holds(bound):
        return None if measured is None or bound is None else (measured >= bound if at_least else measured <= bound)

    return {"target": target, "what": what, "measured": measured, "must": must, "stretch": stretch, "unit": unit,
            "at_least": at_least, "against": against, "pass": holds(must), "stretch_pass": holds(stretch)}


def speed_targets(run):
    for target, load, name, std, boost, floor, stretch in (
            ("P1", "pair64", "hot 64-byte pair", 7, 1.6, 1.1, 1.0),
            ("P3", "rand100k", "100k random frees", 4.5, 6, 1.45, 1.15),
            ("P4", "list1M", "list of a million", None, 1.7, 1.45, 1.15)):
        if std is not None:
            yield row(target, f"{name}: times faster than std's pool", run.speedup(load, "std_pool"), std, at_least=True)
        yield row(target, f"{name}: times faster than Boost's pool", run.speedup(load, "boost_pool"), boost, at_least=True)
        yield row(target, f"{name}: time over monotonic, which never frees", run.relative(load, "monotonic"), floor, stretch)
        if target == "P3":
            ratio, name_of_best = run.relative_to_best(load, run.mallocs)
            yield row(target, f"{name}: time over the best malloc", ratio, 1.0, against=name_of_best)


def container_targets(run):
    loads = (("map_churn", "map churn"), ("string_map", "string map"), ("json_parse", "JSON parse"))
    for load, name in loads:
        ratio, best = run.relative_to_best(load, run.peers)
        yield row("P5", f"{name}: time over the best that frees", ratio, 1.0, against=best)
    gains = [quotient(run.best(load, run.pools)[0], run.ns(load, "quarry")) for load, _ in loads]
    yield row("P5", "the three: times faster than the best pool, geometric mean", geometric_mean(gains), 1.25, at_least=True)
    behind_floor = [run.relative(load, "monotonic") for load, _ in loads]
    yield row("P5", "the three: time over monotonic, geometric mean", geometric_mean(behind_floor), None, 1.0)
    for load, name in (("mix10k", "replacement, 10k live"), ("mix500k", "replacement, 500k live")):
        ratio, best = run.relative_to_best(load, run.peers)
        yield row("P6", f"{name}: time over the best", ratio, 1.0, against=best)


def resident_per_live(row_of_rival):
    """Peak resident over live requested bytes: when full, and after every object was replaced twice."""
    samples = [row_of_rival[when] for when in ("full", "churned") if when in row_of_rival]
    return max(sample["resident_bytes"] / sample["live_bytes"] for sample in samples)


def memory_targets(run):
    for load, must, stretch in (("200k_of_8_to_507", 1.10, 1.06), ("500k_of_8_to_71", 1.15, 1.10),
                                ("200k_of_8_to_1007", 1.07, 1.05), ("10k_of_8_to_507", 1.25, 1.15)):
        rows = run.results["memory"].get(load, {})
        name = load.replace("_", " ")
        mine = resident_per_live(rows["quarry"]) if "quarry" in rows else None
        yield row("P7", f"{name}: peak resident over live bytes", mine, must, stretch)
        others = [(resident_per_live(rows[rival]), rival) for rival in run.peers if rival in rows]
        best, best_name = min(others) if others else (None, "")
        yield row("P7", f"{name}: Quarry's resident over the best peer's", quotient(mine, best), 1.0, against=best_name)
        held = quotient(rows["quarry"]["emptied"]["upstream_bytes"], SLAB_BYTES) if "quarry" in rows else None
        yield row("P7", f"{name}: slabs held when all is freed and trimmed", held, 2)


def call_targets(run):
    calls = run.results["worst_call"]
    for call in ("allocate", "deallocate"):
        mine = calls.get("quarry", {}).get(call)
        yield row("P9", f"one {call}: p99.9 over p50", quotient(mine["p999_ns"], mine["p50_ns"]) if mine else None, 2)
        others = [(calls[rival][call]["p9999_ns"], rival) for rival in run.peers if rival in calls]
        best, best_name = min(others) if others else (None, "")
        yield row("P9", f"one {call}: p99.99 over the best peer's", quotient(mine["p9999_ns"], best) if mine else None,
                  None, 1.0, against=best_name)
    yield row("P10", "short life: time over Boost's pool", run.relative("short_life", "boost_pool"), 1.0)
    yield row("P10", "short life: time over monotonic", run.relative("short_life", "monotonic"), None, 1.2)
    yield row("P10", "short life in a 2 KiB buffer: time over monotonic",
              run.relative("short_life_buffer", "monotonic"), None, 1.2)
    for call in ("do_allocate", "do_deallocate"):
        hit = "an allocate hit" if call == "do_allocate" else "a free hit"
        yield row("P11", f"instructions of {hit}", run.results["instructions"].get(call), 16)


def fresh_targets(run):
    fresh = run.results["fresh"]
    mine = fresh.get("quarry", {})
    peers = [(fresh[rival]["ns"], rival) for rival in run.peers if rival in fresh]
    best, best_name = min(peers) if peers else (None, "")
    yield row("P12", "list of a million in fresh memory: times faster than the best peer", quotient(best, mine.get("ns")), 1.5,
              2, at_least=True, against=best_name)


def judge(results):
    run = Run(results)
    return [*speed_targets(run), *container_targets(run), *memory_targets(run), *call_targets(run), *fresh_targets(run)]
