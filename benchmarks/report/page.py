"""One self-contained HTML page: the answer in a sentence, one picture that shows it, then every number."""
import html
from math import log, prod

import table

STYLE = """
:root { color-scheme: light dark; --ground:#fff; --ink:#1b1f24; --soft:#5b6572; --line:#d9dee5; --card:#f6f8fa; --quarry:#c2410c; --pool:#3f6fb5;
        --malloc:#7d8896; --floor:#b9c0ca; --good:#1a7f37; --bad:#b42318; }
@media (prefers-color-scheme: dark) {
  :root { --ground:#12161b; --ink:#e6e9ed; --soft:#9aa5b1; --line:#333b45; --card:#1a2027; --quarry:#ff8a3d; --pool:#7aa7e8;
          --malloc:#8b95a1; --floor:#4d5763; --good:#4ac26b; --bad:#ff7b72; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 28px 20px 60px; background: var(--ground); color: var(--ink);
       font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 6px; overflow-wrap: anywhere; } h2 { font-size: 19px; margin: 38px 0 6px; }
p { margin: 6px 0; } .soft { color: var(--soft); font-size: 13.5px; } b.q { color: var(--quarry); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(330px, 100%), 1fr)); gap: 14px; margin-top: 12px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; }
.card h3 { margin: 0; font-size: 15px; } .card p { margin: 2px 0 8px; }
.real { color: var(--good); font-size: 12px; font-weight: 600; margin-left: 6px; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg text.soft { fill: var(--soft); font-size: 11px; } svg text.pass { fill: var(--good); font-weight: 600; }
svg text.miss { fill: var(--bad); } svg text.q { fill: var(--quarry); font-weight: 700; }
.kind-quarry { fill: var(--quarry); } .kind-pool { fill: var(--pool); } .kind-malloc { fill: var(--malloc); }
.kind-floor { fill: var(--floor); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; margin-top: 8px; }
th, td { padding: 4px 9px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } .pass { color: var(--good); } .miss { color: var(--bad); font-weight: 700; }
tr.apart td, tr.apart th { border-top: 2px solid var(--soft); } td.apart, th.apart { border-left: 2px solid var(--soft); }
details { margin-top: 12px; } summary { cursor: pointer; font-weight: 600; } .scroll svg { min-width: 860px; }
.narrow { display: none; }
@media (max-width: 700px) { .narrow { display: block; } body { padding: 16px 12px 40px; } h1 { font-size: 21px; } th, td { padding: 4px 6px; } }
.legend span { margin-right: 18px; } .legend i { display: inline-block; width: 11px; height: 11px; border-radius: 6px;
  margin-right: 5px; }
"""


def text(value):
    return html.escape(str(value))


def geometric_mean(numbers):
    return prod(numbers) ** (1 / len(numbers)) if numbers else None


def headline(results):
    """What an engineer wants to know first, computed from the run."""
    found = [verdict["result"] for verdict in results["verdicts"].values()]
    if not found:
        return "Quarry and its rivals"
    sentence = (f"Of all that free memory Quarry is the first on {found.count('first')} of {len(found)} loads, ties on "
                f"{found.count('tie')} and is behind on {found.count('behind')}")
    gains = [entry["best_ns"]["std_pool"] / entry["best_ns"]["quarry"] for entry in results["workloads"].values()
             if "std_pool" in entry["best_ns"] and "quarry" in entry["best_ns"]]
    if gains:
        sentence += f"; it is {geometric_mean(gains):.1f} times as fast as std::pmr::unsynchronized_pool_resource"
    return sentence


def subject_ns(results, name):
    found = results["verdicts"].get(name)
    return found and results["workloads"][name]["best_ns"][found["subject"]]


def verdict_class(results, name):
    return {"first": "pass", "behind": "miss"}.get(results["verdicts"].get(name, {}).get("result"), "soft")


def overview(results, entries):
    """One row a load: Quarry's time is the vertical line, each rival a dot; right of the line is slower than Quarry. A floor,
    which never frees, is a ring."""
    rows = [(name, entry) for name, entry in entries.items() if name in results["verdicts"]]
    if not rows:
        return ""
    left, right, row_height, top = 250, 930, 26, 34
    ratios = [ns / subject_ns(results, name) for name, e in rows for ns in e["best_ns"].values()]
    low, high = log(max(0.1, min(0.5, *ratios))), log(min(24, max(4, *ratios)))

    def x_of(ratio):
        return left + (right - left) * (min(max(log(ratio), low), high) - low) / (high - low)

    height = top + row_height * len(rows) + 10
    parts = [f'<svg viewBox="0 0 1140 {height}" role="img" aria-label="Time of each rival relative to Quarry">']
    for tick in (0.125, 0.25, 0.5, 1, 2, 4, 8, 16):
        if low <= log(tick) <= high:
            x = x_of(tick)
            width, colour = (2.5, "var(--quarry)") if tick == 1 else (1, "var(--line)")
            parts.append(f'<line x1="{x:.1f}" y1="{top - 8}" x2="{x:.1f}" y2="{height - 8}" stroke="{colour}" stroke-width="{width}"/>')
            word = "Quarry" if tick == 1 else f"{tick:g}x its time"
            parts.append(f'<text x="{x:.1f}" y="{top - 15}" text-anchor="middle" class="{"q" if tick == 1 else "soft"}">{word}</text>')
    for index, (name, entry) in enumerate(rows):
        y = top + row_height * index + row_height / 2
        quarry_ns = subject_ns(results, name)
        weight = ' style="font-weight:700"' if entry["real_input"] else ""
        parts.append(f'<text x="{left - 12}" y="{y + 4}" text-anchor="end"{weight}>{text(name)}</text>')
        parts.append(f'<line x1="{left}" y1="{y}" x2="{right}" y2="{y}" stroke="var(--line)" stroke-dasharray="2 4"/>')
        for rival, ns in entry["best_ns"].items():
            kind = results["rivals"][rival]
            size = 7 if rival == results["verdicts"][name]["subject"] else 5
            paint = f'fill="none" style="stroke:var(--floor);stroke-width:2.5"' if kind == "floor" else f'class="kind-{kind}"'
            said = f"{table.label(rival)}: {table.figure(ns)} ns, {ns / quarry_ns:.2f} times Quarry's"
            parts.append(f'<circle cx="{x_of(ns / quarry_ns):.1f}" cy="{y}" r="{size}" {paint} fill-opacity="0.85">'
                         f'<title>{text(said)}</title></circle>')
        parts.append(f'<text x="{right + 16}" y="{y + 4}" class="{verdict_class(results, name)}">'
                     f'{text(table.load_verdict(results, name))}</text>')
    return "".join(parts) + "</svg>"


def picture(results):
    """The overview of the first section as an SVG file of its own."""
    parts = table.sections(results)
    drawing = overview(results, parts[0][1]) if parts else ""
    if not drawing:
        return ""
    return drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" width="1140" ', 1).replace(
        ">", f'><style>{STYLE}</style><rect width="100%" height="100%" fill="var(--ground)"/>', 1)


def bars(results, values, show):
    """Horizontal bars, the smallest first and what never frees below a line. `values`: rival -> number."""
    def is_floor(rival):
        return results["rivals"][rival] == "floor"

    ordered = sorted(values.items(), key=lambda pair: (is_floor(pair[0]), pair[1]))
    regular = sorted(number for _, number in ordered)
    freeing = sum(not is_floor(rival) for rival, _ in ordered)
    limit = min(regular[-1], 4 * regular[len(regular) // 2])  # one outlier does not flatten the others
    gap = 8 if 0 < freeing < len(ordered) else 0
    parts = [f'<svg viewBox="0 0 360 {18 * len(ordered) + gap + 2}">']
    if gap:
        y = 18 * freeing + gap / 2
        parts.append(f'<line x1="0" y1="{y}" x2="360" y2="{y}" stroke="var(--soft)" stroke-dasharray="3 3"/>')
    for index, (rival, number) in enumerate(ordered):
        y = 18 * index + (gap if index >= freeing else 0)
        width = max(1.5, 170 * min(number, limit) / limit)
        kind = results["rivals"][rival]
        mark = ' class="q"' if kind == "quarry" else ""
        cut = " &#8594;" if number > limit else ""
        parts.append(f'<text x="104" y="{y + 13}" text-anchor="end"{mark}>{text(table.label(rival))}</text>'
                     f'<rect x="110" y="{y + 3}" width="{width:.1f}" height="12" rx="2" class="kind-{kind}"/>'
                     f'<text x="{114 + width:.1f}" y="{y + 13}"{mark}>{show(number)}{cut}</text>')
    return "".join(parts) + "</svg>"


def time_cards(results, entries):
    cards = []
    for name, entry in entries.items():
        real = '<span class="real">real input</span>' if entry["real_input"] else ""
        cards.append(f'<div class="card"><h3>{text(name)}{real}</h3><p class="soft">{text(entry["operation"])}; ns per operation</p>'
                     f'<p><b class="{verdict_class(results, name)}">{text(table.load_verdict(results, name))}</b></p>'
                     f'{bars(results, entry["best_ns"], table.figure)}</div>')
    return "".join(cards)


def fresh_cards(results):
    cards = []
    if results["fresh"]:
        ns = {rival: row["ns"] for rival, row in results["fresh"].items()}
        cards.append('<div class="card"><h3>fresh list</h3><p class="soft">one node of a list of a million built and destroyed '
                     'once, each rival in a new process, page faults included; ns per node</p>'
                     f'{bars(results, ns, table.figure)}</div>')
    for load, entry in results["fresh_resource"].items():
        us = {rival: ways["fresh"]["best_ns"] / 1000 for rival, ways in entry["of"].items()}
        cards.append(f'<div class="card"><h3>{text(load)}</h3><p class="soft">a resource made, a {text(entry["operation"])} built on '
                     f'it, all destroyed, in a clean process; microseconds, best round</p>{bars(results, us, table.figure)}</div>')
    return "".join(cards)


def memory_cards(results):
    cards = []
    for load, of_rival in results["memory"].items():
        peak = {rival: max(sample[when]["resident_bytes"] / sample[when]["live_bytes"]
                           for when in ("full", "churned") if when in sample) for rival, sample in of_rival.items()}
        cards.append(f'<div class="card"><h3>{text(load.replace("_", " "))} bytes</h3><p class="soft">peak resident bytes for each '
                     f'live byte</p>{bars(results, peak, lambda number: f"{number:.3f}")}</div>')
        left = {rival: sample["emptied"]["resident_bytes"] / sample["full"]["live_bytes"] for rival, sample in of_rival.items()}
        cards.append(f'<div class="card"><h3>{text(load.replace("_", " "))}, all freed</h3><p class="soft">still resident after '
                     f'freeing all and trimming, for each byte that was live</p>'
                     f'{bars(results, left, lambda number: f"{number:.3f}")}</div>')
    for name, entry in results["workloads"].items():
        if entry["memory"]:
            peak = {rival: row["resident_peak_bytes"] / row["live_peak_bytes"] for rival, row in entry["memory"].items()}
            live = max(row["live_peak_bytes"] for row in entry["memory"].values()) / 2**20
            real = '<span class="real">real input</span>' if entry["real_input"] else ""
            cards.append(f'<div class="card"><h3>{text(name)}{real}</h3><p class="soft">peak resident bytes for each live byte; '
                         f'{live:.1f} MiB live at the peak</p>{bars(results, peak, lambda number: f"{number:.2f}")}</div>')
    return "".join(cards)


def cells(row, tag="td"):
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in row) + "</tr>"


def target_table(results):
    rows = []
    for row in results["targets"]:
        if row["measured"] is None:
            continue
        verdict = table.verdict(row)
        mark = "miss" if verdict == "MISS" else "pass" if verdict.startswith("pass") else ""
        against = f" ({table.label(row['against'])})" if row["against"] else ""
        rows.append(cells([f"{row['target']} {text(row['what'] + against)}", table.figure(row["measured"]),
                           text(table.bound(row, "must")), text(table.bound(row, "stretch")),
                           f'<span class="{mark}">{verdict}</span>']))
    if not rows:
        return ""
    head = cells(["target", "measured", "must", "stretch", "verdict"], "th")
    return f'<h2>Targets</h2><div class="scroll"><table>{head}{"".join(rows)}</table></div>'


def time_table(results, entries):
    freeing, floors = table.rivals_in(results, [entry["best_ns"] for entry in entries.values()])
    apart = len(freeing) + 1
    rows = [[f"<th>{text(cell)}</th>" for cell in
             ["ns per operation, best (spread, page faults a round)"] + [table.label(rival) for rival in freeing + floors]]]
    for name, entry in entries.items():
        row = [f"<td>{text(name)}</td>"]
        for rival in freeing + floors:
            ns = entry["best_ns"].get(rival)
            faults = entry["best_faults"].get(rival, 0)
            more = f" {faults:,.0f} pf" if faults >= 1 else ""
            row.append("<td>-</td>" if ns is None else
                       f'<td>{table.figure(ns)} <span class="soft">+{100 * entry["spread"][rival]:.0f}%{more}</span></td>')
        rows.append(row)
    if floors:
        for row in rows:
            row[apart] = row[apart].replace("<td", '<td class="apart"').replace("<th", '<th class="apart"')
    return f'<div class="scroll"><table>{"".join("<tr>" + "".join(row) + "</tr>" for row in rows)}</table></div>'


def verdict_table(results, entries):
    """Load and verdict: the shortest answer, narrow enough for a telephone."""
    rows = [cells([text(name), f'<span class="{verdict_class(results, name)}">{text(table.load_verdict(results, name))}</span>'])
            for name in entries if name in results["verdicts"]]
    return f'<div class="scroll"><table>{cells(["load", "among those that free"], "th")}{"".join(rows)}</table></div>' if rows else ""


def section_part(results, section, entries, is_first):
    return (f'<h2>{text(section)}</h2><div class="narrow">{verdict_table(results, entries)}</div><div class="scroll">{overview(results, entries)}</div>'
            f'<details{" open" if is_first else ""}><summary>Every load</summary><div class="cards">{time_cards(results, entries)}'
            f'</div></details>{time_table(results, entries)}')


def plain_table(rows):
    """Rows of text, the first of them the head."""
    escaped = [[text(cell) for cell in row] for row in rows]
    body = "".join(cells(row) for row in escaped[1:])
    return f'<div class="scroll"><table>{cells(escaped[0], "th")}{body}</table></div>'


def fresh_part(results):
    if not (results["fresh"] or results["fresh_resource"]):
        return ""
    rows = plain_table(table.fresh_resources(results)) if results["fresh_resource"] else ""
    return (f'<h2>Fresh memory</h2><p class="soft">Each rival in a new process with default settings, page faults included. '
            f'Kept: one resource serves all rounds; fresh: each round has its own.</p>{verdict_table(results, results["fresh_times"])}'
            f'<div class="cards">{fresh_cards(results)}</div>{rows}')


def pinned_part(results):
    if not results["pinned"]:
        return ""
    return ('<h2>Memory that stays</h2><p class="soft">With few blocks alive or none; each rival in a process of its own. Held: from '
            f'upstream, as Quarry counts it. Later: after a pause.</p>{plain_table(table.pinned(results))}')


def call_table(results):
    if not results["worst_call"]:
        return ""
    parts = ("p50_ns", "p99_ns", "p999_ns", "p9999_ns", "max_ns")
    head = cells(["ns"] + [f"{call} {part}" for call in ("allocate", "free") for part in ("p50", "p99", "p99.9", "p99.99", "max")], "th")
    rows = [cells([text(table.label(rival))] + [table.figure(row[call][part]) for call in ("allocate", "deallocate") for part in parts])
            for rival, row in results["worst_call"].items()]
    timer = results["worst_call"][next(iter(results["worst_call"]))]["timer"]["p50_ns"]
    return (f'<h2>One call at a time</h2><p class="soft">A resource grows to {results["worst_call_blocks"]:,} blocks of 48 bytes and gives them back in '
            f'random order; each call is timed alone. Reading the timer is in every figure: {timer:.0f} ns around nothing.</p>'
            f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>')


def render(results):
    legend = "".join(f'<span><i style="background:var(--{kind})"></i>{word}</span>' for kind, word in (
        ("quarry", "Quarry"), ("pool", "pool resources: std, Boost"), ("malloc", "general mallocs"),
        ("floor", "never free, the floor: monotonic, one block")))
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
<h1>{text(headline(results))}</h1>
<p class="soft">{text(results["date"])}, <code>{text(results["command"])}</code>, {text(results["machine"])}</p>
<p class="legend">{legend}</p>
<p class="soft">Times are the best of the rounds; all rivals take turns, and the first round of each is not timed. A verdict
compares Quarry with the best of those that free memory: a tie when they are closer than the larger of their spreads, which is how
far the best quarter of the rounds (at least the second best) reaches above the best. Where threads share a resource it speaks of
Quarry's synchronized one. In the pictures a dot right of the line is slower than Quarry, on a logarithmic scale, and a ring never
frees. Bold names run on real input: {text("; ".join(results["real_input"]) or "none in this run")}.{absent}</p>{notes}
{times}{fresh_part(results)}{memory_part}{pinned_part(results)}{call_table(results)}{target_table(results)}
<h2>Made with</h2><p class="soft">{text(used)}</p>
</body></html>
"""
