"""A model card as plain text."""

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

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
        f"Paper: {'; '.join(papers)}" if papers else "",
        f"Recipe: {card.recipe or 'none yet'}. Weights: {', '.join(card.weights) or 'none'}.",
        "Reported:" if card.reported else "",
        *(f"- {_reported(row, of_paper=len(papers) > 1)}" for row in card.reported),
        "Measured here:" if card.measured else "Measured here: nothing yet.",
        *(f"- {_measured(run)}" for run in card.measured),
        *(f"Note: {note}" for note in dict.fromkeys(row.note for row in card.reported) if note),
    ]
    return "\n".join(_wrapped(line) for line in lines if line)


def _wrapped(line: str) -> str:
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(line, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _reported(row: "ReportedRow", of_paper: bool) -> str:
    place = f"{row.table} of {row.paper}" if of_paper else row.table
    macs = "" if row.macs is None else f", {row.macs:,} MACs per image"
    errors = "".join(f", error {error}% on {data}" for data, error in row.error_percent.items())
    size = "x".join(map(str, row.input_shape))
    return (
        f"{place}, {_listed(row.arguments) or 'default arguments'} ({row.classes} classes at {size}): "
        f"{row.trainable_parameters:,} parameters{macs}{errors}"
    )


def _measured(run: dict[str, Any]) -> str:
    arguments = _listed(run["model_arguments"])
    return (
        f"{run['dataset']}, {arguments}: accuracy {run['accuracy']:.4f} after {run['epochs']} epochs of "
        f"{run['recipe']}, seed {run['seed']}"
    )


def _listed(arguments: dict[str, Any]) -> str:
    parts: Iterator[str] = (f"{name}={value}" for name, value in arguments.items())
    return ", ".join(parts)
