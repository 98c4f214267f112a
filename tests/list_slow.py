"""Lists the tests that take long, which `make test` leaves to `make slow`, from what a whole run took.

    .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --junitxml report.xml
    .venv/bin/python -m tests.list_slow report.xml

Of a property that all nets are tested for, in `tests/conformance/`, the fastest case stays in `make test`, unless that
takes five times as long too. Continuous integration runs both.
"""

import argparse
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

FILE = Path(__file__).with_name("slow.txt")


def main() -> None:
    """Reads a report and writes the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", help="what pytest wrote with --junitxml")
    parser.add_argument("--seconds", type=float, default=1.5, help="what a fast test takes at most")
    arguments = parser.parse_args()
    took = dict(read_report(arguments.report))
    slow = sorted(set(took) - set(keep_fast(took, arguments.seconds)))
    FILE.write_text("".join(f"{test}\n" for test in slow), "utf-8")
    share = sum(took[test] for test in slow) / sum(took.values())
    print(f"{len(slow)} of {len(took)} tests took {share:.0%} of the time.")


def keep_fast(took: dict[str, float], most: float) -> Iterator[str]:
    """Yields the tests that take at most so many seconds; of a property of conformance the fastest may take more."""
    fastest: dict[str, str] = {}
    for test in sorted(took, key=took.__getitem__):
        first = fastest.setdefault(test.partition("[")[0], test)
        is_property = test == first and test.startswith("tests/conformance/")
        if took[test] <= (5 * most if is_property else most):
            yield test


def read_report(report: str) -> Iterator[tuple[str, float]]:
    """Yields the name of each test, as pytest takes it, and its seconds."""
    for case in ElementTree.parse(report).iter("testcase"):
        file = case.attrib["classname"].replace(".", "/")
        yield f"{file}.py::{case.attrib['name']}", float(case.attrib["time"])


def read_slow() -> set[str]:
    """Returns the names of the tests that take long."""
    return set(FILE.read_text("utf-8").splitlines())


if __name__ == "__main__":
    main()
