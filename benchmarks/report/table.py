"""The terminal's view of a run: times, memory, targets."""
from math import isnan, nan

import targets as judged

LABELS = {"quarry": "Quarry", "quarry_sync": "Quarry sync", "std_pool": "std pool", "std_sync_pool": "std sync",
          "boost_pool": "Boost pool", "boost_sync_pool": "Boost sync", "new_delete": "new_delete", "malloc": "malloc",
          "mimalloc": "mimalloc", "jemalloc": "jemalloc", "gperftools": "gperftools", "tbb": "TBB",
          "monotonic": "monotonic", "one_block": "one block", "quarry_slab_ptr": "Quarry slab_ptr",
          "quarry_spin_lock": "Quarry spin lock", "slab_allocator": "Quarry", "slabs_through_pmr": "Quarry, pmr",
          "slabs_one_by_one": "Quarry, no bursts", "fast_pool_null_mutex": "fast_pool", "boost_fast_pool": "fast_pool",
          "boost_node_allocator": "node_allocator", "boost_object_pool": "object_pool", "std_pmr_pool": "std pool",
          "std_allocator": "std::allocator", "default": "Boost's default", "bump_in_bursts": "bump, bursts",
          "spin_lock_alone": "lock alone", "intrusive_list": "bare list", "make_and_destroy": "Quarry make",
          "reuse_and_recycle": "Quarry reuse", "new_and_delete": "new and delete", "malloc_no_tcache": "malloc, no tcache",
          "mimalloc_secure": "mimalloc secure"}


def label(rival):
    return LABELS.get(rival, rival)


def figure(number):
    """A time or ratio to three significant digits."""
    if number is None:
        return "-"
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def aligned(rows):
    """Rows of cells as text; the first column to the left, the others to the right."""
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(rows[0]))]
    lines = []
    for cells in rows:
        padded = [cells[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:])]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def load_verdict(results, workload):
    return verdict_words(results["verdicts"].get(workload))


def verdict_words(found):
    """A verdict in words; a dash where there is none, for Quarry or all peers are absent."""
    if found is None:
        return "-"
    peer = label(found["peer"])
    if found["result"] == "undecided":
        return f"undecided with {peer}: best {apart(found['ratio'])}, median {apart(found['median_ratio'])}"
    return {"first": "first", "tie": f"tie with {peer}", "behind": f"behind {peer} by {above(found['ratio'])}"}[found["result"]]


def above(ratio):
    """How far a ratio above 1 is above it."""
    return f"{100 * (ratio - 1):.0f} %" if ratio >= 1.005 else "less than 1 %"


def apart(ratio):
    return f"{above(ratio)} behind" if ratio >= 1 else f"{above(1 / ratio)} ahead"


def compared_to(ratio, other):
    """In words: a time that is `ratio` times another's."""
    if max(ratio, 1 / ratio) >= 2:
        return f"{ratio:.1f} times as long as {other}" if ratio > 1 else f"{1 / ratio:.1f} times as fast as {other}"
    if f"{abs(ratio - 1):.2f}" == "0.00":
        return f"as fast as {other}"
    return f"{above(ratio)} slower than {other}" if ratio > 1 else f"{above(1 / ratio)} faster than {other}"


def sections(results):
    """The loads of each part of the page: [(section, {load: entry})]."""
    found = {}
    for workload, entry in results["workloads"].items():
        found.setdefault(entry["section"], {})[workload] = entry
    return list(found.items())


def rivals_in(results, mappings):
    """The rivals that are keys of one of the mappings: (those that free, floors), which never free."""
    present = set().union(*mappings)
    ordered = [rival for rival in results["rivals"] if rival in present]
    floors = [rival for rival in ordered if results["rivals"][rival] == "floor"]
    return [rival for rival in ordered if rival not in floors], floors


def times(results):
    tables = []
    for section, entries in sections(results):
        freeing, floors = rivals_in(results, [entry["best_ns"] for entry in entries.values()])
        apart = ["|"] if floors else []
        rows = [[f"{section}, ns per operation"] + [label(rival) for rival in freeing] + apart +
                [label(rival) for rival in floors] + ["among those that free"]]
        for workload, entry in entries.items():
            best_ns = entry["best_ns"]
            rows.append([workload] + [figure(best_ns.get(rival)) for rival in freeing] + apart +
                        [figure(best_ns.get(rival)) for rival in floors] + [load_verdict(results, workload)])
        tables.append(aligned(rows))
    return "\n\n".join(tables)


def per_live_byte(sample, key, live=None):
    """Bytes for each live byte; a dash where nothing was measured or the rival has no upstream."""
    if not sample or not sample.get(key):
        return "-"
    return f"{sample[key] / (live or sample['live_bytes']):.2f}"


def memory(results):
    """Resident bytes and, for rivals with an upstream, bytes held from it: both for each byte that was asked for."""
    freeing, floors = rivals_in(results, [*results["memory"].values(),
                                          *(entry["memory"] for entry in results["workloads"].values())])
    rivals = freeing + floors
    rows = [["bytes for each live byte"] + [label(rival) for rival in rivals]]
    for load, of_rival in results["memory"].items():
        for when in ("full", "churned", "emptied"):
            row = [f"{load} {when}: resident"]
            for rival in rivals:
                samples = of_rival.get(rival, {})
                live = samples["full"]["live_bytes"] if when == "emptied" and samples else None
                row.append(per_live_byte(samples.get(when), "resident_bytes", live))
            rows.append(row)
        rows.append([f"{load} churned: held"] + [per_live_byte(of_rival.get(rival, {}).get("churned"), "upstream_bytes")
                                                 for rival in rivals])
    for workload, entry in results["workloads"].items():
        for name, key in (("resident", "resident_peak_bytes"), ("held", "upstream_peak_bytes")):
            if entry["memory"]:
                peaks = [entry["memory"].get(rival) for rival in rivals]
                rows.append([f"{workload} peak: {name}"] +
                            [per_live_byte(peak, key, peak and peak["live_peak_bytes"]) for peak in peaks])
    return aligned(rows)


def fresh(results):
    return aligned(fresh_rows(results))


def fresh_rows(results):
    """The list of a million in fresh memory, with huge pages for all that can have them, and for none."""
    rivals = list(dict.fromkeys(rival for of_rival in results["fresh"].values() for rival in of_rival))
    rows = [["list of a million, fresh memory"] + [label(rival) for rival in rivals]]
    for pages, of_rival in results["fresh"].items():
        present = [of_rival.get(rival) for rival in rivals]
        rows += [[f"{pages} pages: ns for each node"] + [figure(each and each["ns"]) for each in present],
                 [f"{pages} pages: resident for each live byte"] + [per_live_byte(each, "resident_bytes") for each in present]]
        if pages == "huge":
            rows.append(["huge pages: MiB in them"] + [figure(each and each["huge_bytes"] / 2**20) for each in present])
    return rows


# The columns of the table of checks: title, rival, and the one that it is held against; None: a time in ns.
CHECKS = (("Quarry, ns", "quarry_off", None), ("pointers / off", "quarry_pointers", "quarry_off"),
          ("full / off", "quarry_full", "quarry_off"), ("Quarry sync, ns", "quarry_sync_off", None),
          ("pointers / off", "quarry_sync_pointers", "quarry_sync_off"), ("full / off", "quarry_sync_full", "quarry_sync_off"),
          ("malloc, ns", "malloc", None), ("no tcache / malloc", "malloc_no_tcache", "malloc"),
          ("mimalloc, ns", "mimalloc", None), ("secure / mimalloc", "mimalloc_secure", "mimalloc"), ("scudo, ns", "scudo", None))


def checks(results):
    """What checks cost: best rounds in ns, and how many times them with checks."""
    def cell(of_rival, rival, over):
        if rival not in of_rival or over and over not in of_rival:
            return nan
        return min(of_rival[rival]) / (min(of_rival[over]) if over else 1)

    present = [column for column in CHECKS if any(column[1] in of_rival for of_rival in results["checks"].values())]
    rows = [["time, and times it with checks"] + [title for title, _, _ in present]]
    values = {load: [cell(of_rival, rival, over) for _, rival, over in present] for load, of_rival in results["checks"].items()}
    rows += [[load] + ["-" if isnan(value) else figure(value) for value in of_load] for load, of_load in values.items()]
    means = [judged.geometric_mean([of_load[i] for of_load in values.values() if not isnan(of_load[i])]) if over else None
             for i, (_, _, over) in enumerate(present)]
    return rows + [["geometric mean"] + [figure(mean) for mean in means]]


def fresh_resources(results):
    """Microseconds and page faults of one round, each way; the best round and the first one of its process."""
    rows = [["one round, us (page faults)", "kept", "kept first", "fresh", "fresh first", "fresh / kept"]]
    for load, entry in results["fresh_resource"].items():
        for rival, ways in entry["of"].items():
            cells = [f"{load} {label(rival)}"]
            for way in ("kept", "fresh"):
                for part in ("best", "first"):
                    cells.append(f"{figure(ways[way][part + '_ns'] / 1000)} ({ways[way][part + '_faults']})")
            rows.append(cells + [figure(ways["fresh"]["best_ns"] / ways["kept"]["best_ns"])])
    return rows


def pinned(results):
    """MiB at once and later; what only Quarry tells is a dash for the others."""
    modes = {row["huge_pages"] for of_rival in results["pinned"].values() for row in of_rival.values()}
    rows = [[f"MiB, huge pages: {', '.join(sorted(modes))}", "resident", "later", "held", "later", "cached", "peak resident"]]
    for load, of_rival in results["pinned"].items():
        for rival, row in of_rival.items():
            tells, waited = row["kind"] == "quarry", row["pause_s"] > 0
            now, later = row["at_once"], row["later"]
            cells = [now["resident_bytes"], later["resident_bytes"] if waited else None, now["held_bytes"] if tells else None,
                     later["held_bytes"] if tells and waited else None, now["cached_bytes"] if tells else None,
                     row.get("peak", {}).get("resident_bytes")]
            rows.append([f"{load} {label(rival)}"] + [figure(None if cell is None else cell / 2**20) for cell in cells])
    return rows


def worst_calls(results):
    return aligned(worst_call_rows(results))


def worst_call_rows(results):
    rows = [["one call, ns"] + [f"{call} {part}" for call in ("alloc", "free") for part in ("p50", "p99", "p99.9", "p99.99", "max")]]
    for rival, of_call in results["worst_call"].items():
        cells = [label(rival)]
        for call in ("allocate", "deallocate"):
            cells += [figure(of_call[call][part]) for part in ("p50_ns", "p99_ns", "p999_ns", "p9999_ns", "max_ns")]
        rows.append(cells)
    return rows


def bound(row, key):
    return "-" if row[key] is None else (">= " if row["at_least"] else "<= ") + f"{row[key]:g}"


def verdict(row):
    if row["measured"] is None:
        return "not measured"
    if row["must"] is None:
        return "pass" if row["stretch_pass"] else "short of stretch"
    if not row["pass"]:
        return "MISS"
    return "pass, stretch too" if row["stretch_pass"] else "pass"


def targets(rows):
    cells = [["target", "measured", "must", "stretch", "verdict"]]
    for row in rows:
        against = f" ({label(row['against'])})" if row["against"] else ""
        cells.append([f"{row['target']:4} {row['what']}{against}", figure(row["measured"]), bound(row, "must"),
                      bound(row, "stretch"), verdict(row)])
    return aligned(cells)
