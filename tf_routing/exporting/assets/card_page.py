"""The card of an export as a page of Markdown."""

from collections.abc import Mapping
from typing import Any

from tf_routing.core.pixel_values import UNIT
from tf_routing.models.inputs.input_range import range_in_words
from tf_routing.support.tables import markdown_table
from tf_routing.zoo.card_fields import write_arguments, write_by_data
from tf_routing.zoo.cards import ReportedRow

_USE = """\
    import tensorflow as tf
    signatures = tf.saved_model.load(FOLDER).signatures
    signatures["serving_default"](images=tf.constant(images))["probabilities"]"""
_USE_OF_PICTURES = """
    signatures["serve_encoded"](images=tf.constant([tf.io.read_file("picture.jpg")]))["probabilities"]"""


def write_page(card: Mapping[str, Any]) -> str:
    """Returns the page about the facts of `card_facts.collect_facts`."""
    parts = [
        f"# {card['name']}, version {card['version']}",
        _write_counts(card),
        "## Use",
        _USE + (_USE_OF_PICTURES if "serve_encoded" in card["signatures"] else ""),
        *_write_reported(card),
        *_write_training(card),
    ]
    parts += ["## To know", _write_notes(card)]
    return "\n\n".join(parts) + "\n"


def _write_counts(card: Mapping[str, Any]) -> str:
    rows = {
        "images": " x ".join(map(str, card["input_shape"])),
        "outputs": card["outputs"],
        "parameters": f"{card['trainable_parameters']:,} trainable, {card['total_parameters']:,} in all",
        "multiply-accumulates per image, at most": f"{card['static_macs']:,}",
        **_write_budget(card),
        "decisions": ", ".join(card["decisions"]) or "none",
        "skips what is switched off": "yes" if card["skips"] else "no",
        "signatures": ", ".join(f"`{name}`" for name in card["signatures"]),
        "made with": ", ".join(f"{name} {version}" for name, version in card["made_with"].items()),
    }
    return markdown_table(("", ""), rows.items()).rstrip()


def _write_budget(card: Mapping[str, Any]) -> dict[str, str]:
    # Cards of earlier versions do not say.
    budget = card.get("budget")
    return {} if budget is None else {"of these executed on average": f"about {budget:.4g}, the budget that was set"}


def _write_reported(card: Mapping[str, Any]) -> list[str]:
    if not card["architecture"]:
        return []
    rows = [ReportedRow(**row) for row in card["architecture"]["reported"]]
    cells = [(row.paper, row.table, write_by_data(row.error_percent), _write_note(row)) for row in rows]
    about = f"`{card['architecture']['name']}`, as papers report it. These numbers are theirs, not this export's."
    return ["## The architecture", about, markdown_table(("paper", "table", "error, %", "note"), cells).rstrip()]


def _write_note(row: ReportedRow) -> str:
    needed = [f"trained with {argument}=..., {held}" for argument, held in (row.needs or {}).items()]
    return "; ".join(filter(None, [row.note, *needed]))


def _write_training(card: Mapping[str, Any]) -> list[str]:
    if not card["training"]:
        return ["## Training", "Nothing is recorded about how these weights were trained."]
    rows = [(key, _write_setting(value)) for key, value in card["training"].items()]
    return ["## Training", markdown_table(("", ""), rows).rstrip()]


def _write_setting(value: Any) -> str:
    """Returns a recipe by its name, and other groups of settings in one line; `card.json` has all of them."""
    if not isinstance(value, Mapping):
        return str(value)
    return str(value.get("name") or write_arguments(value) or "-")


def _write_notes(card: Mapping[str, Any]) -> str:
    # Cards of earlier versions do not say.
    taken = card.get("input_range", UNIT)
    notes = [
        f"Images are floats in {range_in_words(taken)} or bytes; what else the network does to them is inside.",
        "The callable root holds the network as it trains. Signatures "
        + ("hold weights of their own and do not follow" if card["fold_batch_norm"] or card["freeze"] else "follow")
        + " when the root is trained.",
        "Every image gets an answer, also one that shows none of the classes: probabilities say which class fits best, "
        "not whether any does.",
        "`labels.txt`, where the classes have names, lists them in the order of probabilities.",
        "`SHA256SUMS` has the checksum of every other file, `LICENSE` the licence.",
    ]
    return "\n".join(f"* {note}" for note in notes)
