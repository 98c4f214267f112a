"""`tf-routing export`: writes a SavedModel of a trained network."""

import argparse

from tf_routing import saved_model
from tf_routing.train.trained import load_trained


def run(arguments: argparse.Namespace) -> None:
    """Exports a trained network and prints the SavedModel's signatures."""
    model, record = load_trained(arguments.path)
    saved_model.export(model, arguments.output, class_names=record.get("class_names"), freeze=arguments.freeze)
    print(f"Wrote {arguments.output} with these signatures:\n{saved_model.describe(arguments.output)}")
