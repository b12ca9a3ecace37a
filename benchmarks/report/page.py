"""One self-contained HTML page: the answer in a sentence, one picture that shows it, then every number."""
import os

import drawing
import measure
import table
import targets
from drawing import text

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "page.css"), encoding="utf-8") as style_file:
    STYLE = style_file.read()

TUNED = ("glibc is told, by mallopt, to keep all that it is given back while these loads run, as the other mallocs do by themselves; "
         "this speeds up malloc, and the pools that refill from new and delete.")

OVER_MALLOC = ["malloc", *dict.fromkeys(rival for rivals in measure.OVER_MALLOC.values() for rival in rivals)]


def headline(results):
    """What an engineer wants to know first, computed from the run."""
    found = [verdict["result"] for verdict in results["verdicts"].values()]
    if not found:
        return "Quarry and its rivals"
    counts = [f"{words} {found.count(result)}" for result, words in (
        ("first", "is the first on"), ("tie", "ties on"), ("undecided", "is undecided on"), ("behind", "is behind on"))
        if found.count(result)]
    sentence = f"Of {len(found)} loads, among all that free memory, Quarry {', '.join(counts)}"
    times = [entry["best_ns"] for entry in results["workloads"].values()]
    over_std = [best["quarry"] / best["std_pool"] for best in times if "std_pool" in best and "quarry" in best]
    if over_std:
        mean = targets.geometric_mean(over_std)
        sentence += f"; it is {table.compared_to(mean, 'std::pmr::unsynchronized_pool_resource')}"
    return sentence


def caveat(results):
    return f'<p class="caveat">{text(results["caveat"])}</p>' if results["caveat"] else ""


def picture(results):
    """The overview of the first section as an SVG file of its own."""
    parts = table.sections(results)
    return drawing.picture(results, parts[0][1], STYLE) if parts else ""


def card(title, words, body, real=False, verdict=None):
    mark = '<span class="real">real input</span>' if real else ""
    judged = f'<p class="{drawing.verdict_class(verdict)}">{drawing.verdict_text(verdict)}</p>' if verdict else ""
    return f'<div class="card"><h3>{drawing.shown(title)}{mark}</h3><p class="soft">{text(words)}</p>{judged}{body}</div>'


def untuned_best(entry, rival):
    rounds = entry.get("untuned_ns", {}).get(rival)
    return min(rounds) if rounds else None


def time_cards(results, entries):
    cards = []
    for name, entry in entries.items():
        beside = {f"{table.label(rival)}, untuned": (rival, untuned_best(entry, rival)) for rival in OVER_MALLOC
                  if untuned_best(entry, rival)}
        cards.append(card(name, f"{entry['operation']}; ns per operation", drawing.bars(results, entry["best_ns"], table.figure, beside),
                          entry["real_input"], results["verdicts"].get(name)))
    return "".join(cards)


def fresh_cards(results):
    cards = []
    for pages, of_rival in results["fresh"].items():
        words = ("huge pages for all that can have them, each by its own switch" if pages == "huge" else "huge pages for none")
        cards.append(card(f"fresh list, {pages} pages", f"one node of a list of a million built and destroyed once in a new process, each rival "
                          f"over its default upstream, page faults included; {words}; ns per node",
                          drawing.bars(results, {rival: row["ns"] for rival, row in of_rival.items()}, table.figure),
                          verdict=results["verdicts"].get(f"fresh_list_{pages}")))
    for load, entry in results["fresh_resource"].items():
        for name, part, words in ((load, "best", "best round"), (measure.first_request(load), "first", "the first request of a new process")):
            us = {rival: ways["fresh"][f"{part}_ns"] / 1000 for rival, ways in entry["of"].items()}
            cards.append(card(name, f"a resource made, a {entry['operation']} built on it, all destroyed; microseconds, {words}",
                              drawing.bars(results, us, table.figure), verdict=results["verdicts"].get(name)))
    return "".join(cards)


def memory_cards(results):
    cards = []
    for load, of_rival in results["memory"].items():
        name = load.replace("_", " ")
        peak = {rival: targets.resident_per_live(sample) for rival, sample in of_rival.items()}
        left = {rival: sample["emptied"]["resident_bytes"] / sample["full"]["live_bytes"] for rival, sample in of_rival.items()}
        cards.append(card(f"{name} bytes", "peak resident bytes for each live byte", drawing.bars(results, peak, "{:.3f}".format)))
        cards.append(card(f"{name}, all freed", "still resident when all is freed and each rival has trimmed by its own call, for each byte "
                          "that was live", drawing.bars(results, left, "{:.3f}".format)))
    for name, entry in results["workloads"].items():
        if entry["memory"]:
            peak = {rival: row["resident_peak_bytes"] / row["live_peak_bytes"] for rival, row in entry["memory"].items()}
            live = max(row["live_peak_bytes"] for row in entry["memory"].values()) / 2**20
            cards.append(card(name, f"peak resident bytes for each live byte; {live:.1f} MiB live at the peak",
                              drawing.bars(results, peak, "{:.2f}".format), entry["real_input"]))
    return "".join(cards)


def grid(head, rows, apart=None, caption=""):
    """A table of escaped cells. On a narrow screen each row is a block, every cell with its column's name before it. `apart`: the
    column that a line stands before."""
    def cell(tag, index, content, name):
        classes = " ".join(word for word, holds in (("apart", index == apart), ("empty", content == "-")) if holds)
        attributes = f' class="{classes}"' if classes else ""
        attributes += f' data-of="{name}"' if name and index else ""
        return f"<{tag}{attributes}>{content}</{tag}>"

    lines = ['<tr class="head">' + "".join(cell("th", index, name, "") for index, name in enumerate(head)) + "</tr>"]
    for row in rows:
        lines.append("<tr>" + "".join(cell("td", index, content, head[index]) for index, content in enumerate(row)) + "</tr>")
    return f'<table>{f"<caption>{caption}</caption>" if caption else ""}{"".join(lines)}</table>'


def plain_table(rows):
    """Rows of text, the first of them the head."""
    escaped = [[text(cell) for cell in row] for row in rows]
    return grid(escaped[0], escaped[1:])


def alike(entries):
    """The loads in groups whose rivals are mostly the same, so that no row of a table is mostly empty: [{load: entry}]."""
    groups = []
    for name, entry in entries.items():
        rivals = set(entry["best_ns"])
        for known, group in groups:
            if 2 * len(known & rivals) > len(known | rivals):
                known |= rivals
                group[name] = entry
                break
        else:
            groups.append((rivals, {name: entry}))
    return [group for _, group in groups]


def time_tables(results, entries):
    return "".join(time_table(results, group) for group in alike(entries))


def time_table(results, entries):
    freeing, floors = table.rivals_in(results, [entry["best_ns"] for entry in entries.values()])
    rows = []
    for name, entry in entries.items():
        row = [drawing.shown(name)]
        for rival in freeing + floors:
            ns = entry["best_ns"].get(rival)
            if ns is None:
                row.append("-")
                continue
            faults = entry["best_faults"].get(rival, 0)
            more = f"+{100 * (entry['median_ns'][rival] / ns - 1):.0f} %" + (f", {faults:,.0f} pf" if faults >= 1 else "")
            row.append(f"{table.figure(ns)} <small>{more}</small>")
        rows.append(row)
    head = ["ns per operation"] + [text(table.label(rival)) for rival in freeing + floors]
    return grid(head, rows, len(freeing) + 1 if floors else None,
                "Best round; under it, how far the median round lies above it, and the page faults (pf) of a round.")


def untuned_table(results, entries):
    """The same loads in clean processes, beside what the tuned process took."""
    rivals = list(dict.fromkeys(rival for entry in entries.values() for rival in entry.get("untuned_ns", {})))
    rows = [[drawing.shown(name)] + [f"{table.figure(untuned_best(entry, rival))} <small>{table.figure(entry['best_ns'].get(rival))} tuned</small>"
                            if untuned_best(entry, rival) else "-" for rival in rivals]
            for name, entry in entries.items() if entry.get("untuned_ns")]
    if not rows:
        return ""
    return ('<details><summary>The same untuned</summary><p class="soft">Each rival alone in a clean process, mallopt not called; '
            f'ns, and under it the tuned time from above.</p>{grid(["ns, untuned"] + [text(table.label(rival)) for rival in rivals], rows)}</details>')


def section_part(results, section, entries, is_first):
    return (f'<h2>{text(section)}</h2><p class="soft">{text(TUNED)}</p>{caveat(results)}<div class="picture">{drawing.overview(results, entries)}</div>'
            f'<details{" open" if is_first else ""}><summary>Every load</summary><div class="cards">{time_cards(results, entries)}'
            f'</div></details><details><summary>Every time</summary>{time_tables(results, entries)}</details>{untuned_table(results, entries)}')


def fresh_part(results):
    if not (results["fresh"] or results["fresh_resource"]):
        return ""
    rows = (plain_table(table.fresh_rows(results)) if results["fresh"] else "") + (
        plain_table(table.fresh_resources(results)) if results["fresh_resource"] else "")
    return ('<h2>Fresh memory</h2><p class="soft">Each rival in a new process with default settings, page faults included. '
            f'Kept: one resource serves all rounds; fresh: each round has its own.</p>{caveat(results)}'
            f'<div class="cards">{fresh_cards(results)}</div><details><summary>Every time</summary>{rows}</details>')


def checks_part(results):
    if not results["checks"]:
        return ""
    return ('<h2>What checks cost</h2><p class="soft">slab_options::checks off and pointers in turns, best rounds; full in one round of its own; malloc '
            'without the caches of its threads checks more, in a process of its own. Ratios are over the column of times to the left of them. '
            f'An allocator that has no column was not installed. {text(TUNED)}</p>{caveat(results)}{plain_table(table.checks(results))}')


def pinned_part(results):
    if not results["pinned"]:
        return ""
    cards = [card(load.replace("_", " "), "MiB resident at once",
                  drawing.bars(results, {rival: row["at_once"]["resident_bytes"] / 2**20 for rival, row in of_rival.items()}, table.figure))
             for load, of_rival in results["pinned"].items() if len(of_rival) > 1]
    ours = {load: {rival: row for rival, row in of_rival.items() if row["kind"] == "quarry"} for load, of_rival in results["pinned"].items()}
    return ('<h2>Memory that stays</h2><p class="soft">With few blocks alive or none; each rival in a process of its own. Held: from '
            f'upstream, as Quarry counts it. Later: after a pause.</p><div class="cards">{"".join(cards)}</div>'
            f'{plain_table(table.pinned({**results, "pinned": ours}))}')


def call_table(results):
    if not results["worst_call"]:
        return ""
    timer = results["worst_call"][next(iter(results["worst_call"]))]["timer"]["p50_ns"]
    return (f'<h2>One call at a time</h2><p class="soft">A resource grows to {results["worst_call_blocks"]:,} blocks of 48 bytes and gives them back in '
            f'random order; each call is timed alone. Reading the timer is in every figure: {timer:.0f} ns around nothing. {text(TUNED)}</p>'
            f'{plain_table(table.worst_call_rows(results))}')


def target_table(results):
    rows = []
    for row in results["targets"]:
        if row["measured"] is None:
            continue
        verdict = table.verdict(row)
        look, mark = (("miss", "&#10007;") if verdict == "MISS" else ("pass", "&#10003;") if verdict.startswith("pass") else ("even", "&#8211;"))
        against = f" ({table.label(row['against'])})" if row["against"] else ""
        rows.append([f"{row['target']} {text(row['what'] + against)}", table.figure(row["measured"]), text(table.bound(row, "must")),
                     text(table.bound(row, "stretch")), f'<span class="{look}">{mark} {verdict}</span>'])
    return f'<h2>Targets</h2>{grid(["target", "measured", "must", "stretch", "verdict"], rows)}' if rows else ""


def render(results):
    notes = "".join(f"<p>{text(note)}</p>" for note in results["notes"])
    absent = f" Not installed, so not compared: {text(results['absent_rivals'])}." if results["absent_rivals"] else ""
    used = "; ".join(f"{name} {version}" for name, version in results["versions"].items())
    memory = memory_cards(results)
    memory_part = (f'<h2>Memory</h2><p class="soft">Each rival in a process of its own; 1.0 would be no overhead at all.</p>'
                   f'<div class="cards">{memory}</div>') if memory else ""
    times = "".join(section_part(results, section, entries, index == 0)
                    for index, (section, entries) in enumerate(table.sections(results)))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Quarry and its rivals</title><style>{STYLE}</style></head><body>
<h1>{text(headline(results)).replace("_", "_<wbr>")}</h1>
<p class="soft">{text(results["date"])}, <code>{text(results["command"])}</code>, {text(results["machine"])}, commit {text(results["commit"])}</p>
<p class="legend">{drawing.legend()}</p>
<p class="soft">Times are the best of the rounds; all rivals take turns, and the first round of each is not timed. A verdict
compares Quarry with each that frees memory and tells the worst: a tie when neither their best nor their median rounds are further
apart than the steadier one's median is above its best, and never by more than {100 * targets.TIE_AT_MOST:.0f} %; undecided when best and median rounds
disagree. Where threads share a resource it speaks of Quarry's synchronized one. A mark right of the line is slower than Quarry, on a
logarithmic scale; point at a mark or touch it for its name. Bold names run on real input:
{text("; ".join(results["real_input"]) or "none in this run")}.{absent}</p>{notes}
{times}{fresh_part(results)}{checks_part(results)}{memory_part}{pinned_part(results)}{call_table(results)}{target_table(results)}
<h2>Made with</h2><p class="soft">{text(used)}</p>
</body></html>
"""
