"""The terminal's view of a run: times, memory, targets."""

LABELS = {"quarry": "Quarry", "quarry_sync": "Quarry sync", "std_pool": "std pool", "std_sync_pool": "std sync",
          "boost_pool": "Boost pool", "boost_sync_pool": "Boost sync", "new_delete": "new_delete", "malloc": "malloc",
          "mimalloc": "mimalloc", "jemalloc": "jemalloc", "gperftools": "gperftools", "tbb": "TBB",
          "monotonic": "monotonic"}


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


def best_peer(results, best_ns):
    peers = [(ns, rival) for rival, ns in best_ns.items() if results["rivals"][rival] in ("pool", "malloc")]
    return min(peers) if peers else (None, None)


def times(results):
    rivals = list(results["rivals"])
    rows = [["ns per operation"] + [label(rival) for rival in rivals] + ["Quarry/best peer"]]
    for workload, entry in results["workloads"].items():
        best_ns = entry["best_ns"]
        peer_ns, _ = best_peer(results, best_ns)
        ratio = f"{best_ns['quarry'] / peer_ns:.2f}" if peer_ns and "quarry" in best_ns else "-"
        rows.append([workload] + [figure(best_ns.get(rival)) for rival in rivals] + [ratio])
    return aligned(rows)


def per_live_byte(sample, key, live=None):
    """Bytes for each live byte; a dash where nothing was measured or the rival has no upstream."""
    if not sample or not sample.get(key):
        return "-"
    return f"{sample[key] / (live or sample['live_bytes']):.2f}"


def memory(results):
    """Resident bytes and, for rivals with an upstream, bytes held from it: both for each byte that was asked for."""
    rivals = list(results["rivals"])
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
    rivals = list(results["fresh"])
    rows = [["list of a million, fresh memory"] + [label(rival) for rival in rivals],
            ["ns for each node, page faults included"] + [figure(results["fresh"][rival]["ns"]) for rival in rivals],
            ["resident for each live byte"] + [per_live_byte(results["fresh"][rival], "resident_bytes") for rival in rivals]]
    return aligned(rows)


def worst_calls(results):
    rows = [["one call, ns"] + [f"{call} {part}" for call in ("alloc", "free") for part in ("p50", "p99", "p99.9", "p99.99", "max")]]
    for rival, of_call in results["worst_call"].items():
        cells = [label(rival)]
        for call in ("allocate", "deallocate"):
            cells += [figure(of_call[call][part]) for part in ("p50_ns", "p99_ns", "p999_ns", "p9999_ns", "max_ns")]
        rows.append(cells)
    return aligned(rows)


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
