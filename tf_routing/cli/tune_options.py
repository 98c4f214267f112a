"""The options of `tf-routing tune` beside those of training."""

import argparse

TUNERS = ("random", "hyperband", "bayesian")


def add_tune_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--tuner`, `--trials`, `--validation_share` and `--goal`."""
    about = "random: drawn evenly; bayesian: where a Gaussian process expects most; hyperband: many for a few epochs, "
    parser.add_argument("--tuner", default="random", choices=TUNERS, help=about + "the best of them for more")
    about = "number of trials; with more of them the same command continues. hyperband may need fewer"
    parser.add_argument("--trials", type=int, default=20, help=about)
    about = "share of the training images that trials are measured on; test images are never looked at"
    parser.add_argument("--validation_share", type=float, default=0.2, help=about)
    about = "what trials are compared by, a number of the log: the highest val_accuracy, or the lowest of any other"
    parser.add_argument("--goal", default="val_accuracy", help=about)
