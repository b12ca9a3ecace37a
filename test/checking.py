"""What the checks of sources and pages share: their command line, and what a self-test of theirs expects.

Each check is a program `check_....py [ROOT | --self-test]`: it prints one line for each breach below ROOT, the project by default, and
exits 1 when there is any. A self-test breaks each rule once in a scratch folder and expects to be told.
"""
import pathlib
import sys

PROJECT = pathlib.Path(__file__).resolve().parent.parent


def expect(told, found):
    """Ends the program unless one of the breaches that were found tells `told`; nothing told: unless there is none."""
    if bool(found) != bool(told) or told and not any(told in breach for breach in found):
        sys.exit(f"expected {told or 'no breach'!r}, was told {found}")


def run(breaches_of, self_test):
    """Is what the program of a check does; `breaches_of` takes ROOT and returns lines."""
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        sys.exit(0)
    found = breaches_of(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else PROJECT)
    for breach in found:
        print(breach)
    sys.exit(1 if found else 0)
