"""Lays models out as TensorFlow Serving reads them, one whole version at a time.

Importing this package imports neither Keras nor TensorFlow.
"""

from tf_routing.serving.layout import list_versions
from tf_routing.serving.publishing import publish, publish_folder

__all__ = ["list_versions", "publish", "publish_folder"]
