"""What the program says, in the language of whoever reads it.

The code says it in English, in whole sentences whose values are named fields; `catalogue` has each of them in the
other languages. A sentence is put into words as it is shown, so that two people can look at the same answer in two
languages; one that was said before, such as that of an error, can be said `again`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, reduce, wraps
from typing import Any, ParamSpec, TypeVar

from explorer.language.catalogue import ENGLISH, LANGUAGES, translated

P = ParamSpec("P")
T = TypeVar("T")

_spoken: ContextVar[str | None] = ContextVar("the language spoken here", default=None)
_reader: Callable[[], str] = ENGLISH.__str__  # gives the language where none is spoken


class Said(str):
    """Words as they were said, which remember the English sentence and its values."""

    sentence: str
    values: dict[str, Any]

    def __str__(self) -> str:  # an error's text is still what was said
        return self


def say(sentence: str, **values: Any) -> str:
    """The English sentence in the language spoken here, with its values in place of the fields of their names.

    A value may be written in a way of its own, as in "{share:.1f} %". A sentence without values may hold braces. One
    that no catalogue has stays English. A sentence that depends on a number is chosen by it, each written out:
    `say("{n} image" if n == 1 else "{n} images", n=n)`. What was said before is said again, as a value, too.
    """
    if isinstance(sentence, Said):
        return again(sentence)
    words = translated(sentence, language())
    values = {name: _here(value) for name, value in values.items()}
    return _said(words.format(**values) if values else words, sentence, values)


def _said(words: str, sentence: str, values: dict[str, Any]) -> Said:
    said = Said(words)
    said.sentence, said.values = sentence, values
    return said


def _here(value: Any) -> Any:
    """A value of a sentence: what was said before is said again, and so is an error."""
    value = str(value) if isinstance(value, Exception) else value
    return again(value) if isinstance(value, Said) else value


def again(text: str) -> str:
    """What was said before, be it in another language; text that was not said, such as a name, stays as it is."""
    if not isinstance(text, Said):
        return text
    return say(text.sentence, **text.values)


def on_one_line(text: str) -> str:
    """Words without line breaks, which can still be said again."""
    line = " ".join(text.split())
    return _said(line, text.sentence, text.values) if isinstance(text, Said) else line


def english(sentence: str) -> str:
    """The sentence itself, which is said later: marks it for the catalogues, where a table or a constant holds it."""
    return sentence


def listed(words: Iterable[str]) -> str:
    """Words in a row, with what this language puts between them."""
    return translated(", ", language()).join(words)


def joined(sentences: Iterable[str]) -> str:
    """Sentences one after the other, with what this language puts between them."""
    return translated(" ", language()).join(filter(None, sentences))


def chained(parts: Sequence[str]) -> str:
    """Parts of a sentence, one after another, which can be said again."""
    return reduce(lambda one, other: say("{one}; {other}", one=one, other=other), parts) if parts else ""


def language() -> str:
    """The language spoken here, one of LANGUAGES."""
    return _spoken.get() or _reader()


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Here this language is spoken, whatever whoever looks has chosen; ValueError for one that there is not."""
    if code not in LANGUAGES:
        raise ValueError(f"unknown language {code[:40]!r}; choose one of: {', '.join(LANGUAGES)}")
    token = _spoken.set(code)
    try:
        yield
    finally:
        _spoken.reset(token)


def listen_to(chosen: Callable[[], str]) -> None:
    """From now on, `chosen()` gives the language where none is spoken."""
    global _reader
    _reader = chosen


def as_here(make: Callable[P, T]) -> Callable[P, T]:
    """The function, which speaks the language spoken here wherever it is called, such as in a thread of its own."""
    code = language()

    @wraps(make)
    def said(*parts: P.args, **more: P.kwargs) -> T:
        with speaking(code):
            return make(*parts, **more)

    return said


def kept(entries: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """`functools.lru_cache` for what has words in it: each language has its own."""

    def keep(make: Callable[P, T]) -> Callable[P, T]:
        made = lru_cache(entries)(lambda code, *parts, **more: make(*parts, **more))

        @wraps(make)
        def said(*parts: P.args, **more: P.kwargs) -> T:
            return made(language(), *parts, **more)  # type: ignore[arg-type]

        said.cache_clear = made.cache_clear  # type: ignore[attr-defined]
        return said

    return keep
