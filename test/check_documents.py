#!/usr/bin/env python3
"""Checks README.md and the pages of docs/.

  - Each link to a file of the project leads to one, and each link to a heading to one of that page, by the name that GitHub gives it.
  - Each page is reached from README.md.
  - Each message of the library, of the compiler (static_assert) that begins with quarry is a heading of docs/errors.md
    or stands in docs/checks.md: its words up to the first value that it names. What a check reports points to a heading there.
  - docs/costs.md has a row for each public header, and no other.

usage: check_documents.py [ROOT]       the project by default
       check_documents.py --self-test  breaks each rule once in a scratch folder and expects to be told

Prints one line for each breach and exits 1 when there is any.
"""
import pathlib
import posixpath
import re
import sys
import tempfile

import checking

sys.path.insert(0, str(checking.PROJECT / "docs/site"))
import pages as site  # noqa: E402

# A C++ literal with its continuations; a value that is put in between ends it.
LITERALS = re.compile(r'"((?:[^"\\]|\\.)*)"((?:\s*"(?:[^"\\]|\\.)*")*)')
ASSERTED = re.compile(r'static_assert\((?:[^"();]|\((?:[^()]|\([^()]*\))*\))*,\s*' + LITERALS.pattern)


# What a check reports: its kind, what happened, what to look for, where docs/checks.md tells more.
REPORTED = re.compile(r'\{slab_errc::\w+,\s*' + LITERALS.pattern + r'\s*,\s*' + LITERALS.pattern + r'\s*,\s*"([\w-]+)"\}')


def words_of(text):
    return " ".join(text.replace("`", "").split())


def literal_of(match):
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', f'"{match.group(1)}"{match.group(2)}'))


def messages_of(root):
    """Returns {(file, message)}: the words of each message up to its first value."""
    found = set()
    for folder in ("include/quarry", "src"):
        for path in sorted((root / folder).rglob("*.[ch]pp")):
            name = path.relative_to(root).as_posix()
            lines = [line for line in path.read_text(encoding="utf-8").split("\n") if not line.lstrip().startswith(("//", "#include"))]
            text = "\n".join(lines)
            texts = [literal_of(match) for match in LITERALS.finditer(text)]
            messages = [each for each in texts if each.startswith("quarry: ")]
            if name.startswith("include/quarry/") and not name.startswith("include/quarry/core/"):
                messages += [literal_of(match) for match in ASSERTED.finditer(text)]
            found |= {(name, words_of(re.split(r"'?%[-.\d]*[a-z]+|\\n", message)[0]).rstrip(".")) for message in messages}
    return found


def links_of(text):
    for line, is_text in site.outside_of_code(text):
        if is_text:
            for match in site.LINK.finditer(line):
                if "://" not in match.group(3) and not match.group(3).startswith("mailto:"):
                    yield match.group(3)


def breaches_of(root):
    pages = site.pages_of(root)
    anchors = {name: set(site.anchors_of(text)) for name, text in pages.items()}
    breaches, leads_to = [], {name: set() for name in pages}
    for name, text in pages.items():
        for link in links_of(text):
            path, _, anchor = link.partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
            if not (root / target).exists():
                breaches.append(f"{name}: there is no {target}, to which {link} leads")
            elif anchor and anchor not in anchors.get(target, ()):
                breaches.append(f"{name}: {target} has no heading #{anchor}")
            leads_to[name].add(target)
    reached, left = {"README.md"}, ["README.md"]
    while left:
        for target in leads_to.get(left.pop(), ()):
            if target in pages and target not in reached:
                reached.add(target)
                left.append(target)
    breaches += [f"{name}: no link leads here from README.md" for name in pages if name not in reached]
    for path in sorted((root / "src").glob("*.cpp")):
        for match in REPORTED.finditer(path.read_text(encoding="utf-8")):
            if match.group(5) not in anchors.get("docs/checks.md", ()):
                breaches.append(f"src/{path.name}: docs/checks.md has no heading #{match.group(5)}")
            if words_of(literal_of(match)) not in words_of(pages.get("docs/checks.md", "")):
                breaches.append(f"src/{path.name}: docs/checks.md does not tell: {literal_of(match)}")
    costs = set(re.findall(r"`<quarry/([\w.]+)>`", pages.get("docs/costs.md", "")))
    headers = {path.name for path in (root / "include/quarry").glob("*.hpp")}
    breaches += [f"docs/costs.md: {name} stands in one of table and include/quarry; docs/site/costs.py writes the page anew"
                 for name in sorted(costs ^ headers)]
    told = words_of(" ".join(pages.get(f"docs/{name}.md", "") for name in ("errors", "checks")))
    breaches += [f"{file}: docs/errors.md does not tell: {message}" for file, message in sorted(messages_of(root)) if message not in told]
    return breaches


def self_test():
    good = {
        "README.md": "# Quarry\n[page](docs/page.md#second-part), [errors](docs/errors.md)\n",
        "docs/page.md": "# Page\n## Second part\n",
        "docs/errors.md": "# Errors\n### quarry: no ... here\n### write a T\n",
        "docs/packaging/README.md": "# Packages\n",
        "docs/checks.md": "# Checks\n## Wrong\nquarry: it is wrong\n",
        "src/a.cpp": 'void f() { say("quarry: no " "%d here"); }\nkind a = {slab_errc::ok, "it is " "wrong", "a cause", "wrong"};\n',
        "docs/costs.md": "# Costs\n| `<quarry/b.hpp>` | 1 |\n",
        "include/quarry/b.hpp": 'static_assert(g(1) && true, "write a T");\n',
    }
    good["README.md"] += "[packages](docs/packaging/README.md), [checks](docs/checks.md), [costs](docs/costs.md)\n"
    changes = [  # file, what is changed, into what, and what must be told
        ("README.md", "docs/page.md", "docs/pages.md", "there is no docs/pages.md"),
        ("docs/page.md", "Second", "Third", "has no heading #second-part"),
        ("README.md", "[page](docs/page.md#second-part)", "page", "docs/page.md: no link leads here"),
        ("src/a.cpp", "quarry: no", "quarry: none", "does not tell: quarry: none"),
        ("include/quarry/b.hpp", "write a T", "write a U", "does not tell: write a U"),
        ("docs/checks.md", "it is wrong", "it is right", "does not tell: it is wrong"),
        ("docs/checks.md", "## Wrong", "## Right", "has no heading #wrong"),
        ("docs/costs.md", "b.hpp", "c.hpp", "docs/costs.md: b.hpp stands in one of"),
    ]
    for file, before, after, told in [("README.md", "", "", ""), *changes]:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in good.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text.replace(before, after) if name == file and before else text, encoding="utf-8")
            checking.expect(told, breaches_of(pathlib.Path(folder)))


if __name__ == "__main__":
    checking.run(breaches_of, self_test)
