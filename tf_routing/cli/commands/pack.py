"""`tf-routing pack`: writes a dataset as files that can be copied to a machine without TensorFlow."""

import argparse

from tf_routing.cli.options import add_data_dir_option
from tf_routing.cli.quiet_start import start_quietly
from tf_routing.data import datasets
from tf_routing.support.validation import positive_number

_MEGABYTE = 10**6


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds which dataset, where to, and how large a file may be."""
    parser.add_argument("dataset", help=f"a dataset in memory: {', '.join(datasets.list_datasets())}")
    parser.add_argument(
        "--output",
        required=True,
        help="folder to write; where it is called as the dataset, its parent can be --data_dir elsewhere",
    )
    about = "the most that a file holds, in millions of bytes"
    parser.add_argument("--piece_megabytes", metavar="MEGABYTES", type=float, default=60, help=about)
    add_data_dir_option(parser)


def run(arguments: argparse.Namespace) -> None:
    """Writes the folder, and prints what is in it."""
    positive_number("piece_megabytes", arguments.piece_megabytes)
    datasets.check(arguments.dataset, arguments.data_dir)
    start_quietly()
    from tf_routing import data
    from tf_routing.data.sources.packed import write_packed

    dataset = data.load(arguments.dataset, arguments.data_dir)
    files = write_packed(dataset, arguments.output, arguments.piece_megabytes)
    size = sum(file.stat().st_size for file in files) / _MEGABYTE
    print(
        f"{dataset.name}: {dataset.train.image_count} training and {dataset.test.image_count} test images, "
        f"{size:.1f} MB in {len(files)} files of {arguments.output}."
    )
