"""`tf-routing predict`: classifies pictures with a trained network, a SavedModel or an ONNX file."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tf_routing.cli.budget_option import add_budget_option
from tf_routing.cli.quiet_start import start_quietly
from tf_routing.support.terminal import show
from tf_routing.support.validation import first_few, positive_integer

if TYPE_CHECKING:
    from tf_routing.prediction import Classifier, PictureAnswer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the network, the pictures, and what to tell of them."""
    parser.add_argument("network", help="folder of a run, a .keras file, a SavedModel of ours, or an .onnx file")
    parser.add_argument("pictures", nargs="+", help="files, and folders of which all pictures count")
    about = "file to write, .csv or .json; where not given, a line per picture is printed"
    parser.add_argument("--output", metavar="FILE", help=about)
    parser.add_argument("--top_k", type=int, default=1, help="most probable classes to tell")
    parser.add_argument("--batch_size", type=int, default=32, help="pictures per forward pass")
    add_budget_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Classifies all pictures; returns 1 if none could be read. Damaged ones are told at the end, and stop nothing."""
    top_k = positive_integer("top_k", arguments.top_k)
    batch_size = positive_integer("batch_size", arguments.batch_size)
    if arguments.output is not None:
        from tf_routing.prediction.answer_files import check_kind

        check_kind(arguments.output)
    from tf_routing.prediction.picture_search import find_pictures

    pictures, passed_over = find_pictures(arguments.pictures)
    start_quietly()
    from rich.progress import track

    from tf_routing.prediction import load_classifier, predict_pictures

    classifier = load_classifier(arguments.network, arguments.budget)
    damaged: dict[str, str] = {}
    macs: list[int] = []
    with _writer(arguments.output, classifier, top_k) as write:
        answers = predict_pictures(classifier, pictures, batch_size)
        # Printed lines and a bar would write over each other.
        bar = track(answers, "Pictures", total=len(pictures), transient=True, disable=arguments.output is None)
        for answer in bar:
            write(answer)
            if answer.error:
                damaged[answer.path] = answer.error
            elif answer.macs is not None:
                macs.append(answer.macs)
    _tell(arguments.output, len(pictures), damaged, macs, passed_over)
    return int(len(damaged) == len(pictures))


@contextmanager
def _writer(output: str | None, classifier: "Classifier", top_k: int) -> Iterator[Callable[["PictureAnswer"], None]]:
    from tf_routing.prediction.answer_files import answer_file, list_classes, write_route

    if output is not None:
        with answer_file(output, classifier.class_names, top_k) as write:
            yield write
        return

    def print_line(answer: "PictureAnswer") -> None:
        """Prints an answer; what is wrong with damaged pictures comes at the end."""
        if not answer.error:
            classes = list_classes(answer, classifier.class_names, top_k)
            told = ", ".join(f"{name} {share:.3f}" for name, share in classes)
            route = write_route(answer)
            cost = "" if answer.macs is None else f"; {answer.macs:,} MACs"
            show(f"{answer.path}: {told}{cost}{f', route {route}' if route else ''}")

    yield print_line


def _tell(output: str | None, count: int, damaged: dict[str, str], macs: list[int], passed_over: str) -> None:
    """Prints what was written, what it cost, and which pictures could not be read."""
    if output is not None:
        cost = f", {sum(macs) / len(macs):,.0f} MACs each on average" if macs else ""
        show(f"Wrote {count - len(damaged):,} answers to {output}{cost}. {passed_over}".strip())
    if damaged:
        first = next(iter(damaged.values()))
        listed = f", all listed in {output}" if output is not None else ""
        show(f"Not read, {len(damaged):,} of {count:,}{listed}: {first_few(list(damaged))}. Of the first: {first}")
