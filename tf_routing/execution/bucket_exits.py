"""The executor of networks that leave early in static shapes, for JAX and for XLA on TensorFlow.

As in `sparse_exits` the graph is cut at its junctions. Each part runs on the rows that come to it, a bucket of them
after the other; see `static_rows`. Parts follow each other and are not inside each other's loops: rows that come out of
different buckets fill buckets together again.
"""

from typing import Any

from keras import ops

from tf_routing.execution.exit_functions import ExitFunctions, Rows
from tf_routing.execution.static_rows import update_rows
from tf_routing.exit_tree import Exit, Stage


class BucketExits(ExitFunctions):
    """Runs each part of a model that leaves early on the rows that come to it; see `ExitFunctions`."""

    def leave(self, rows: Rows) -> list[Any]:
        """Keeps shapes static: a mask says which rows are still there, and answers are written where rows leave."""
        count = ops.shape(rows.maps[0])[0]
        return self._run(self.tree, rows, ops.ones((count,), "bool"), self.answer_nothing(count))

    def take(self, tensor: Any, rows: Any) -> Any:
        """Gathers in `keras.ops`, on any backend."""
        return ops.take(tensor, rows, axis=0)

    def _run(self, part: Stage | Exit, rows: Rows, is_here: Any, answers: list[Any]) -> list[Any]:
        """Returns the answers with those of the rows that leave in a part, or after it, in place."""
        if isinstance(part, Exit):
            return self._leave_here(part, rows, is_here, answers)
        outputs, choice = self._run_stage(part, rows, is_here)
        for number, sink in enumerate(part.sinks):
            goes = ops.logical_and(is_here, choice == number) if part.junction is not None else is_here
            answers = self._run(sink, self.select(sink, outputs), goes, answers)
        return answers

    def _leave_here(self, leaf: Exit, rows: Rows, is_here: Any, answers: list[Any]) -> list[Any]:
        logits, taken = answers
        [logits] = update_rows(lambda *maps: self.run_part(leaf, list(maps)), rows.maps, is_here, [logits])
        return [logits, ops.where(is_here, self.exits.index(leaf), taken)]

    def _run_stage(self, stage: Stage, rows: Rows, is_here: Any) -> tuple[Rows, Any]:
        """Returns the rows after a stage, and the sink that each of them takes."""

        def run(*given: Any) -> list[Any]:
            """Runs the stage on some rows."""
            maps, cost = (given[:-1], given[-1]) if rows.cost is not None else (given, None)
            own = Rows(self.run_part(stage, list(maps)), cost)
            return [*own.maps, *([] if stage.junction is None else [self._choose(stage, own)])]

        given = [*rows.maps, *([] if rows.cost is None else [rows.cost])]
        if stage is self.tree:
            # All rows begin here.
            found = run(*given)
        else:
            found = update_rows(run, given, is_here, self._nothing(stage, ops.shape(is_here)[0]))
        choice = None if stage.junction is None else found.pop()
        return Rows(found, rows.cost), choice

    def _choose(self, stage: Stage, rows: Rows) -> Any:
        return ops.cast(ops.argmax(self.score(stage, rows), axis=-1), "int32")

    def _nothing(self, stage: Stage, count: Any) -> list[Any]:
        """Returns zeros for what rows that are not there come out as."""
        maps = [ops.zeros((count, *output.shape[1:]), output.dtype) for output in self.functions[stage].outputs]
        return [*maps, *([] if stage.junction is None else [ops.zeros((count,), "int32")])]
