"""The options that say on how many devices a network trains."""

import argparse

STRATEGIES = ("auto", "one", "mirrored", "multiworker", "tpu")


def add_strategy_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--strategy`, `--devices` and `--tpu`."""
    about = (
        "auto: all GPUs, or with TF_CONFIG all workers; one: one device; mirrored: several of this host; "
        "multiworker: several hosts, named by TF_CONFIG; tpu: the one that --tpu names"
    )
    parser.add_argument("--strategy", default="auto", choices=STRATEGIES, help=about)
    about = "of --strategy mirrored; where there are not so many GPUs, parts of the CPU stand in; all where not given"
    parser.add_argument("--devices", type=int, help=about)
    parser.add_argument("--tpu", metavar="NAME", help="of --strategy tpu; 'local' on a TPU's own host")
