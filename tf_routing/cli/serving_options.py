"""The options of `tf-routing export` that concern TensorFlow Serving; imports neither Keras nor TensorFlow."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_routing.models import RoutedModel


def add_serving_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--serving`, `--name` and `--keep`.

    Args:
        parser: The parser of a command that has `--version` already, `None` where it is not given.
    """
    group = parser.add_argument_group("TensorFlow Serving")
    group.add_argument("--serving", metavar="DIR", help="publish DIR/NAME/VERSION and what the server needs beside it")
    group.add_argument("--name", help="name on the server; the model's where not given")
    group.add_argument("--keep", type=int, metavar="COUNT", help="highest versions to keep; all where not given")


def check_serving_options(arguments: argparse.Namespace) -> None:
    """Raises a `ValueError` for options that say how to publish where nothing is published."""
    for key in ("name", "keep"):
        value = getattr(arguments, key)
        if value is not None and arguments.serving is None:
            raise ValueError(f"`--{key}` is there for --serving only. Received: {key}={value!r}")


def check_parsed(arguments: argparse.Namespace, model: "RoutedModel") -> None:
    """Raises what publishing a model would, before the work; does nothing without `--serving`.

    Args:
        arguments: Parsed options.
        model: The model.
    """
    if arguments.serving is not None:
        from tf_routing.serving.publishing import check_publication

        check_publication(arguments.serving, _name(arguments, model), arguments.version, arguments.keep)


def publish_parsed(
    arguments: argparse.Namespace, model: "RoutedModel", exported: Path | None = None, **export_arguments: Any
) -> None:
    """Publishes a model as the options say and prints where it is; does nothing without `--serving`.

    Args:
        arguments: Parsed options.
        model: The model.
        exported: Folder of its export, which is copied; where not given, the model is exported.
        **export_arguments: Those of `tf_routing.export` but `version`.

    Raises:
        ValueError: If `--name` or `--keep` are given without `--serving`.
    """
    check_serving_options(arguments)
    if arguments.serving is None:
        return
    from tf_routing.serving.publishing import publish, publish_folder

    how = {"name": _name(arguments, model), "version": arguments.version, "keep": arguments.keep}
    if exported is None:
        placed = publish(model, arguments.serving, **how, **export_arguments)
    else:
        placed = publish_folder(exported, arguments.serving, **how)
    print(f"Published {placed}, listed in {arguments.serving}/models.config.")


def _name(arguments: argparse.Namespace, model: "RoutedModel") -> str:
    return model.name if arguments.name is None else arguments.name
