"""Releases a trained network: its weights without the optimizer's, a row of index.json, and its card.

    python saved_models/release.py runs/drn_quick --tag cifar10 --evaluated evaluated.json --note "Two epochs only."

`--evaluated` is what `tf-routing evaluate RUN --output evaluated.json` wrote; the card shows times if it measured them.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import cards

from tf_routing.runs.trained_network import load_trained
from tf_routing.support.files import whole_file, write_json
from tf_routing.support.hashes import hash_file

_RESULTS = ("accuracy", "top5_accuracy", "parameters", "macs", "executed_macs", "execution_rate", "distinct_routes")
_LICENCE = "Apache-2.0"


def main() -> None:
    """Releases what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="folder of a finished run")
    parser.add_argument("--tag", required=True, help="what `zoo.get` takes as `weights`, without '/'")
    parser.add_argument("--evaluated", help="JSON file of `tf-routing evaluate`")
    parser.add_argument("--note", action="append", default=[], help="what to know about these weights; may be repeated")
    arguments = parser.parse_args()
    model, record = load_trained(arguments.run)
    evaluated = json.loads(Path(arguments.evaluated).read_text("utf-8")) if arguments.evaluated else {}
    row = _row(arguments, model, record, evaluated)
    rows = {each["name"]: each for each in cards.rows()}
    released = rows.get(row["name"])
    if released and released["training"]["started"] == record["started"]:
        # The same weights, measured or described anew: what users hold stays what the index names.
        row |= {key: released[key] for key in ("version", "file", "bytes", "sha256")}
    else:
        row["version"] += released["version"] if released else 0
        _write_weights(arguments.run, row)
    rows[row["name"]] = row
    write_json(cards.FOLDER / "index.json", [rows[name] for name in sorted(rows)])
    cards.write_cards()


def _row(
    arguments: argparse.Namespace, model: Any, record: dict[str, Any], evaluated: dict[str, Any]
) -> dict[str, Any]:
    run, name = record["arguments"], f"{record['arguments']['model']}_{arguments.tag}"
    standardize = _standardization(model)
    results = {**record["final"], **evaluated}
    return {
        "name": name,
        "architecture": run["model"],
        "tag": arguments.tag,
        "version": 1,
        "file": f"{name}.keras",
        "licence": _LICENCE,
        "classes": model.output_shape[-1],
        "class_names": record["class_names"],
        "input_shape": list(model.input_shape[1:]),
        "arguments": {**run["model_arguments"], **({"standardize": standardize} if standardize else {})},
        "results": {key: results[key] for key in _RESULTS if key in results},
        "times": evaluated.get("times", []),
        "hardware": evaluated.get("hardware", {}),
        "training": {
            **{key: run[key] for key in ("dataset", "train_images", "test_images", "seed", "recipe")},
            "seconds": record["seconds"],
            "started": record["started"],
            "versions": record["versions"],
        },
        "notes": arguments.note,
    }


def _standardization(model: Any) -> list[list[float]] | None:
    """Means and deviations that the network takes off its images, as `zoo.get` is given them."""
    layers = [layer for layer in model.layers if layer.name == "standardize"]
    if not layers:
        return None
    config = layers[0].get_config()
    return [config["mean"], [each**0.5 for each in config["variance"]]]


def _write_weights(run: str, row: dict[str, Any]) -> None:
    import keras

    # Without what the optimizer gathered, which is two thirds of a run's file.
    bare = keras.saving.load_model(Path(run) / "model.keras", compile=False)
    with whole_file(cards.FOLDER / row["file"]) as temporary:
        bare.save(temporary)
    row["bytes"] = (cards.FOLDER / row["file"]).stat().st_size
    row["sha256"] = hash_file(cards.FOLDER / row["file"])


if __name__ == "__main__":
    main()
