"""Counts the blocks that can be skipped in Keras's applications: `python docs/network_families.py` writes the data.

One network of each family is built, without weights, for images of its own size. `python docs/tables.py` then writes
the table.
"""

import argparse
from pathlib import Path
from typing import Any

from tf_routing.support.files import write_json

DATA = Path(__file__).parent / "network_families.json"
FAMILIES = {
    "ResNet": "ResNet50",
    "ResNetV2": "ResNet50V2",
    "MobileNet": "MobileNet",
    "MobileNetV2": "MobileNetV2",
    "MobileNetV3": "MobileNetV3Small",
    "EfficientNet": "EfficientNetB0",
    "EfficientNetV2": "EfficientNetV2B0",
    "ConvNeXt": "ConvNeXtTiny",
    "Xception": "Xception",
    "InceptionResNet": "InceptionResNetV2",
    "NASNet": "NASNetMobile",
    "DenseNet": "DenseNet121",
    "Inception": "InceptionV3",
    "VGG": "VGG16",
}
_SIZES = dict.fromkeys(("Xception", "InceptionResNetV2", "InceptionV3"), 299)


def main() -> None:
    """Builds the networks, counts and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default=str(DATA))
    arguments = parser.parse_args()
    rows = []
    for family in FAMILIES:
        rows.append(count_family(family))
        print(*rows[-1].values())
    write_json(Path(arguments.output), rows)


def count_family(family: str) -> dict[str, Any]:
    """Returns the row of a family: what one network of it has."""
    # Here: who reads the data does not need Keras.
    import keras

    from tf_routing.transforms.routing.block_counts import count_blocks

    keras.backend.clear_session()
    size = _SIZES.get(FAMILIES[family], 224)
    model = getattr(keras.applications, FAMILIES[family])(weights=None, input_shape=(size, size, 3))
    return {"family": family, "network": FAMILIES[family], **count_blocks(model)._asdict()}


if __name__ == "__main__":
    main()
