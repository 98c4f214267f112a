"""The configuration files of TensorFlow Serving: the list of models, and the batching parameters."""

import re
from pathlib import Path
from typing import Any

from tf_routing.support.extras import import_extra
from tf_routing.support.files import whole_file

MODELS_CONFIG = "models.config"
BATCHING_PARAMETERS = "batching_parameters.txt"
# Where the server sees the folder of all models: the default of its container image.
SERVED_FROM = "/models"

# No `allowed_batch_sizes`: the server would pad batches with copies of an image, and run the copies.
_BATCHING = """\
# How requests are joined, for --enable_batching. Measure with your own load, and change what is here: it stays.
# It joins requests to all signatures, so one damaged picture sent to serve_encoded fails those that it is joined with:
# for servers that are sent no encoded pictures.
# Images in the largest request, which is cut; without the next two lines a request of more than a batch is refused.
max_batch_size { value: 1024 }
enable_large_batch_splitting { value: true }
# Images that are run at once.
max_execution_batch_size { value: 32 }
batch_timeout_micros { value: 1000 }
max_enqueued_batches { value: 100 }
# As many as the server has cores.
num_batch_threads { value: 4 }
"""


_LARGEST = re.compile(r"^\s*max_batch_size\s*:?\s*\{\s*value\s*:\s*(\d+)", re.MULTILINE)


def write_batching_parameters(folder: Path) -> None:
    """Writes the batching parameters, unless the folder has some: those may have been tuned."""
    path = folder / BATCHING_PARAMETERS
    if not path.exists():
        with whole_file(path) as temporary:
            temporary.write_text(_BATCHING, "utf-8")


def largest_request(folder: Path) -> int | None:
    """Returns the largest number of images in a request, by the parameters in a folder or those that would be written.

    `None` if they set no limit.
    """
    path = folder / BATCHING_PARAMETERS
    found = _LARGEST.search(path.read_text("utf-8") if path.exists() else _BATCHING)
    return int(found[1]) if found else None


def add_model(folder: Path, name: str) -> None:
    """Adds a model to the list of models to serve. Entries that exist, also of this model, are not changed.

    Raises:
        ValueError: If the list cannot be read.
        ImportError: If the extra `serving` is not installed.
    """
    from google.protobuf import text_format

    config = read_models(folder)
    if name not in {each.name for each in config.model_config_list.config}:
        config.model_config_list.config.add(name=name, base_path=f"{SERVED_FROM}/{name}", model_platform="tensorflow")
        with whole_file(folder / MODELS_CONFIG) as temporary:
            temporary.write_text(text_format.MessageToString(config), "utf-8")


def read_models(folder: Path) -> Any:
    """Returns the list of models to serve as a protobuf message, empty if there is no file."""
    from google.protobuf import text_format

    messages = import_extra("tensorflow_serving.config.model_server_config_pb2", "serving", "Publishing")
    config, path = messages.ModelServerConfig(), folder / MODELS_CONFIG
    if path.exists():
        try:
            text_format.Parse(path.read_text("utf-8"), config)
        except text_format.ParseError as error:
            raise ValueError(f"{path} is no list of models: {error}") from error
    return config
