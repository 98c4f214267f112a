"""`tf-routing cascade`: makes one network of several trained ones, which asks the cheapest first."""

import argparse
from pathlib import Path
from typing import Any

from tf_routing.cli.quiet_start import start_quietly
from tf_routing.runs.run_record import check_folder, find_record, run_dataset
from tf_routing.runs.trained_file import trained_file, write_trained
from tf_routing.support.files import write_json


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the networks, when an image leaves, and where to write."""
    parser.add_argument("networks", nargs="+", help="folders of runs, or .keras files, the cheapest network first")
    about = "probability of the most probable class with which an image leaves, until `tf-routing calibrate` finds some"
    parser.add_argument("--confidence", type=float, default=0.9, metavar="PROBABILITY", help=about)
    parser.add_argument("--output", required=True, help="folder to write into")


def run(arguments: argparse.Namespace) -> None:
    """Writes the cascade like a run that has finished, so that all commands for runs take it."""
    files = [trained_file(path) for path in arguments.networks]
    output = Path(arguments.output)
    check_folder(output)
    _check_record(output)
    start_quietly(onednn="1")
    from tf_routing.runs.trained_network import load_trained
    from tf_routing.transforms.routing.cascades import cascade

    loaded = [load_trained(path) for path in arguments.networks]
    model = cascade([network for network, _ in loaded], arguments.confidence, name="cascade")
    record = describe(arguments.confidence, files, [each for _, each in loaded])
    output.mkdir(parents=True, exist_ok=True)
    write_trained(model, output)
    write_json(
        output / "run.json", {**record, "final": {"macs": model.static_cost, "parameters": model.count_params()}}
    )
    print(
        f"Wrote {output}: `tf-routing calibrate {output}` finds thresholds for budgets, `tf-routing export {output}` "
        "writes a SavedModel that skips."
    )


def _check_record(output: Path) -> None:
    """Raises a `ValueError` if the folder holds another run than a cascade, which is made again in no time."""
    record = find_record(output)
    if record is not None and "networks" not in record.get("arguments", {}):
        raise ValueError(f"{output} holds a trained run, which this would overwrite: choose another --output.")


def describe(confidence: float, files: list[Path], records: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the record of a cascade: what its networks have in common, and the record of each.

    Args:
        confidence: Float, with which images leave.
        files: The files of the networks.
        records: The records of their runs, empty dicts where there are none.

    Raises:
        ValueError: If the networks were trained on different datasets or classes.
    """
    common: dict[str, Any] = {}
    for key, values in {
        "dataset": [run_dataset(each) for each in records],
        "class_names": [each.get("class_names") for each in records],
        "framing": [each.get("framing") for each in records],
    }.items():
        known = [each for each in values if each is not None]
        if any(each != known[0] for each in known):
            raise ValueError(f"`networks` must be of one {key.replace('_', ' ')}. Received: {known}")
        common[key] = known[0] if known else None
    shares = {each.get("arguments", {}).get("calibration_share") for each in records}
    # Images that one of them was trained on would be taken for unseen.
    share = shares.pop() if len(shares) == 1 else None
    arguments = {
        "dataset": common.pop("dataset"),
        "model_arguments": {"confidence": confidence},
        "networks": [
            {"file": str(file), **record.get("arguments", {})} for file, record in zip(files, records, strict=True)
        ],
        **({} if share is None else {"calibration_share": share}),
    }
    return {"arguments": arguments, **{key: value for key, value in common.items() if value is not None}}
