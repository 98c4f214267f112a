"""Publishes models as versions in the folder that TensorFlow Serving reads.

Importing this package imports neither Keras nor TensorFlow.
"""

from tf_routing.serving.layout import list_versions
from tf_routing.serving.publishing import publish, publish_folder

__all__ = ["list_versions", "publish", "publish_folder"]
