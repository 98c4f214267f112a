"""Lists the tests that take long, which `make test` leaves to `make slow`, from what a whole run took.

    .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --junitxml report.xml
    .venv/bin/python -m tests.list_slow report.xml

The fast ones of one property or file stay in `make test`; continuous integration runs both.
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
    slow = sorted(test for test, seconds in took.items() if seconds > arguments.seconds)
    FILE.write_text("".join(f"{test}\n" for test in slow), "utf-8")
    share = sum(took[test] for test in slow) / sum(took.values())
    print(f"{len(slow)} of {len(took)} tests took {share:.0%} of the time.")


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
