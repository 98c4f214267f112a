"""Whether XLA compiles the steps of a model whose `execution` may change: always if asked, else where nothing skips."""

from typing import Any

import keras

from tf_routing.core.private_apis import all_layers


class JitWish:
    """Keeps what was asked of `jit_compile`, for when the execution changes (mixin of `keras.Model`)."""

    _jit_wish: Any = "auto"

    @property
    def jit_compile(self: Any) -> bool:
        """Whether XLA compiles the steps: what was asked for, where every layer supports it."""
        return super().jit_compile  # type: ignore[misc]

    @jit_compile.setter
    def jit_compile(self: Any, value: Any) -> None:
        self.wish_jit(value)
        keras.Model.jit_compile.fset(self, value)

    def wish_jit(self: Any, value: Any) -> None:
        """Notes what is asked for, a boolean or `"auto"`, and tells the blocks, which Keras asks."""
        self._jit_wish = value
        # Models inside too: Keras asks all layers, and compiles the outermost model.
        for model in all_layers(self):
            if isinstance(model, JitWish):
                model.executor.mark_compilable(value is True)  # type: ignore[attr-defined]

    def renew_jit(self: Any) -> None:
        """Does what was asked for, now that layers may support XLA, or do no more."""
        self.wish_jit(self._jit_wish)
        supported = all(layer.supports_jit for layer in all_layers(self))
        wish = self._jit_wish if supported else False
        # Keras decides anew where it finds None. Its setter warns of True alone, where it cannot compile.
        keras.Model.jit_compile.fset(self, None if wish == "auto" else wish)
