#!/usr/bin/env python3
"""Checks the doc comments of the public headers, as Doxygen reads them.

  - Each public class, function, type, constant and member has a doc comment, its own or that of the one right above it, without a
    blank line between.
  - Each public function tells its complexity: in its comment, in that of the one right above, or in the row Complexity of its class
    or of its header's head comment, which then speaks for all.
  - Each class has a row Threads, or its header's head comment has.

Public is what include/quarry/*.hpp declares outside of detail, and the members that the faces in detail/ give to public classes.

usage: check_comments.py [ROOT]       ROOT holds include/quarry and docs/site; the project by default
       check_comments.py --self-test  breaks each rule once in a scratch folder and expects to be told

Prints one line for each breach and exits 1 when there is any. Needs doxygen.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

import checking

FACES = {"slab_face.hpp", "slab_host.hpp", "allocator_face.hpp", "cache_verbs.hpp"}
KINDS_WITH_COST = {"function", "friend"}


def read_by_doxygen(root, scratch):
    """Returns the parsed XML of all compounds."""
    headers = root / "include/quarry"
    inputs = [headers, *(headers / "detail" / face for face in sorted(FACES) if (headers / "detail" / face).exists())]
    values = {"SOURCE": root, "OUTPUT": scratch, "PYTHON": sys.executable, "VERSION": "0", "PICTURES": "", "INPUT": " ".join(f'"{path}"' for path in inputs)}
    settings = (root / "docs/site/Doxyfile.in").read_text(encoding="utf-8")
    for name, value in values.items():
        settings = settings.replace(f"@{name}@", str(value))
    settings += "\nGENERATE_HTML=NO\nGENERATE_XML=YES\nUSE_MDFILE_AS_MAINPAGE=\nFILE_PATTERNS=*.hpp\nINLINE_INHERITED_MEMB=NO\n"
    done = subprocess.run(["doxygen", "-"], input=settings, text=True, capture_output=True, check=False)
    if done.returncode != 0 or done.stderr.strip():
        sys.exit(f"doxygen says:\n{done.stderr}")
    return [xml.parse(path).getroot().find("compounddef") for path in (scratch / "xml").glob("*.xml") if path.name not in {"index.xml", "Doxyfile.xml"}]


def comment_of(element):
    return " ".join("".join(element.find(part).itertext()) for part in ("briefdescription", "detaileddescription", "inbodydescription")
                    if element.find(part) is not None).strip()


class Header:
    """One header's text, and what its head comment says."""

    def __init__(self, path):
        self.name = path.name
        self.lines = path.read_text(encoding="utf-8").split("\n")
        end = next((i for i, line in enumerate(self.lines) if not line.startswith("//")), 0)
        self.head = "\n".join(self.lines[:end])

    def are_adjacent(self, first, second):
        """Whether no blank line lies between two lines."""
        return all(line.strip() for line in self.lines[first:second - 1])


def members_of(compound):
    """Returns the public members file by file in the order of their lines, each as (line, element)."""
    result = []
    for section in compound.findall("sectiondef"):
        if section.get("kind", "").startswith(("private", "protected")):
            continue
        for member in section.findall("memberdef"):
            location = member.find("location")
            if member.get("prot") == "public" and location is not None and member.get("kind") != "enumvalue":
                result.append((int(location.get("line")), member))
    return sorted(result, key=lambda entry: (entry[1].find("location").get("file"), entry[0]))


def is_checked(member, last_line_of_class):
    """Friend classes and deleted functions promise nothing; a definition outside of its class is described inside."""
    if last_line_of_class and int(member.find("location").get("line")) > last_line_of_class:
        return False
    if "=delete" in (member.findtext("argsstring") or "").replace(" ", ""):
        return False
    return member.get("kind") != "friend" or bool(member.findtext("argsstring"))


def check_compound(compound, headers):
    breaches, covering, cost_said, last_line = [], False, False, None
    kind, name = compound.get("kind"), compound.findtext("compoundname")
    class_comment, last_line_of_class = "", None
    if kind in {"class", "struct"}:
        header = headers[pathlib.PurePath(compound.find("location").get("file")).name]
        class_comment = comment_of(compound)
        last_line_of_class = int(compound.find("location").get("bodyend"))
        if not class_comment:
            breaches.append(f"{header.name}: {name} has no doc comment")
        outer = name.rsplit("::", 1)[0] in {"quarry", "quarry::detail"}
        if outer and "Threads" not in class_comment and "\n// Threads" not in header.head:
            breaches.append(f"{header.name}: {name}: nothing says which threads may use it; write a row Threads")
    last_header = None
    for line, member in members_of(compound):
        header = headers.get(pathlib.PurePath(member.find("location").get("file")).name)
        if header is None or not is_checked(member, last_line_of_class):
            continue
        if header is not last_header or not header.are_adjacent(last_line, line):
            covering = cost_said = False
        last_header, last_line = header, line
        comment, place = comment_of(member), f"{header.name}:{line}: {name}::{member.findtext('name')}"
        if comment:
            covering, cost_said = True, "Complexity" in comment
        elif not covering:
            breaches.append(f"{place} has no doc comment")
        if member.get("kind") in KINDS_WITH_COST and not (
                cost_said or "Complexity" in class_comment or "\n// Complexity" in header.head):
            breaches.append(f"{place}: nothing says what it costs; write a row Complexity, or one for the whole class")
    return breaches


def is_public(compound, headers):
    if compound is None or compound.get("kind") not in {"class", "struct", "namespace", "file"}:
        return False
    name = compound.findtext("compoundname")
    if compound.get("prot") in {"private", "protected"}:
        return False
    if compound.get("kind") in {"namespace", "file"}:
        return name == "quarry" or compound.get("kind") == "file" and name in headers
    file = pathlib.PurePath(compound.find("location").get("file")).name
    return "detail::" not in name or file in FACES


def breaches_of(root):
    headers = {path.name: Header(path) for path in (root / "include/quarry").glob("*.hpp")}
    headers.update({path.name: Header(path) for path in (root / "include/quarry/detail").glob("*.hpp") if path.name in FACES})
    with tempfile.TemporaryDirectory() as scratch:
        compounds = read_by_doxygen(root, pathlib.Path(scratch))
    # A file lists what its namespaces have; its macros are its own.
    result = []
    for compound in compounds:
        if is_public(compound, headers):
            if compound.get("kind") == "file":
                for section in [each for each in compound.findall("sectiondef") if each.get("kind") != "define"]:
                    compound.remove(section)
            result += check_compound(compound, headers)
    return sorted(result)


GOOD = """// A thing.
//
// Threads    One at a time.
#pragma once

namespace quarry {
inline namespace QUARRY_ABI {

/// A thing. Complexity  Each member: O(1).
class thing {
 public:
  /// Returns 1.
  int one() const noexcept { return 1; }
  int two() const noexcept { return 2; }

  int count = 0;  // of things
};

}  // namespace QUARRY_ABI
}  // namespace quarry
"""
BREACHES = [  # what is changed, into what, and what must be told
    ("  /// Returns 1.\n", "", "one has no doc comment"),
    ("  int two", "\n  int two", "two has no doc comment"),
    ("/// A thing. Complexity  Each member: O(1).\n", "/// A thing.\n", "nothing says what it costs"),
    ("/// A thing. Complexity  Each member: O(1).\n", "", "quarry::thing has no doc comment"),
    ("// Threads    One at a time.\n", "", "nothing says which threads"),
    ("  // of things", "", "count has no doc comment"),
]


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "include/quarry").mkdir(parents=True)
        shutil.copytree(checking.PROJECT / "docs/site", root / "docs/site")
        for before, after, told in [("", "", ""), *BREACHES]:
            (root / "include/quarry/thing.hpp").write_text(GOOD.replace(before, after) if before else GOOD, encoding="utf-8")
            checking.expect(told, breaches_of(root))


if __name__ == "__main__":
    checking.run(breaches_of, self_test)
