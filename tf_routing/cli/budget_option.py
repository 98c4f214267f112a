"""The option `--budget`, and words of a command line that mean a share of a network's cost."""

import argparse


def add_budget_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--budget`."""
    about = "share of the static cost to execute on average, of those `tf-routing calibrate` found thresholds for"
    parser.add_argument("--budget", metavar="SHARE", type=parse_share, help=about)


def parse_share(text: str) -> float:
    """Returns the share of the static cost that a word of a command line means.

    Example:

    >>> parse_share("0.6")
    0.6
    """
    try:
        share = float(text)
    except ValueError:
        share = float("nan")
    if not 0 < share <= 1:
        about = "must be a number above 0 and up to 1, the share of the static cost that images execute on average"
        raise argparse.ArgumentTypeError(f"{about}, received {text!r}")
    return share
