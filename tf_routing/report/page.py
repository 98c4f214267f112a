"""Writes the report of a finished run as one page of HTML."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from tf_routing import __version__, data
from tf_routing.report.answers_section import collect_data, write_confusion, write_gallery
from tf_routing.report.beside import read_beside
from tf_routing.report.cost_section import Point, write_cost
from tf_routing.report.markup import escape
from tf_routing.report.measurement import Measurement, measure, time_network
from tf_routing.report.pictures import collect_gallery
from tf_routing.report.routing_section import write_classes, write_rates
from tf_routing.report.run_folder import RunFolder, read_run
from tf_routing.report.training_section import write_curves, write_summary
from tf_routing.runs.run_record import choose_dataset
from tf_routing.runs.trained_network import as_trained, load_trained
from tf_routing.support.files import whole_file
from tf_routing.support.package_files import read_package_file
from tf_routing.support.validation import not_negative_integer, positive_integer

_LINKS = {
    "summary": "In short",
    "training": "Training",
    "cost": "Accuracy and cost",
    "rates": "Routing",
    "classes": "Classes",
    "images": "Images",
    "confusion": "Confusion",
}


def write_report(
    run: str,
    output: Path,
    data_dir: str | None = None,
    *,
    batch_size: int = 256,
    rounds: int = 0,
    beside: Sequence[str] = (),
) -> Measurement:
    """Writes the report of a finished run: one page that needs nothing beside it, nor a network.

    Args:
        run: Folder of the run.
        output: The page, an `.html` file.
        data_dir: Folder of TensorFlow Datasets.
        batch_size: Integer, images per forward pass.
        rounds: Integer, timed calls of the network; 0 shows times where the run's `evaluation.json` holds some.
        beside: Folders of other runs, or of folders of these, to stand beside it in accuracy and cost.

    Returns:
        What was measured.

    Raises:
        FileNotFoundError: If there is no run, or its dataset is not prepared.
        ValueError: If an argument is wrong, or the run has not finished.
    """
    positive_integer("batch_size", batch_size)
    not_negative_integer("rounds", rounds)
    folder = read_run(run)
    points = read_beside(beside, folder)
    model, record = load_trained(run)
    dataset = as_trained(data.load(choose_dataset(None, record), data_dir), model, record)
    dataset.check_labels()
    measured = measure(model, dataset, batch_size)
    timed = time_network(measured, record, rounds) if rounds else folder.evaluation or {}
    page = fill_page(folder, measured, points, timed)
    with whole_file(output) as temporary:
        temporary.write_text(page, "utf-8")
    return measured


def fill_page(folder: RunFolder, measured: Measurement, beside: Sequence[Point], timed: Mapping[str, Any]) -> str:
    """Returns the page.

    Args:
        folder: The run.
        measured: What its network did with the test images.
        beside: Other networks to compare with.
        timed: `times` and the `hardware` they hold for, as `evaluate` returns them; empty where there are none.
    """
    gallery = collect_gallery(measured)
    parts = [
        write_summary(folder, measured),
        write_curves(folder.log),
        write_cost(folder, measured, beside, timed),
        write_rates(measured),
        write_classes(measured),
        write_gallery(measured, gallery),
        write_confusion(measured),
    ]
    name = folder.record["arguments"].get("model", measured.model.name)
    links = "".join(f'<li><a href="#{target}">{words}</a></li>' for target, words in _LINKS.items())
    texts = {kind: read_package_file("tf_routing.report", f"page.{kind}") for kind in ("html", "css", "js")}
    return Template(texts["html"]).substitute(
        title=escape(f"{name} on {measured.dataset.name}"),
        style=texts["css"],
        script=texts["js"],
        links=links,
        sections="\n".join(parts),
        data=collect_data(measured, gallery),
        version=escape(__version__),
        folder=escape(folder.path.resolve().name),
    )
