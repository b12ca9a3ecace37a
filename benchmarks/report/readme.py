"""What README.md says was measured: docs/measured.json, cut out of one run, and the table that is written from it."""
import json
import os
import re

import page
import table

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
README = os.path.join(ROOT, "README.md")
MEASURED = os.path.join(ROOT, "docs", "measured.json")
PICTURE = os.path.join(ROOT, "docs", "overview.svg")

LOADS = {"pair64": "hot pair of 64 bytes", "rand100k": "100 k of 48 bytes, freed in random order",
         "rand1M": "1 M of 48 bytes, freed in random order", "list1M": "list of a million, per node",
         "mix10k": "replacement, 10 k objects live", "mix500k": "replacement, 500 k objects live",
         "map_churn": "map, inserted and erased", "string_map": "unordered_map of strings",
         "text_index": "text index, built and edited", "json_parse": "JSON parsed", "order_book": "order book",
         "short_life": "a resource made, 20 elements, both destroyed"}
RIVALS = ["quarry", "quarry_sync", "std_pool", "boost_pool", "malloc", "mimalloc", "jemalloc", "gperftools", "monotonic"]
BEGIN, END = "<!-- measured: written by benchmarks/run --publish -->\n", "<!-- end of measured -->"


class NotMeasured(Exception):
    """A run cannot be quoted; its text says what is missing."""


def cut_out(results):
    """The part of a run that README.md quotes."""
    cut = {key: results[key] for key in ("machine", "date", "commit", "command")}
    cut["loads"] = {}
    for load in LOADS:
        entry = results["workloads"].get(load)
        if entry is None:
            raise NotMeasured(f"--publish: README.md quotes {load}, which this run did not measure")
        of_rival = {rival: rival in entry["best_ns"] for rival in RIVALS}
        cut["loads"][load] = {
            "best_ns": {rival: round(entry["best_ns"][rival], 3) for rival, there in of_rival.items() if there},
            "spread": {rival: round(entry["spread"][rival], 3) for rival, there in of_rival.items() if there},
            "verdict": table.load_verdict(results, load), "result": results["verdicts"][load]["result"],
            "peer": results["verdicts"][load]["peer"]}
    return cut


def cell(entry, rival):
    """A time; bold where it is ahead of all that free by more than the rounds differ."""
    ns = entry["best_ns"].get(rival)
    if ns is None:
        return ""
    ahead = {"first": "quarry", "behind": entry["peer"]}.get(entry["result"])
    return f"**{table.figure(ns)}**" if rival == ahead else table.figure(ns)


def render(measured):
    lines = ["| ns per operation | " + " | ".join(table.label(rival) for rival in RIVALS) + " | Quarry is |",
             "|---" * (len(RIVALS) + 2) + "|"]
    for load, words in LOADS.items():
        entry = measured["loads"][load]
        lines.append(f"| {words} | " + " | ".join(cell(entry, rival) for rival in RIVALS) + f" | {entry['verdict']} |")
    return (f"{measured['machine']}; {measured['date']}, commit {measured['commit']}, `{measured['command']}`.\n\n" +
            "\n".join(lines) + "\n")


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
