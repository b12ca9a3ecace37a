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
TYPE = re.compile(r"^( *)(?:template <.*> )?(?:class|struct|enum|union)\b[^;]*$")
END_OF_TYPE = re.compile(r"^( *)\};")
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
    types = []  # the indentation of each type that is open here
    continues = False  # whether the line above begins a member that goes on
    for number, line in enumerate(text.split("\n")):
        if in_head and line.startswith("//"):
            lines.append(head_line(line, number == 0))
            continue
        in_head = False
        begin, end = TYPE.match(line), END_OF_TYPE.match(line)
        if begin:
            types.append(len(begin.group(1)))
        elif end and types and len(end.group(1)) == types[-1]:
            types.pop()
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
            indent = len(line) - len(line.lstrip())
            member_indent = types[-1] + 2 if types else 0
            is_member = indent == member_indent or continues and indent == member_indent + 4   # not a statement of a function
            continues = indent == member_indent and line[-1:] not in ";{}"
            behind = BEHIND.match(line) if is_member else None
            lines.append(f"{behind.group(1)}  ///< {escaped(behind.group(2))}" if behind else line)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(filtered(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")))
