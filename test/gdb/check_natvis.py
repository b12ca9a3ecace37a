#!/usr/bin/env python3
"""check_natvis.py ROOT: holds that quarry.natvis is well-formed and names only types and fields that Quarry's headers have."""
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

NAMESPACE = "{http://schemas.microsoft.com/vstudio/debugger/natvis/2010}"
# What expressions hold beside names of fields.
OTHER = {"nullptr", "sizeof", "void", "s", "each", "group"}


def expressions_of(element):
    """Returns the expressions that an element and those within it hold."""
    found = []
    for each in element.iter():
        name = each.tag.removeprefix(NAMESPACE)
        text = (each.text or "").strip()
        if name == "DisplayString":
            found += re.findall(r"\{([^}]*)\}", text)
        elif text:
            found.append(text)
        found += [value for key, value in each.attrib.items() if key in ("Condition", "InitialValue")]
    return found


def main():
    root = pathlib.Path(sys.argv[1])
    headers = "\n".join(path.read_text() for path in sorted((root / "include" / "quarry").rglob("*.hpp")))
    tree = ElementTree.parse(root / "src" / "debuggers" / "quarry.natvis").getroot()
    wrong = []
    if tree.tag != NAMESPACE + "AutoVisualizer":
        wrong.append("the root is " + tree.tag)
    types = tree.findall(NAMESPACE + "Type")
    for each in types:
        name = each.get("Name")
        kind = re.fullmatch(r"quarry::\*::(core::)?(\w+)(<\*>)?", name)
        if kind is None:
            wrong.append(name + " is no name of a type of Quarry's")
            continue
        declared = re.search(r"^(template <[^;{]*>\n)?(?:class|struct)[^;{\n]* " + kind.group(2) + r"\b[^;]*?\{", headers, re.M)
        declared = declared or re.search(r"^(template <[^;{]*>\n)?(?:class|struct) " + kind.group(2) + r"\b[^;]*?\{", headers, re.M)
        if declared is None:
            wrong.append(name + ": there is no such class")
        for expression in expressions_of(each):
            for word in re.findall(r"[A-Za-z_]\w*", expression):
                if word not in OTHER and not re.search(r"\b" + word + r"(\[\w+\])?( =|\{|;|, |,$)", headers, re.M):
                    wrong.append("{}: `{}` names no field `{}`".format(name, expression, word))
    for each in wrong:
        print("not ok:", each)
    print("{} types, {} wrong".format(len(types), len(wrong)))
    return 1 if wrong or not types else 0


if __name__ == "__main__":
    sys.exit(main())
