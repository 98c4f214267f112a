"""Writes the golden files: layers and nets as a past version saved them, with inputs and what it answered.

    python -m tests.golden.write

A file that exists stays as it is: it speaks for the version that wrote it, which `versions.json` names. Run this for a
layer or a builder that is new, never to make a failing test pass.
"""

import json
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np

from tests.conformance.subjects import FAMILIES, LAYERS, disturb, draw_scores, images, layer_batch, layer_model, small
from tf_routing import models
from tf_routing.optimizers import DecayedSGD

FOLDER = Path(__file__).parent
_NARROW = {
    "short_aig_resnet",
    "short_imagenet_resnet",
    "short_sact",
    "short_bottlenecks",
    "short_split_resnet",
    "short_split_mobilenetv2",
}


def subjects() -> Iterator[tuple[str, keras.Model, object]]:
    """Yields a name, a new net and its inputs: each way of `LAYERS` to use a layer, and a small net per builder."""
    for name, subject in LAYERS.items():
        yield f"layers/{name}", layer_model(subject), layer_batch(subject)
    for name in FAMILIES:
        model = small(name, **({"width_multiplier": 1 / 64} if name in _NARROW else {}))
        model.compile(DecayedSGD(0.01))
        yield f"nets/{name}", model, images(name, 2)
    # The default objective of a chain is the actor; the critic is the one that no net above has.
    model = small("short_chain", strategy="pragmatic_critic", width_multiplier=1 / 64)
    model.compile(DecayedSGD(0.01))
    yield "nets/short_chain_critic", model, images("short_chain", 2)


def write(name: str, model: keras.Model, x: object) -> None:
    """Writes one net of weights that are off their initial values, packed, and beside it inputs and outputs."""
    disturb(model)
    draw_scores(model)
    if model.compiled:
        model.optimizer.build(model.trainable_variables)
    path = FOLDER / f"{name}.keras"
    path.parent.mkdir(exist_ok=True)
    model.save(path)
    _pack(path)
    arrays = {f"x{number}": array for number, array in enumerate(x if isinstance(x, list) else [x])}
    y = np.asarray(model(x, training=False))
    routes = model.routes(x) if isinstance(model, models.RoutedModel) else {}
    decisions = {f"routes/{key}": value for key, value in routes.items()}
    np.savez_compressed(path.with_suffix(".npz"), y=y, **arrays, **decisions)


def _pack(path: Path) -> None:
    """Compresses an archive that Keras wrote: its members are the same, bit by bit."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for member, content in members.items():
            archive.writestr(member, content)


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    versions = {package: version(package) for package in ("tf_routing", "keras", "tensorflow")}
    written = json.loads((FOLDER / "versions.json").read_text()) if (FOLDER / "versions.json").exists() else {}
    for name, model, x in subjects():
        if not (FOLDER / f"{name}.keras").exists():
            write(name, model, x)
            written[name] = versions
    (FOLDER / "versions.json").write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")
