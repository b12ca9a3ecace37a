#!/usr/bin/env python3
"""Writes the pages of the site as Doxygen reads them: README.md, docs/*.md, docs/howto/*.md and a page of all examples. Each message of
docs/errors.md gets a page of its own.

A heading gets the name that GitHub gives it, behind its page's; links to pages, headings and examples lead to these names.

usage: pages.py SOURCE OUTPUT
"""
import pathlib
import posixpath
import re
import sys

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#+) (.*)$")
CODE = re.compile(r"(?<!`)`[^`]+`(?!`)")
MESSAGES = "docs/errors.md"


def anchor_of(heading):
    """Returns the name that GitHub gives a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def outside_of_code(text):
    """Yields (line, whether it is text) for each line."""
    is_code = False
    for line in text.split("\n"):
        if line.startswith("```"):
            is_code = not is_code
            yield line, False
        else:
            yield line, not is_code


def anchors_of(text):
    """Returns the names of a page's headings in order; a name that comes again gets a number, as on GitHub."""
    seen, result = {}, []
    for line, is_text in outside_of_code(text):
        heading = HEADING.match(line) if is_text else None
        if heading:
            name = anchor_of(heading.group(2))
            count = seen.get(name, 0)
            seen[name] = count + 1
            result.append(name if count == 0 else f"{name}-{count}")
    return result


def label_of(page):
    """Returns Doxygen's name of a page: docs/howto/tune.md is howto_tune."""
    name = page.removeprefix("docs/").removesuffix(".md")
    return "index" if page == "README.md" else re.sub(r"\W", "_", name.lower())


def pages_of(source):
    """Returns {path: text} of all pages."""
    files = [source / "README.md", *sorted((source / "docs").glob("*.md")), *sorted((source / "docs/howto").glob("*.md"))]
    files.append(source / "docs/packaging/README.md")
    return {file.relative_to(source).as_posix(): file.read_text(encoding="utf-8") for file in files}


def examples_of(source):
    return sorted(file.relative_to(source).as_posix() for file in (source / "docs/examples").rglob("*.cpp"))


def example_page(source, examples):
    lines = ["# Examples {#examples}", "", "Programs of docs/examples; the tests build and run each.", ""]
    for path in examples:
        text = (source / path).read_text(encoding="utf-8")
        head = [line[2:].strip() for line in re.match(r"(//[^\n]*\n)*", text).group().splitlines()]
        code = text[re.match(r"(//[^\n]*\n)*", text).end():]
        name = pathlib.PurePath(path).name
        lines += [f"## {name} {{#examples-{anchor_of(pathlib.PurePath(path).stem)}}}", "", " ".join(head), "", "```cpp", code.rstrip(), "```", ""]
    return "\n".join(lines)


def message_label(anchor):
    return "error_" + re.sub(r"\W", "_", anchor)[:90]


def split_messages(text):
    """Returns the page of messages with a link in place of each section, and {name of the section's heading: its text as a page}."""
    index, sections, anchors = [], {}, iter(anchors_of(text))
    lines = index
    for line, is_text in outside_of_code(text):
        heading = HEADING.match(line) if is_text else None
        anchor = next(anchors) if heading else ""
        if heading and heading.group(1) == "###":
            shown = heading.group(2).replace("`", "").replace("[", "").replace("]", "")
            index.append(f"- [{shown}](#{anchor})")
            lines = sections[anchor] = [f"# {heading.group(2)}"]
            continue
        if heading:
            lines = index
            lines.append("")
        lines.append(line)
        if heading:
            lines.append("")
    return "\n".join(index), {anchor: "\n".join(section) for anchor, section in sections.items()}


def converted(page, text, label, pages, examples, messages):
    """Returns a page's text for Doxygen; `label` is Doxygen's name of the page, `messages` has those of MESSAGES."""
    anchors = iter(anchors_of(text))
    folder = posixpath.dirname(page)

    def link(match):
        image, text, target = match.groups()
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            return match.group()
        full = posixpath.normpath(posixpath.join(folder, path)) if path else page
        if image:
            return f"![{text}]({posixpath.basename(path)})"
        text = text.replace("`", "")
        if full == MESSAGES and anchor in messages:
            return f'@ref {message_label(anchor)} "{text}"'
        if full in pages:
            to = label_of(full) + (f"-{anchor}" if anchor else "")
            if to == "index":
                return f'<a href="index.html">{text}</a>'
            return f'@ref {to} "{text}"'
        if full in examples:
            return f'@ref examples-{anchor_of(pathlib.PurePath(full).stem)} "{text}"'
        if full == "docs/examples":
            return f'@ref examples "{text}"'
        return text   # a file of the sources, which the site does not have

    lines = []
    for line, is_text in outside_of_code(text):
        if not is_text:
            lines.append(re.sub(r"^```c\+\+$", "```cpp", line))
            continue
        if line.startswith("<!--"):
            continue
        heading = HEADING.match(line)
        line = re.sub(r"(?<![`\w])@(?=\w)", r"\\@", line)
        line = CODE.sub(lambda code: f"`{code.group()}`" if "'" in code.group() else code.group(), line)   # or a quote ends it for Doxygen
        line = LINK.sub(link, line)
        if heading:
            name = next(anchors)
            first = heading.group(1) == "#"
            if not (first and page == "README.md"):
                line = f"{line} {{#{label if first else label + '-' + name}}}"
        lines.append(line)
    return "\n".join(lines)


def main():
    source, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    pages, examples = pages_of(source), examples_of(source)
    output.mkdir(parents=True, exist_ok=True)
    index, messages = split_messages(pages[MESSAGES])
    for page, text in pages.items():
        name = "README.md" if page == "README.md" else f"{label_of(page)}.md"
        text = index if page == MESSAGES else text
        (output / name).write_text(converted(page, text, label_of(page), pages, examples, messages), encoding="utf-8")
    for anchor, text in messages.items():
        label = message_label(anchor)
        more = "\n\n[Every message](errors.md)\n"
        (output / f"{label}.md").write_text(converted(MESSAGES, text + more, label, pages, examples, messages), encoding="utf-8")
    (output / "examples.md").write_text(example_page(source, examples), encoding="utf-8")


if __name__ == "__main__":
    main()
