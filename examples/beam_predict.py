"""Classifies any number of pictures on Apache Beam, on this machine or on a cluster.

    pip install '.[beam]'
    python examples/beam_predict.py saved_models/net 'pictures/**' answers

Workers load the network once each, and read pictures themselves: paths may be of whatever TensorFlow and Beam read,
such as `gs://bucket/pictures/**`. Options of Beam, such as `--runner` and `--direct_num_workers`, come at the end. The
answers are CSV files with the columns of `tf-routing predict`; a damaged picture has a row that says why.
"""

import argparse
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.io import fileio
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions

from tf_routing.prediction import Classifier, load_classifier, predict_pictures
from tf_routing.prediction.answer_files import list_cells, list_columns


class PictureHandler(ModelHandler[str, str, Classifier]):
    """Answers paths of pictures with lines of CSV.

    Args:
        network: Path of a run, a `.keras` file, a SavedModel or an ONNX file, which workers can read.
        top_k: Integer, most probable classes to tell.
        batch_size: Integer, pictures per forward pass.
    """

    def __init__(self, network: str, top_k: int, batch_size: int) -> None:
        super().__init__(max_batch_size=batch_size)
        self.network, self.top_k = network, top_k

    def load_model(self) -> Classifier:
        """Loads the network: once per worker."""
        return load_classifier(self.network)

    def run_inference(
        self, batch: Sequence[str], model: Classifier, inference_args: dict[str, Any] | None = None
    ) -> Iterator[str]:
        """Yields a line for every picture of a batch."""
        for answer in predict_pictures(model, batch, len(batch)):
            Metrics.counter("pictures", "damaged" if answer.error else "answered").inc()
            if answer.macs is not None:
                Metrics.counter("pictures", "macs").inc(answer.macs)
            yield as_line(list_cells(answer, model.class_names, self.top_k))


def as_line(cells: Iterable[str]) -> str:
    """Returns a row of CSV without a line break."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def main(words: Sequence[str] | None = None) -> None:
    """Runs the pipeline, and prints what was counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", help="folder of a run, a .keras file, a SavedModel, or an .onnx file")
    parser.add_argument("pictures", help="pattern of paths, ** for any depth")
    parser.add_argument("output", help="prefix of the CSV files")
    parser.add_argument("--top_k", type=int, default=1, help="most probable classes to tell")
    parser.add_argument("--batch_size", type=int, default=32, help="pictures per forward pass, at most")
    arguments, others = parser.parse_known_args(words)
    handler = PictureHandler(arguments.network, arguments.top_k, arguments.batch_size)
    pipeline = beam.Pipeline(options=PipelineOptions(others))
    _ = (
        pipeline
        | fileio.MatchFiles(arguments.pictures)
        | beam.Map(lambda file: file.path)
        # Pictures of one folder would else stay on one worker.
        | beam.Reshuffle()
        | RunInference(handler)
        | beam.io.WriteToText(arguments.output, ".csv", header=as_line(list_columns(arguments.top_k)))
    )
    result = pipeline.run()
    result.wait_until_finish()
    for counter in result.metrics().query(beam.metrics.MetricsFilter().with_namespace("pictures"))["counters"]:
        print(f"{counter.key.metric.name}: {counter.result:,}")


if __name__ == "__main__":
    main()
