"""`tf-routing launch`: starts several workers on this machine, to try out what runs on a cluster."""

import argparse
import sys

from tf_routing.train.distribution.launch import launch


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds how many workers run which command."""
    parser.add_argument("--workers", metavar="N", type=int, default=2, help="how many workers")
    about = "seconds that the others get to stop by themselves when one failed"
    parser.add_argument("--patience", metavar="SECONDS", type=float, default=60.0, help=about)
    about = "command of tf-routing with its options, behind --"
    parser.add_argument("words", nargs="+", metavar="COMMAND", help=about)
    # Made up by argparse, it would lack the two hyphens.
    parser.usage = f"{parser.prog} [-h] [--workers N] [--patience SECONDS] -- COMMAND [OPTION ...]"


def run(arguments: argparse.Namespace) -> int:
    """Starts the workers, waits for them, and returns the exit status of the first that failed."""
    return launch([sys.executable, "-m", "tf_routing", *arguments.words], arguments.workers, arguments.patience)
