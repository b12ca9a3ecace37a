"""The pictures of the page: a row of marks for each load, and bars. A rival is known by colour and shape, and by name on hover and
touch."""
import html
from math import log

import table

TICKS = {0.125: "&#215;&#8539;", 0.25: "&#215;&#188;", 0.5: "&#215;&#189;", 1: "Quarry", 2: "&#215;2", 4: "&#215;4", 8: "&#215;8", 16: "&#215;16"}
LEGEND = (("quarry", "Quarry, for one thread"), ("sync", "Quarry, for many threads"), ("pool", "pool resources: std, Boost"),
          ("malloc", "general mallocs"), ("floor", "never free, the floor: monotonic, one block"))
MARKS = {"first": "&#9650;", "tie": "&#9644;", "undecided": "&#9670;", "behind": "&#9660;"}  # beside the word, for each verdict
CLASSES = {"first": "pass", "behind": "miss"}


def text(value):
    return html.escape(str(value))


def load_name(name):
    """A load's name in the section of its program."""
    return name.rsplit("/", 1)[-1]


def shown(name):
    """That name, escaped, and allowed to break behind a low line."""
    return text(load_name(name)).replace("_", "_<wbr>")


def look_of(results, rival):
    """The class of a rival's marks: its kind, and Quarry for many threads apart from Quarry for one."""
    kind = results["rivals"][rival]
    return "sync" if kind == "quarry" and "sync" in rival else kind


def shape(look, size=5):
    """A mark around the origin: one shape for each look."""
    if look == "sync":
        return f'<path class="mark sync" d="M0 {-size - 3} L{size + 3} 0 L0 {size + 3} L{-size - 3} 0 Z"/>'
    if look == "pool":
        return f'<rect class="mark pool" x="{-size}" y="{-size}" width="{2 * size}" height="{2 * size}"/>'
    return f'<circle class="mark {look}" r="{size + 2 if look == "quarry" else size}"/>'


def legend():
    return "".join(f'<span><svg viewBox="-9 -9 18 18" aria-hidden="true">{shape(look)}</svg> {words}</span>' for look, words in LEGEND)


def verdict_class(found):
    return CLASSES.get(found["result"], "even") if found else "even"


def verdict_text(found):
    """The verdict as a mark and words, escaped."""
    return f'{MARKS[found["result"]]} {text(table.verdict_words(found))}' if found else "-"


class Scale:
    """Where a ratio lies between the left and the right end, in per cent: logarithmic, and one for all rows of a picture."""

    def __init__(self, ratios):
        self.low, self.high = log(max(0.1, min(0.5, *ratios))), log(min(24, max(4, *ratios)))

    def per_cent(self, ratio):
        return 100 * (min(max(log(ratio), self.low), self.high) - self.low) / (self.high - self.low)

    def ticks(self):
        return [tick for tick in TICKS if self.low <= log(tick) <= self.high]


def rows_of(results, entries):
    """(name, entry, times over the subject's) for each load that has a verdict."""
    found = []
    for name, entry in entries.items():
        verdict = results["verdicts"].get(name)
        if verdict:
            mine = entry["best_ns"][verdict["subject"]]
            found.append((name, entry, {rival: ns / mine for rival, ns in entry["best_ns"].items()}))
    return found


def axis(scale, x_of):
    parts = []
    for tick in scale.ticks():
        at = scale.per_cent(tick)
        anchor = "start" if at < 6 else "end" if at > 94 else "middle"  # no label runs out at an end
        parts.append(f'<text x="{x_of(tick)}" y="18" text-anchor="{anchor}" class="{"q" if tick == 1 else "soft"}">{TICKS[tick]}</text>')
    return "".join(parts)


def track(results, name, entry, ratios, scale, x_of):
    """The marks of one load on their line. `x_of` writes an x coordinate."""
    parts = [f'<line x1="{x_of(tick)}" y1="0" x2="{x_of(tick)}" y2="100%" stroke="var(--{"quarry" if tick == 1 else "line"})" '
             f'stroke-width="{2.5 if tick == 1 else 1}"/>' for tick in scale.ticks()]
    subject = results["verdicts"][name]["subject"]
    for rival in sorted(ratios, key=lambda each: each == subject):  # the subject lies on top
        at = scale.per_cent(ratios[rival])
        said = [f"{table.label(rival)}: {table.figure(entry['best_ns'][rival])} ns"]
        if rival != subject:
            said.append(table.compared_to(ratios[rival], table.label(subject)))
        lines = "".join(f'<tspan x="0" y="{14 * (index - len(said)) + 1}">{text(line)}</tspan>' for index, line in enumerate(said))
        anchor = "start" if at < 35 else "end" if at > 65 else "middle"
        parts.append(f'<svg x="{x_of(ratios[rival])}" y="50%" overflow="visible"><g class="dot" tabindex="0" role="img" '
                     f'aria-label="{text(", ".join(said))}">{shape(look_of(results, rival))}<g class="tip">'
                     f'<text text-anchor="{anchor}">{lines}</text></g></g></svg>')
    return "".join(parts)


def overview(results, entries):
    """One row a load: Quarry's time is the vertical line; a mark right of it is slower than Quarry."""
    rows = rows_of(results, entries)
    if not rows:
        return ""
    scale = Scale([ratio for _, _, ratios in rows for ratio in ratios.values()])

    def x_of(ratio):
        return f"{scale.per_cent(ratio):.2f}%"

    parts = [f'<div class="row axis"><span class="name"></span><svg aria-hidden="true">{axis(scale, x_of)}</svg>'
             '<span class="verdict"></span></div>']
    for name, entry, ratios in rows:
        real = " on-real-input" if entry["real_input"] else ""
        found = results["verdicts"][name]
        parts.append(f'<div class="row"><span class="name{real}">{shown(name)}</span>'
                     f'<svg>{track(results, name, entry, ratios, scale, x_of)}</svg>'
                     f'<span class="verdict {verdict_class(found)}">{verdict_text(found)}</span></div>')
    return "".join(parts)


def picture(results, entries, style):
    """The same as an SVG file of its own."""
    rows = rows_of(results, entries)
    if not rows:
        return ""
    scale = Scale([ratio for _, _, ratios in rows for ratio in ratios.values()])
    left, width, row_height, top = 120, 440, 30, 74 if results["caveat"] else 52

    def x_of(ratio):
        return f"{width * scale.per_cent(ratio) / 100:.1f}"

    height = top + row_height * len(rows) + 12
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="840" height="{height}" viewBox="0 0 840 {height}" role="img" '
             f'aria-label="Time of each rival relative to Quarry"><style>{style}</style>'
             '<rect width="100%" height="100%" fill="var(--ground)"/>']
    x = 14
    for look, words in LEGEND:
        short = words.split(":")[0].replace("never free, the floor", "never free")
        parts.append(f'<svg x="{x}" y="15" overflow="visible">{shape(look)}<text x="12" y="4">{text(short)}</text></svg>')
        x += 40 + 6.4 * len(short)
    if results["caveat"]:
        parts.append(f'<text x="14" y="42" class="miss">{text(results["caveat"])}</text>')
    parts.append(f'<svg x="{left}" y="{top - 26}" overflow="visible">{axis(scale, x_of)}</svg>')
    for index, (name, entry, ratios) in enumerate(rows):
        y = top + row_height * index
        weight = ' style="font-weight:700"' if entry["real_input"] else ""
        found = results["verdicts"][name]
        words = table.verdict_words(found).split(":")[0]
        parts.append(f'<text x="{left - 16}" y="{y + 19}" text-anchor="end"{weight}>{text(load_name(name))}</text>'
                     f'<svg x="{left}" y="{y}" width="{width}" height="{row_height}" overflow="visible">{track(results, name, entry, ratios, scale, x_of)}</svg>'
                     f'<text x="{left + width + 20}" y="{y + 19}" class="{verdict_class(found)}">{MARKS[found["result"]]} {text(words)}</text>')
    return "".join(parts) + "</svg>\n"


def bars(results, values, show, beside=None):
    """Horizontal bars, the smallest first and what never frees below a line. `values`: rival -> number. `beside`: label ->
    (rival, number), paler, of the same thing measured in another way."""
    def is_floor(rival):
        return results["rivals"][rival] == "floor"

    shown = [(number, table.label(rival), rival, "") for rival, number in values.items()]
    shown += [(number, label, rival, " beside") for label, (rival, number) in (beside or {}).items()]
    shown.sort(key=lambda each: (is_floor(each[2]), each[0]))
    numbers = sorted(number for number, _, _, _ in shown)
    limit = min(numbers[-1], 4 * numbers[len(numbers) // 2]) or 1  # one outlier does not flatten the others
    parts, freeing = [], False
    for number, label, rival, more in shown:
        if is_floor(rival) and freeing:
            parts.append("<hr>")
        freeing = not is_floor(rival)
        look = look_of(results, rival)
        ours = " ours" if look in ("quarry", "sync") else ""
        cut = " &#8594;" if number > limit else ""
        parts.append(f'<span class="who{ours}">{text(label)}</span><span class="bar"><i class="{look}{more}" '
                     f'style="--part:{min(number, limit) / limit:.3f}"></i>{show(number)}{cut}</span>')
    return f'<div class="bars">{"".join(parts)}</div>'
