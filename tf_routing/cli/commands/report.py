"""`tf-routing report`: one page of HTML that shows a finished run."""

import argparse
from pathlib import Path

from tf_routing.cli.options import add_data_dir_option
from tf_routing.cli.quiet_start import start_quietly
from tf_routing.data import datasets
from tf_routing.report.run_folder import read_run
from tf_routing.runs.run_record import choose_dataset
from tf_routing.support.terminal import show
from tf_routing.support.validation import not_negative_integer, positive_integer

_ENDINGS = (".html", ".htm")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the run, where to write, and what to measure besides."""
    parser.add_argument("path", metavar="RUN", help="folder of a finished run")
    parser.add_argument("--output", metavar="FILE", help="page to write; report.html in the run's folder if not given")
    add_data_dir_option(parser)
    parser.add_argument("--batch_size", type=int, default=256, help="images per forward pass")
    about = "timed calls; where 0, times come from evaluation.json in the run's folder, if `evaluate` wrote it"
    parser.add_argument("--rounds", type=int, default=0, help=about)
    about = "folders of runs, or of folders of these, to stand beside it in accuracy and cost"
    parser.add_argument("--beside", metavar="FOLDER", nargs="+", default=[], help=about)


def run(arguments: argparse.Namespace) -> None:
    """Measures the run on its test images, and writes its page."""
    output = Path(arguments.output or Path(arguments.path) / "report.html")
    if output.suffix.lower() not in _ENDINGS:
        raise ValueError(f"`output` must end in {' or '.join(_ENDINGS)}. Received: output={arguments.output!r}")
    positive_integer("batch_size", arguments.batch_size)
    not_negative_integer("rounds", arguments.rounds)
    folder = read_run(arguments.path)
    datasets.check(choose_dataset(None, folder.record), arguments.data_dir)
    start_quietly(onednn="1")
    from tf_routing.report.page import write_report

    measured = write_report(
        arguments.path,
        output,
        arguments.data_dir,
        batch_size=arguments.batch_size,
        rounds=arguments.rounds,
        beside=arguments.beside,
    )
    size = output.stat().st_size / 1e6
    accuracy = measured.results["accuracy"]
    show(f"Wrote {output}, {size:.2f} MB: accuracy {accuracy:.4f} on {len(measured.labels):,} test images.")
