"""The sparse executor of networks that leave early: only undecided samples are carried on. TensorFlow only.

The graph that trains runs every column on every sample. Here it is cut at the junctions, and what follows one runs on
the rows that go there, if there are any; the rest of the network is inside that condition.
"""

from typing import Any

import tensorflow as tf

from tf_routing.execution.exit_functions import ExitFunctions, Rows
from tf_routing.exit_tree import Exit, Stage


class SparseExits(ExitFunctions):
    """Runs each part of a model that leaves early on the rows that come to it; see `ExitFunctions`."""

    def leave(self, rows: Rows) -> list[Any]:
        """Splits the rows at every junction: no part sees a row that left before it."""
        return self._run(self.tree, rows)

    def take(self, tensor: Any, rows: Any) -> Any:
        """Gathers by TensorFlow, whose gather the converters to other formats know."""
        return tf.gather(tensor, rows)

    def _run(self, part: Stage | Exit, rows: Rows) -> list[Any]:
        """Returns the logits of rows that came to a part, and the number of the exit that each of them takes."""
        outputs = self.run_part(part, rows.maps)
        if isinstance(part, Exit):
            return [*outputs, tf.fill((tf.shape(outputs[0])[0],), self.exits.index(part))]
        rows = rows._replace(maps=outputs)
        if part.junction is None:
            return self._run(part.sinks[0], self.select(part.sinks[0], rows))
        # As the decision: of equal scores the first. `argmax` of Keras becomes an operation that converters reject.
        return self._split(part, rows, tf.argmax(self.score(part, rows), axis=-1, output_type=tf.int32))

    def _split(self, stage: Stage, rows: Rows, choice: Any) -> list[Any]:
        """Carries every row on to the sink of its choice."""
        if choice.shape[0] == 1:
            # Nothing to gather and nothing to stitch.
            ways = [lambda sink=sink: self._run(sink, self.select(sink, rows)) for sink in stage.sinks]
            return tf.switch_case(choice[0], ways)
        chosen = tf.dynamic_partition(tf.range(tf.size(choice)), choice, len(stage.sinks))
        answers = [
            tf.cond(
                tf.size(took) > 0,
                lambda sink=sink, took=took: self._run(sink, _gather(self.select(sink, rows), took)),
                # No convolution may see no rows.
                lambda: self.answer_nothing(0),
            )
            for sink, took in zip(stage.sinks, chosen, strict=True)
        ]
        return [tf.dynamic_stitch(chosen, list(parts)) for parts in zip(*answers, strict=True)]


def _gather(rows: Rows, chosen: Any) -> Rows:
    cost = None if rows.cost is None else tf.gather(rows.cost, chosen)
    return Rows([tf.gather(maps, chosen) for maps in rows.maps], cost)
