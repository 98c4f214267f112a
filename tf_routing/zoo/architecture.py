"""What a name of the zoo stands for: a builder, its arguments, and what training needs to know."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Architecture(NamedTuple):
    """A line of the table of architectures.

    Args:
        family: Name of the paper's family.
        import_builder: Function that imports the builder, and with it Keras, and returns it; see
            `tf_routing/zoo/builder_imports.py`.
        arguments: Arguments of the builder that make this architecture what it is.
        defaults: Arguments of `zoo.get` where the user gives none.
        recipe: Name of the paper's training recipe, or `None` where its data pipeline does not exist yet.
        baseline: Name of the static network that it is compared with, or `None`.
    """

    family: str
    import_builder: Callable[[], Callable[..., Any]]
    arguments: dict[str, Any]
    defaults: dict[str, Any]
    recipe: str | None
    baseline: str | None = None
