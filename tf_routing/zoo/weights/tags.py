"""The names of an architecture's trained weights. Importing this module does not import Keras."""

from tf_routing.zoo.weights.keras_weights import IMAGENET_NAMES
from tf_routing.zoo.weights.releases import read_releases
from tf_routing.zoo.weights.weights_file import IMAGENET


def list_tags(architecture: str) -> list[str]:
    """Returns what `zoo.get` accepts as `weights` of an architecture, files apart.

    Args:
        architecture: A name of the zoo.

    Example:

    >>> list_tags("drn_resnet32"), list_tags("mobilenetv2")
    (['cifar10'], ['imagenet'])
    """
    of_keras = [IMAGENET] if architecture in IMAGENET_NAMES else []
    return of_keras + [row["tag"] for row in read_releases() if row["architecture"] == architecture]
