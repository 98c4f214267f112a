"""The model card of an export: the network, its preprocessing and signatures, and what its paper reports."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

import tf_routing
from tf_routing import zoo
from tf_routing.execution import gated_blocks
from tf_routing.models.inputs.batches import image_input
from tf_routing.zoo.cards import ModelCard, ReportedRow

FORMAT = 1
"""Changes with the meaning of the fields of `card.json`."""


def export_card(
    model: Any, architecture: str | None, signatures: Sequence[str], training: Mapping[str, Any] | None, **settings: Any
) -> dict[str, Any]:
    """Returns what is known about an export, ready for JSON.

    Args:
        model: The `RoutedModel`.
        architecture: Its name in the zoo, or `None`.
        signatures: Names of the export's signatures.
        training: How it was trained, or `None`.
        **settings: The export's version, and how it was made.
    """
    known = zoo.card(architecture) if architecture else None
    return {
        "format": FORMAT,
        "name": model.name,
        **settings,
        "input_shape": list(image_input(model).shape[1:]),
        "outputs": model.output_shape[-1],
        "trainable_parameters": sum(weight.shape.num_elements() for weight in model.trainable_weights),
        "total_parameters": model.count_params(),
        "static_macs": model.static_cost,
        "decisions": model.decision_names,
        "skips": bool(gated_blocks(model)) and model.execution != "masked",
        "signatures": list(signatures),
        "training": dict(training) if training else None,
        "architecture": _as_dict(known) if known else None,
        "made_with": {"tf_routing": tf_routing.__version__, "keras": keras.__version__, "tensorflow": _tensorflow()},
    }


def _tensorflow() -> str:
    import tensorflow as tf

    return tf.__version__


def _as_dict(card: ModelCard) -> dict[str, Any]:
    return {**card._asdict(), "reported": [row._asdict() for row in card.reported]}


def card_text(card: Mapping[str, Any]) -> str:
    """Returns a card of `export_card` as Markdown."""
    parts = [f"# {card['name']}, version {card['version']}", _counts(card), *_reported(card), *_training(card)]
    parts += ["## To know", _notes(card)]
    return "\n\n".join(parts) + "\n"


def _counts(card: Mapping[str, Any]) -> str:
    rows = {
        "images": " x ".join(map(str, card["input_shape"])),
        "outputs": card["outputs"],
        "parameters": f"{card['trainable_parameters']:,} trainable, {card['total_parameters']:,} in all",
        "multiply-accumulates per image, at most": f"{card['static_macs']:,}",
        "decisions": ", ".join(card["decisions"]) or "none",
        "skips what is switched off": "yes" if card["skips"] else "no",
        "signatures": ", ".join(f"`{name}`" for name in card["signatures"]),
        "made with": ", ".join(f"{name} {version}" for name, version in card["made_with"].items()),
    }
    return _table(("", ""), [(key, str(value)) for key, value in rows.items()])


def _reported(card: Mapping[str, Any]) -> list[str]:
    if not card["architecture"]:
        return []
    rows = [ReportedRow(**row) for row in card["architecture"]["reported"]]
    cells = [(row.paper, row.table, _errors(row), _note(row)) for row in rows]
    about = f"`{card['architecture']['name']}`, as papers report it. These numbers are theirs, not this export's."
    return ["## The architecture", about, _table(("paper", "table", "error, %", "note"), cells)]


def _errors(row: ReportedRow) -> str:
    return ", ".join(f"{data} {error}" for data, error in row.error_percent.items()) or "-"


def _note(row: ReportedRow) -> str:
    needed = [f"trained with {argument}=..., {held}" for argument, held in (row.needs or {}).items()]
    return "; ".join(filter(None, [row.note, *needed]))


def _training(card: Mapping[str, Any]) -> list[str]:
    if not card["training"]:
        return ["## Training", "Nothing is recorded about how these weights were trained."]
    return ["## Training", _table(("", ""), [(key, _told(value)) for key, value in card["training"].items()])]


def _told(value: Any) -> str:
    """A recipe by its name, other groups of settings in one line; `card.json` has all of them."""
    if not isinstance(value, Mapping):
        return str(value)
    return str(value.get("name") or ", ".join(f"{key}={each}" for key, each in value.items()) or "-")


def _notes(card: Mapping[str, Any]) -> str:
    notes = [
        "Images are floats in [0, 1] or bytes; what else the network does to them is inside.",
        "The callable root holds the network as it trains. Signatures "
        + ("hold weights of their own and do not follow" if card["fold_batch_norm"] or card["freeze"] else "follow")
        + " when the root is trained.",
        "Every image gets an answer, also one that shows none of the classes: probabilities say which class fits best, "
        "not whether any does.",
        "`SHA256SUMS` has the checksum of every other file, `LICENSE` the licence.",
    ]
    return "\n".join(f"* {note}" for note in notes)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
