"""A model card as a page of plain text."""

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tf_routing.zoo.card_fields import BUDGET_COLUMNS, budget_cells, write_arguments, write_printed_cost, write_size
from tf_routing.zoo.papers import find_paper, write_reference

if TYPE_CHECKING:
    from tf_routing.zoo.cards import ModelCard, ReportedRow

_WIDTH = 100


def card_text(card: "ModelCard") -> str:
    """Returns a card as a page: what it is, what the papers report, what was measured here.

    Example:

    >>> from tf_routing import zoo
    >>> print(card_text(zoo.card("basecnn")).splitlines()[0])
    basecnn, of the family multipath
    """
    papers = dict.fromkeys(row.paper for row in card.reported)
    lines = [
        f"{card.name}, of the family {card.family}",
        *(f"Paper: {write_reference(find_paper(title))}" for title in papers),
        f"Recipe: {card.recipe or 'none yet'}. Weights: {', '.join(card.weights) or 'none'}.",
        "Reported:" if card.reported else "",
        *(f"- {_write_reported(row, of_paper=len(papers) > 1)}" for row in card.reported),
        "Measured here:" if card.measured else "Measured here: nothing yet.",
        *(f"- {_write_measured(run)}" for run in card.measured),
        *(f"- {line}" for run in card.budgets for line in _write_budgets(run)),
        *(f"Note: {note}" for note in dict.fromkeys(row.note for row in card.reported) if note),
    ]
    return "\n".join(_wrap(line) for line in lines if line)


def _wrap(line: str) -> str:
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(line, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _write_reported(row: "ReportedRow", of_paper: bool) -> str:
    place = f"{row.table} of {row.paper}" if of_paper else row.table
    macs = "" if row.macs is None else f", {row.macs:,} MACs per image"
    errors = "".join(f", error {error}% on {data}" for data, error in row.error_percent.items())
    arguments = write_arguments(row.arguments) or "default arguments"
    printed = write_printed_cost(row)
    cost = f"; the paper prints {printed}" if printed else ""
    return (
        f"{place}, {arguments} ({row.classes} classes at {write_size(row.input_shape)}): "
        f"{row.trainable_parameters:,} parameters{macs}{errors}{cost}"
    )


def _write_budgets(run: dict[str, Any]) -> Iterator[str]:
    for row in run["budgets"]:
        cells = dict(zip(BUDGET_COLUMNS, budget_cells(row), strict=True))
        rival = f"; as accurate and static: {cells['static network as accurate']}" if row.get("static") else ""
        yield (
            f"{run['dataset']}, {run['file']}, at a budget of {cells['budget']}: {cells['executed MACs']} MACs per "
            f"image ({cells['deviation']}), accuracy {cells['accuracy']}{rival}"
        )


def _write_measured(run: dict[str, Any]) -> str:
    arguments = write_arguments(run["model_arguments"])
    return (
        f"{run['dataset']}, {arguments}: accuracy {run['accuracy']:.4f} after {run['epochs']} epochs of "
        f"{run['recipe']}, seed {run['seed']}"
    )
