"""`tf-routing campaign`: trains what a campaign lacks, one network at a time, or shows how far it is."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from tf_routing.cli.options import add_data_dir_option
from tf_routing.cli.quiet_start import start_quietly
from tf_routing.data import datasets
from tf_routing.runs.finished_runs import mean_executed_macs
from tf_routing.runs.seeds import mean_minutes, summarize
from tf_routing.support.terminal import show
from tf_routing.train.campaigns.campaign import missing_trainings, train_missing
from tf_routing.train.campaigns.campaign_file import PLACES, Campaign, Training, load_campaign
from tf_routing.train.campaigns.campaign_results import check_results, is_result_of, read_results, results_file

# Nothing was left to train: a loop over `--next` ends.
_NOTHING_LEFT = 3

# Where `--checkpoint_every` is not given. A GPU is through with an epoch of small images in seconds.
_CHECKPOINT_EVERY = {"cpu": 100, "gpu": 0}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the campaign's file, what to do with it, and where."""
    parser.add_argument("file", help="the campaign, a .toml file; results are written beside it, to a .json file")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--status", action="store_true", help="only show what is trained and what is missing")
    about = "train one network that is missing, or continue it; exit status 3 if there is none; without it train all"
    action.add_argument("--next", action="store_true", help=about)
    parser.add_argument("--where", default="cpu", choices=PLACES, help="only trainings that may run there")
    parser.add_argument("--output", help="folder of the runs; runs/ and the campaign's name where not given")
    add_data_dir_option(parser)
    about = "steps between checkpoints within an epoch; 0, the default of --where gpu, for none but at its end"
    parser.add_argument("--checkpoint_every", metavar="STEPS", type=int, help=f"{about}; 100 on a CPU")
    about = "the same bits every time, on one machine, also where a training was stopped and goes on"
    parser.add_argument("--deterministic", action="store_true", help=about)


def run(arguments: argparse.Namespace) -> int:
    """Shows the campaign, or trains what it lacks."""
    campaign = load_campaign(arguments.file)
    file, output = results_file(arguments.file), Path(arguments.output or f"runs/{Path(arguments.file).stem}")
    rows = read_results(file)
    check_results(file, rows, campaign.trainings)
    if arguments.status:
        start_quietly()
        show(_status_table(campaign, rows, output))
        return 0
    missing = missing_trainings(campaign, rows, arguments.where)
    if not missing:
        print(f"Nothing is missing in {arguments.file} for where={arguments.where}.")
        return _NOTHING_LEFT if arguments.next else 0
    for name in {training.dataset for training in missing}:
        datasets.check(name, arguments.data_dir)
    start_quietly(onednn="1")
    chosen = missing[: 1 if arguments.next else None]
    every = arguments.checkpoint_every
    if every is None:
        every = _CHECKPOINT_EVERY[arguments.where]
    options = {"checkpoint_every": every, "deterministic": arguments.deterministic}
    train_missing(chosen, file, output, arguments.data_dir, **options)
    return 0


def _status_table(campaign: Campaign, rows: Sequence[dict[str, Any]], output: Path) -> Table:
    table = Table(title=campaign.title)
    for heading in (
        "comparison",
        "network",
        "seeds",
        "accuracy",
        "deviation",
        "best",
        "million MACs",
        "processor minutes",
        "now",
    ):
        table.add_column(heading)
    networks: dict[tuple[str, str], list[Training]] = {}
    for training in campaign.trainings:
        networks.setdefault((training.comparison, training.label), []).append(training)
    for (comparison, label), trainings in networks.items():
        found = [row for row in rows if any(is_result_of(row, training) for training in trainings)]
        seeds = f"{len(found)} of {len(trainings)}"
        table.add_row(comparison, label, seeds, *_format_results(found), _format_progress(trainings, found, output))
    return table


def _format_results(rows: Sequence[dict[str, Any]]) -> list[str]:
    if not rows:
        return ["-"] * 5
    accuracies = summarize(rows)
    spread = "-" if accuracies.deviation is None else f"{accuracies.deviation:.4f}"
    macs = sum(mean_executed_macs(row["final"]) for row in rows) / len(rows) / 1e6
    return [f"{accuracies.mean:.4f}", spread, f"{accuracies.best:.4f}", f"{macs:,.4g}", f"{mean_minutes(rows):.1f}"]


def _format_progress(trainings: Sequence[Training], found: Sequence[dict[str, Any]], output: Path) -> str:
    """Returns how far the first unfinished run is that has begun."""
    from tf_routing.train.checkpoint import saved_so_far

    for training in trainings:
        folder = output / training.folder / "checkpoints"
        if folder.is_dir() and not any(is_result_of(row, training) for row in found):
            return f"seed {training.seed} at step {saved_so_far(folder).step}"
    return ""
