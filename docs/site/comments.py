#!/usr/bin/env python3
"""Writes a header of Quarry as Doxygen reads it: the rows of doc comments (Requires, Errors, Complexity, ...) become paragraphs, the
head comment the file's text, a comment behind a member its description. What Doxygen cannot place is left out: the inline namespace of
the version, friends that are bases, specialisations in std. Lines keep their numbers.

usage: comments.py HEADER
"""
import pathlib
import re
import sys

ROW = re.compile(r"^(\s*///) (Units|Requires|Effects|Returns|Errors|Complexity|Threads|Invariant|Source)  +(?=\S)")
HEAD_ROW = re.compile(r"^// (Layer|Invariant|Threads|Source)  +(?=\S)")
BEHIND = re.compile(r"^(\s*(?!//|\s|#|\}|return\b)[^/]*[;,\w}\]])\s+// (?!NOLINT)(\S.*)$")
LEFT_OUT = re.compile(r"^inline namespace QUARRY_ABI \{$|^\}  // namespace QUARRY_ABI$|^ *friend (class )?(quarry::|detail::)")
IN_STD = re.compile(r"^template <[^\n]*>\nstruct std::.*?\};$", re.MULTILINE | re.DOTALL)


def escaped(text):
    """Returns `text` with what would be markup outside of backticks made plain."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([<>#%@]|(?<=>)::)", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def head_line(line, is_first):
    text = HEAD_ROW.sub(lambda row: f"// @row{{{row.group(1)}}} ", line)[2:].strip()
    if not text.startswith("@row"):
        text = escaped(text)
    else:
        mark, _, rest = text.partition(" ")
        text = f"{mark} {escaped(rest)}"
    return f"/// {'@head ' if is_first else ''}{text}"


def filtered(text):
    text = IN_STD.sub(lambda left_out: "\n" * left_out.group().count("\n"), text)
    lines, in_head = [], True
    for number, line in enumerate(text.split("\n")):
        if in_head and line.startswith("//"):
            lines.append(head_line(line, number == 0))
            continue
        in_head = False
        if LEFT_OUT.match(line):
            lines.append("")
        elif line.lstrip().startswith("///"):
            indent, _, words = line.partition("///")
            row = ROW.match(line)
            if row:
                lines.append(f"{indent}/// @row{{{row.group(2)}}} {escaped(line[row.end():])}")
            else:
                lines.append(f"{indent}///{escaped(words)}")
        else:
            behind = BEHIND.match(line)
            lines.append(f"{behind.group(1)}  ///< {escaped(behind.group(2))}" if behind else line)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(filtered(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")))
