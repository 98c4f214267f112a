"""Options that benchmarks have in common."""

import argparse
from collections.abc import Iterable


def add_contest_options(parser: argparse.ArgumentParser, networks: Iterable[str]) -> None:
    """Adds which networks run, calibrated to which rates, on which batches, and how often."""
    names = list(networks)
    own = "each network's own if not given"
    parser.add_argument("--rounds", type=int, default=25, help="rounds that count")
    parser.add_argument("--networks", nargs="+", choices=names, default=names, help="what to measure")
    parser.add_argument("--rates", type=float, nargs="+", help=f"shares of gates that open; {own}")
    parser.add_argument("--batches", type=int, nargs="+", help=f"images per batch; {own}")
