"""The words of the command line, in English and Chinese, by the locale of who types.

Each file of commands has its own `Catalogue`. What comes from a PLC, a broker, the system, or from
the check of a file stays as it is: people search for it by its text, and the log says the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from edge.status.words import Language


def language_of(environment: Mapping[str, str]) -> Language:
    """The language of messages by the environment, as POSIX orders its variables (Base
    Definitions, 8.2): the first of LC_ALL, LC_MESSAGES and LANG that is not empty decides."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if locale := environment.get(name):
            return "zh" if locale.lower().startswith("zh") else "en"
    return "en"


LANGUAGE: Language = language_of(os.environ)
"""That of this process."""


class Catalogue:
    """Sentences by key, each in English and in Chinese, with `{name}` for what is put in."""

    def __init__(self, entries: Mapping[str, tuple[str, str]]) -> None:
        self._entries = entries

    def __call__(self, key: str, /, **values: object) -> str:
        """The sentence in this process's language. Raises `KeyError` for a key that has none."""
        return self.in_language(LANGUAGE, key, **values)

    def in_language(self, language: Language, key: str, /, **values: object) -> str:
        """The sentence in a given language."""
        text = self._entries[key][0 if language == "en" else 1]
        return text.format(**values) if values else text

    def __iter__(self) -> Iterator[tuple[str, tuple[str, str]]]:
        return iter(self._entries.items())
