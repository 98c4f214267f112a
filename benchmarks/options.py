"""Options that benchmarks have in common."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def add_contest_options(parser: argparse.ArgumentParser, networks: Iterable[str]) -> None:
    """Adds which networks run, calibrated to which rates, on which batches, and how often."""
    names = list(networks)
    own = "each network's own if not given"
    parser.add_argument("--rounds", type=int, default=25, help="rounds that count")
    parser.add_argument("--networks", nargs="+", choices=names, default=names, help="what to measure")
    parser.add_argument("--rates", type=float, nargs="+", help=f"shares of gates that open; {own}")
    parser.add_argument("--batches", type=int, nargs="+", help=f"images per batch; {own}")


def read_results(about: str | None, results: str, output: str) -> tuple[Any, str]:
    """Parses the command line of a program that draws what a benchmark measured.

    Args:
        about: What the program's help says.
        results: File of the results, where the command line names no other.
        output: File to draw, likewise.

    Returns:
        Pair of the results and the file to draw.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", default=results)
    parser.add_argument("--output", default=output)
    arguments = parser.parse_args()
    return json.loads(Path(arguments.results).read_text("utf-8")), arguments.output
