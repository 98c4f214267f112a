"""`tf-routing export`: writes a SavedModel of a trained network."""

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tf_routing.cli.serving_options import add_serving_options, check_parsed, check_serving_options, publish_parsed
from tf_routing.exporting.archives import check_name
from tf_routing.exporting.onnx import add_onnx_option, check_onnx_options, export_parsed


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `tf-routing export` to its parser."""
    parser.add_argument("path", help="folder of a run, or a .keras file")
    parser.add_argument("--output", help="folder to create")
    parser.add_argument("--archive", metavar="FILE.tar.gz", help="one file in the layout of TensorFlow Hub")
    about = "positive integer, noted in the export's card; 1, or on a server the next one, where not given"
    parser.add_argument("--version", type=int, help=about)
    parser.add_argument("--freeze", action="store_true", help="write the weights into the signatures that classify")
    about = "serve batch normalisation as it is instead of folded into kernels"
    parser.add_argument("--no_fold_batch_norm", action="store_true", help=about)
    about = "share of an encoded picture's centre that is seen, its ratio kept; what evaluation sees where not given"
    parser.add_argument("--crop", type=float, help=about)
    about = (
        "height and width that encoded pictures are brought to, instead of --crop; as evaluation does where not given"
    )
    parser.add_argument("--resize", type=int, help=about)
    parser.add_argument("--license", metavar="FILE", help="licence of the weights; this library's where not given")
    add_serving_options(parser)
    add_onnx_option(parser)


def run(arguments: argparse.Namespace) -> None:
    """Exports a trained network and prints the SavedModel's signatures."""
    _check(arguments)

    from tf_routing.runs.trained_network import load_trained

    model, record = load_trained(arguments.path)
    check_parsed(arguments, model)
    options = _options(arguments, record, model)
    if arguments.output or arguments.archive:
        _write(arguments, model, options)
    else:
        publish_parsed(arguments, model, **options)
    export_parsed(arguments, model, fold_batch_norm=options["fold_batch_norm"], class_names=options["class_names"])


def _check(arguments: argparse.Namespace) -> None:
    check_serving_options(arguments)
    check_onnx_options(arguments)
    if not (arguments.output or arguments.archive or arguments.serving or arguments.onnx):
        raise ValueError("Give --output, --archive, --serving or --onnx: there is nothing to write to.")
    if arguments.archive:
        check_name(arguments.archive)
    if None not in (arguments.crop, arguments.resize):
        raise ValueError(
            "`crop` or `resize` must be left out: either a share of pictures is seen, or they are brought to a size of "
            f"which the centre is. Received: crop={arguments.crop}, resize={arguments.resize}"
        )


def _write(arguments: argparse.Namespace, model: Any, options: dict[str, Any]) -> None:
    from tf_routing.exporting import saved_model
    from tf_routing.exporting.archives import pack

    version = {} if arguments.version is None else {"version": arguments.version}
    with _folder(arguments.output) as folder:
        saved_model.export(model, folder, **options, **version)
        if arguments.archive:
            pack(folder, arguments.archive)
        written = " and ".join(filter(None, [arguments.output, arguments.archive]))
        print(f"Wrote {written} with these signatures:\n{saved_model.describe(folder)}")
        # Copied: tracing and saving a second time takes as long as the first.
        publish_parsed(arguments, model, folder)


@contextlib.contextmanager
def _folder(output: str | None) -> Iterator[Path]:
    """Yields the folder to export to: one that vanishes where only an archive is asked for."""
    if output:
        yield Path(output)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "saved_model"


def _framing(arguments: argparse.Namespace, record: dict[str, Any]) -> dict[str, Any]:
    """What is seen of encoded pictures: as asked for, else what evaluation sees."""
    from tf_routing.runs.trained_network import run_framing

    if arguments.crop is None and arguments.resize is None:
        return run_framing(record)
    return {"crop": 1.0 if arguments.crop is None else arguments.crop, "resize": arguments.resize}


def _options(arguments: argparse.Namespace, record: dict[str, Any], model: Any) -> dict[str, Any]:
    """What `tf_routing.export` is told, from the command line and from the record of the run."""
    told = record.get("arguments", {})
    return {
        "fold_batch_norm": not arguments.no_fold_batch_norm,
        "freeze": arguments.freeze,
        **_framing(arguments, record),
        "license": arguments.license,
        "class_names": record.get("class_names"),
        # Arguments may have made another network of it, as the model's name tells.
        "architecture": told.get("model") if told.get("model") == model.name else None,
        "training": {**told, **{f"final {key}": value for key, value in record.get("final", {}).items()}} or None,
    }
