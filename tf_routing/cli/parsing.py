"""The argument parser of `tf-routing`: hyphens count as underscores, and a mistake is explained in one line."""

import argparse
import difflib
from collections.abc import Sequence
from typing import Any, NoReturn


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, where there are some."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        shown = action.default not in (None, False, [])
        return super()._get_help_string(action) if shown else action.help


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong, and what it may have been meant to be."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parses all words; one that no option takes ends the program with status 2."""
        parsed, left = self.parse_known_args(args, namespace)
        if left:
            chosen = self._chosen_parser(parsed)
            chosen.error(f"{left[0]} is not known here{chosen._suggest(left[0])}")
        return parsed

    def error(self, message: str) -> NoReturn:
        """Ends the program with status 2."""
        self.exit(2, f"{self.prog}: {message.rstrip('.')}. `{self.prog} --help` shows what it takes.\n")

    def _chosen_parser(self, parsed: argparse.Namespace) -> "Parser":
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return action.choices[getattr(parsed, action.dest)]
        return self

    def _suggest(self, word: str) -> str:
        options = [name for name in self._option_string_actions if name.startswith("--")]
        close = difflib.get_close_matches(word.partition("=")[0], options, n=3, cutoff=0.6)
        return f", perhaps {' or '.join(close)}" if close else ""


def with_underscores(words: Sequence[str]) -> list[str]:
    """Returns the words of a command line with the hyphens inside names of options as underscores.

    Example:

    >>> with_underscores(["fit", "--image-size=64", "--set", "a-b=1", "--", "--as-it-is"])
    ['fit', '--image_size=64', '--set', 'a-b=1', '--', '--as-it-is']
    """
    end = list(words).index("--") if "--" in words else len(words)
    return [*map(_with_underscores, words[:end]), *words[end:]]


def _with_underscores(word: str) -> str:
    if not word.startswith("--"):
        return word
    name, equals, value = word[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"
