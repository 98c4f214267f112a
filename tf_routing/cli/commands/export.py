"""`tf-routing export`: writes a trained network as a SavedModel, an archive, an ONNX file or a server's version."""

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_routing.cli.budget_option import add_budget_option
from tf_routing.cli.quiet_start import start_quietly
from tf_routing.exporting.archives import check_name
from tf_routing.runs.trained_file import trained_file
from tf_routing.support.validation import positive_number

if TYPE_CHECKING:
    from tf_routing.models import RoutedModel

# Those of `execution.EXECUTIONS`, which comes with Keras: help is to be fast.
_EXECUTIONS = ("auto", "masked", "sparse")
# What ONNX files are told too.
_OF_ONNX = ("fold_batch_norm", "class_names", "crop", "resize")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the network, what to write, and what exports hold."""
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
    add_budget_option(parser)
    parser.add_argument("--license", metavar="FILE", help="licence of the weights; this library's where not given")
    _add_serving_options(parser)
    parser.add_argument("--onnx", metavar="FILE", help="write an ONNX file, which skips where the network can")
    about = "what the ONNX file does: auto skips where the network can, sparse refuses one that cannot, masked runs all"
    parser.add_argument("--execution", choices=_EXECUTIONS, help=about)
    about = "write the ONNX file without subgraphs for what comes after an exit: for quantisation by ONNX Runtime"
    parser.add_argument("--no_subgraphs", action="store_true", default=None, help=about)
    about = "largest difference of a probability between the ONNX file and the network; by its dtype where not given"
    parser.add_argument("--tolerance", type=float, help=about)


def _add_serving_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("TensorFlow Serving")
    group.add_argument("--serving", metavar="DIR", help="publish DIR/NAME/VERSION and what the server needs beside it")
    group.add_argument("--name", help="name on the server; the model's where not given")
    group.add_argument("--keep", type=int, metavar="COUNT", help="highest versions to keep; all where not given")


def run(arguments: argparse.Namespace) -> None:
    """Exports a trained network and prints the SavedModel's signatures."""
    trained_file(arguments.path)
    check_options(arguments)
    start_quietly()

    from tf_routing.runs.trained_network import load_trained

    model, record = load_trained(arguments.path)
    if arguments.budget is not None:
        model.set_budget(arguments.budget)
    _check_publication(arguments, model)
    options = _export_options(arguments, record, model)
    if arguments.output or arguments.archive:
        _write_saved_model(arguments, model, options)
    else:
        publish(arguments, model, **options)
    write_onnx(arguments, model, **{name: options[name] for name in _OF_ONNX})


def check_options(arguments: argparse.Namespace) -> None:
    """Raises a `ValueError` where options contradict each other, or there is nothing to write."""
    _check_needs(arguments, "serving", ("name", "keep"))
    if arguments.tolerance is not None:
        positive_number("tolerance", arguments.tolerance)
    _check_needs(arguments, "onnx", ("tolerance", "execution", "no_subgraphs"))
    if not (arguments.output or arguments.archive or arguments.serving or arguments.onnx):
        raise ValueError("Give --output, --archive, --serving or --onnx: there is nothing to write to.")
    if arguments.archive:
        check_name(arguments.archive)
    if None not in (arguments.crop, arguments.resize):
        raise ValueError(
            "`crop` or `resize` must be left out: either a share of pictures is seen, or they are brought to a size of "
            f"which the centre is. Received: crop={arguments.crop}, resize={arguments.resize}"
        )


def _check_needs(arguments: argparse.Namespace, needed: str, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(arguments, name)
        if value is not None and getattr(arguments, needed) is None:
            raise ValueError(f"`--{name}` is there for --{needed} only. Received: {name}={value!r}")


def _check_publication(arguments: argparse.Namespace, model: "RoutedModel") -> None:
    """Raises what publishing the model would, before the work."""
    if arguments.serving is not None:
        from tf_routing.serving.publishing import check_publication

        check_publication(arguments.serving, _served_name(arguments, model), arguments.version, arguments.keep)


def publish(
    arguments: argparse.Namespace, model: "RoutedModel", exported: Path | None = None, **export_arguments: Any
) -> None:
    """Publishes a model where `--serving` says, if it is given, and prints where it is.

    Args:
        arguments: Parsed options.
        model: The model.
        exported: Folder of its export, which is copied; where not given, the model is exported.
        **export_arguments: Those of `tf_routing.export` but `version`.
    """
    if arguments.serving is None:
        return
    from tf_routing.serving import publishing

    version = {"name": _served_name(arguments, model), "version": arguments.version, "keep": arguments.keep}
    if exported is None:
        published = publishing.publish(model, arguments.serving, **version, **export_arguments)
    else:
        published = publishing.publish_folder(exported, arguments.serving, **version)
    print(f"Published {published}, listed in {arguments.serving}/models.config.")


def _served_name(arguments: argparse.Namespace, model: "RoutedModel") -> str:
    return model.name if arguments.name is None else arguments.name


def write_onnx(arguments: argparse.Namespace, model: "RoutedModel", **export_arguments: Any) -> None:
    """Writes an ONNX file where `--onnx` says, if it is given, and prints where it is.

    Args:
        arguments: Parsed options.
        model: The model.
        **export_arguments: Those of `onnx.export_onnx` but `tolerance`, `execution` and `subgraphs`.
    """
    if arguments.onnx is None:
        return
    from tf_routing.exporting.onnx import export_onnx, skips

    execution = arguments.execution or "auto"
    options = {"execution": execution, "subgraphs": not arguments.no_subgraphs, "tolerance": arguments.tolerance}
    export_onnx(model, arguments.onnx, **options, **export_arguments)
    done = "skips what images do not choose" if skips(model, execution) else "runs every branch"
    print(f"Wrote {arguments.onnx}, which {done}.")


def _write_saved_model(arguments: argparse.Namespace, model: "RoutedModel", options: dict[str, Any]) -> None:
    from tf_routing.exporting import saved_model
    from tf_routing.exporting.archives import pack

    version = {} if arguments.version is None else {"version": arguments.version}
    with _export_folder(arguments.output) as folder:
        saved_model.export(model, folder, **options, **version)
        if arguments.archive:
            pack(folder, arguments.archive)
        written = " and ".join(filter(None, [arguments.output, arguments.archive]))
        print(f"Wrote {written} with these signatures:\n{saved_model.describe(folder)}")
        # Copied: tracing and saving a second time takes as long as the first.
        publish(arguments, model, folder)


@contextlib.contextmanager
def _export_folder(output: str | None) -> Iterator[Path]:
    """Yields the folder to export to: one that vanishes where only an archive is asked for."""
    if output:
        yield Path(output)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "saved_model"


def _export_options(arguments: argparse.Namespace, record: dict[str, Any], model: "RoutedModel") -> dict[str, Any]:
    """Returns arguments of `tf_routing.export`, from the command line and from the record of the run."""
    trained = record.get("arguments", {})
    return {
        "fold_batch_norm": not arguments.no_fold_batch_norm,
        "freeze": arguments.freeze,
        **_framing(arguments, record),
        "license": arguments.license,
        "class_names": record.get("class_names"),
        # Arguments may have made another network of it, as the model's name tells.
        "architecture": trained.get("model") if trained.get("model") == model.name else None,
        "training": {**trained, **{f"final {key}": value for key, value in record.get("final", {}).items()}} or None,
    }


def _framing(arguments: argparse.Namespace, record: dict[str, Any]) -> dict[str, Any]:
    """Returns what is seen of encoded pictures: as asked for, else what evaluation sees."""
    from tf_routing.runs.trained_network import run_framing

    if arguments.crop is None and arguments.resize is None:
        return run_framing(record)
    return {"crop": 1.0 if arguments.crop is None else arguments.crop, "resize": arguments.resize}
