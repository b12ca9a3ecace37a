"""What README.md says was measured: docs/measured.json, cut out of one run, and the table that is written from it."""
import json
import os
import re

import page
import table
import targets

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
README = os.path.join(ROOT, "README.md")
MEASURED = os.path.join(ROOT, "docs", "measured.json")
PICTURE = os.path.join(ROOT, "docs", "overview.svg")

LOADS = {"pair64": "hot pair of 64 bytes", "rand100k": "100 k of 48 bytes, freed in random order",
         "rand100k_read": "the same, a word of each read first", "rand1M": "1 M of 48 bytes, freed in random order",
         "rand1M_read": "the same, a word of each read first", "list1M": "list of a million, per node",
         "mix10k": "replacement, 10 k objects live", "mix500k": "replacement, 500 k objects live",
         "map_churn": "map, inserted and erased", "string_map": "unordered_map of strings",
         "text_index": "text index, built and edited", "json_parse": "JSON parsed", "order_book": "order book",
         "short_life": "a resource made, 20 elements, both destroyed"}
# Each with its peers: resources for one thread, and what any number of threads may share, here used by one.
ALONE = ["quarry", "std_pool", "boost_pool", "monotonic"]
SHARED = ["quarry_sync", "std_sync_pool", "boost_sync_pool", "malloc", "malloc_untuned", "mimalloc", "jemalloc", "gperftools", "tbb"]
LABELS = {"malloc_untuned": "malloc, untuned"}  # others as in every table
BEGIN, END = "<!-- measured: written by benchmarks/run --publish -->\n", "<!-- end of measured -->"


class NotMeasured(Exception):
    """A run cannot be quoted; its text says what is missing."""


def cut_out(results):
    """The part of a run that README.md quotes."""
    cut = {key: results[key] for key in ("machine", "date", "commit", "command")}
    cut["loads"] = {}
    free = targets.peers_in(results)
    shared = targets.peers_in(results, shared_only=True)
    for load in LOADS:
        entry = results["workloads"].get(load)
        if entry is None:
            raise NotMeasured(f"--publish: README.md quotes {load}, which this run did not measure")
        times = {part: {rival: ns for rival, ns in entry[part].items() if rival in ALONE + SHARED} for part in ("best_ns", "median_ns")}
        quoted = {part: {rival: round(ns, 3) for rival, ns in of_rival.items()} for part, of_rival in times.items()}
        if entry.get("untuned_ns", {}).get("malloc"):
            quoted["best_ns"]["malloc_untuned"] = round(min(entry["untuned_ns"]["malloc"]), 3)
        cut["loads"][load] = {
            **quoted, "alone": table.verdict_words(targets.against_all(times, "quarry", free)),
            "shared": table.verdict_words(targets.against_all(times, "quarry_sync", shared)),
            "first_of_all": targets.leader(times, ["quarry", *free]),
            "first_of_shared": targets.leader(times, ["quarry_sync", *shared])}
    return cut


def cell(entry, rival, first):
    """A time; bold where it is first beyond what the rounds differ."""
    ns = entry["best_ns"].get(rival)
    if ns is None:
        return ""
    return f"**{table.figure(ns)}**" if rival == entry[first] else table.figure(ns)


def lines_of(measured, head, rivals, verdict, verdict_head, first):
    """One table; rivals and loads that were not measured are left out."""
    present = [rival for rival in rivals if any(rival in entry["best_ns"] for entry in measured["loads"].values())]
    lines = [f"| {head} | " + " | ".join(LABELS.get(rival, table.label(rival)) for rival in present) + f" | {verdict_head} |",
             "|---" * (len(present) + 2) + "|"]
    for load, entry in measured["loads"].items():
        cells = [cell(entry, rival, first) for rival in present]
        lines.append(f"| {LOADS[load]} | " + " | ".join(cells) + f" | {entry[verdict]} |")
    return lines


def render(measured):
    """Both tables. In the first bold is first of both tables, in the second among its own."""
    alone = lines_of(measured, "ns per operation, for one thread", ALONE, "alone", "Quarry among those of both tables that free",
                     "first_of_all")
    shared = lines_of(measured, "the same, for any number of threads", SHARED, "shared", "Quarry sync among these", "first_of_shared")
    return (f"{measured['machine']}; {measured['date']}, commit {measured['commit']}, `{measured['command']}`.\n\n" +
            "\n".join([*alone, "", *shared]) + "\n")


def with_table(text, measured):
    """README.md's text with the table of `measured`."""
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    return text[:begin] + render(measured) + text[end:]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def publish(results):
    measured = cut_out(results)
    for path, text in ((MEASURED, json.dumps(measured, indent=1) + "\n"), (PICTURE, page.picture(results)),
                       (README, with_table(read(README), measured))):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def faults():
    """What README.md says otherwise than docs/measured.json; empty when they agree."""
    text, measured = read(README), json.loads(read(MEASURED))
    found = [] if with_table(text, measured) == text else ["README.md: its table is not that of docs/measured.json"]
    if re.fullmatch(r"[0-9a-f]{7,40}", measured["commit"]) is None:
        found.append(f"docs/measured.json: its commit is {measured['commit']}; allowed is one without changes beside it")
    return found
