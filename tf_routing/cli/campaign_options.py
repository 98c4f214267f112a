"""The options of `tf-routing campaign`."""

import argparse

from tf_routing.train.campaigns.campaign_file import PLACES


def add_campaign_options(parser: argparse.ArgumentParser) -> None:
    """Adds the campaign's file, what to do with it, and where."""
    parser.add_argument("file", help="the campaign, a .toml file; results are written beside it, to a .json file")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="only show what is trained and what is missing")
    about = "train one network that is missing, or continue it; without it all, one after the other"
    what.add_argument("--next", action="store_true", help=about)
    parser.add_argument("--where", default="cpu", choices=PLACES, help="only trainings that may run there")
    parser.add_argument("--output", help="folder of the runs; runs/ and the campaign's name where not given")
    parser.add_argument("--data_dir", help="folder of TensorFlow Datasets; TFDS_DATA_DIR where not given")
    about = "steps between checkpoints within an epoch; 0 for none but at its end"
    parser.add_argument("--checkpoint_every", metavar="STEPS", type=int, default=100, help=about)
