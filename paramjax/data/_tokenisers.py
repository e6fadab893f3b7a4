"""Tokenisers by words and by characters that are fitted to texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from paramjax._checks import check_count, describe
from paramjax.data._token_rows import UNKNOWN, Encoded, kind, padded, rows, strings

_FIRST = 2  # the id of the first word or character that is known
_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class WordTokeniser:
    """Words, numbers and punctuation marks in lower case, each of which is one integer.

    Id 0 is padding, 1 any unknown word, and the known ones follow from 2 on: the most frequent
    first, equally frequent ones in the order of their code points. A tokeniser is a value: two of
    equal words are equal, hash alike and can be pickled.

    Attributes:
        words: The known words; the first one has the id 2.

    Raises:
        TypeError: If a word is not a string.
        ValueError: If a word is empty or occurs twice.

    Example:
        >>> tokeniser = WordTokeniser.fit(["A good film.", "Not a good film!"])
        >>> tokeniser.words
        ('a', 'film', 'good', '!', '.', 'not')
        >>> ids, lengths = tokeniser.encode(["Good, good film", ""])
        >>> ids.tolist(), lengths.tolist()
        ([[4, 1, 4, 3], [0, 0, 0, 0]], [4, 0])
        >>> tokeniser.decode(ids)
        ['good <unknown> good film', '']
    """

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        """Raise unless each word is a string and occurs once."""
        object.__setattr__(self, "words", tuple(self.words))
        _check_distinct("words", self.words)

    @classmethod
    def fit(cls, texts: Iterable[str], *, size: int | None = None, min_count: int = 1) -> Self:
        """The tokeniser of the words that occur in texts, those of the training part only.

        Args:
            texts: Strings; none of them gives a tokeniser that knows no word.
            size: Greatest number of ids, padding and unknown words included, from 3 on; the
                rarest words are left out. None for all words.
            min_count: How often a word must occur to be known, positive.

        Returns:
            The tokeniser.

        Raises:
            TypeError: If a text is not a string, `texts` is one string, or a count is not an
                integer.
            ValueError: If a count is out of range.

        Example:
            >>> WordTokeniser.fit(["to be or not to be"], size=4).words
            ('be', 'to')
        """
        check_count("min_count", min_count)
        counts = Counter(word for text in strings(texts) for word in _split(text))
        return cls(_most_frequent(counts, size, min_count))

    @property
    def size(self) -> int:
        """Number of ids: a model's `vocabulary`."""
        return _FIRST + len(self.words)

    @cached_property
    def _ids(self) -> Mapping[str, int]:
        return {word: _FIRST + index for index, word in enumerate(self.words)}

    def encode(self, texts: Iterable[str], length: int | None = None) -> Encoded:
        """Ids of texts, filled up with padding.

        Args:
            texts: Strings, which may be empty.
            length: Columns of the result, positive; longer texts lose their ends. None for the
                longest text.

        Returns:
            Ids int32 [texts, length], and how many ids of each row are words, int32 [texts].

        Raises:
            TypeError: If a text is not a string, `texts` is one string, or the length is not an
                integer.
            ValueError: If the length is not positive.
        """
        every = [[self._ids.get(word, UNKNOWN) for word in _split(t)] for t in strings(texts)]
        return padded(every, length)

    def decode(self, ids: Any) -> list[str]:
        """Words of rows of ids with spaces between them, `<unknown>` for unknown ones.

        Args:
            ids: Integers [texts, length]; padding is left out.

        Returns:
            A text for each row.

        Raises:
            TypeError: If the ids are not integers.
            ValueError: If they are not rows, or one is not an id of this tokeniser.
        """
        names = ("", "<unknown>", *self.words)
        return [" ".join(names[i] for i in row if i) for row in rows(ids, self.size)]


@dataclass(frozen=True)
class CharacterTokeniser:
    """Characters, each of which is one integer.

    Id 0 is padding, 1 any unknown character, and the known ones follow from 2 on: the most
    frequent first, equally frequent ones in the order of their code points.

    Attributes:
        characters: The known characters; the first one has the id 2.

    Raises:
        TypeError: If the characters are no string.
        ValueError: If one occurs twice.

    Example:
        >>> tokeniser = CharacterTokeniser.fit("banana")
        >>> tokeniser.characters, tokeniser.size
        ('anb', 5)
        >>> ids, lengths = tokeniser.encode(["nab", "cab!"])
        >>> ids.tolist(), lengths.tolist()
        ([[3, 2, 4, 0], [1, 2, 4, 1]], [3, 4])
        >>> tokeniser.decode(ids)
        ['nab', '�ab�']
    """

    characters: str

    def __post_init__(self) -> None:
        """Raise unless the characters are a string in which each occurs once."""
        if not isinstance(self.characters, str):
            raise TypeError(f"characters: expected a string, got {describe(self.characters)}")
        _check_distinct("characters", self.characters)

    @classmethod
    def fit(cls, text: str, *, size: int | None = None) -> Self:
        """The tokeniser of the characters that occur in a text, of the training part only.

        Args:
            text: A string.
            size: Greatest number of ids, padding and unknown characters included, from 3 on; the
                rarest characters are left out. None for all.

        Returns:
            The tokeniser.

        Raises:
            TypeError: If the text is not a string, or the size not an integer.
            ValueError: If the size is too small.

        Example:
            >>> CharacterTokeniser.fit("banana", size=4).characters
            'an'
        """
        if not isinstance(text, str):
            raise TypeError(f"text: expected a string, got {kind(text)}; join texts with ''.join")
        return cls("".join(_most_frequent(Counter(text), size, 1)))

    @property
    def size(self) -> int:
        """Number of ids: a model's `vocabulary`."""
        return _FIRST + len(self.characters)

    @cached_property
    def _ids(self) -> Mapping[str, int]:
        return {character: _FIRST + index for index, character in enumerate(self.characters)}

    def encode(self, texts: Iterable[str], length: int | None = None) -> Encoded:
        """Ids of texts, filled up with padding.

        Args:
            texts: Strings, which may be empty.
            length: Columns of the result, positive; longer texts lose their ends. None for the
                longest text.

        Returns:
            Ids int32 [texts, length], and how many ids of each row are characters, int32 [texts].

        Raises:
            TypeError: If a text is not a string, `texts` is one string, or the length is not an
                integer.
            ValueError: If the length is not positive.
        """
        every = [[self._ids.get(c, UNKNOWN) for c in text] for text in strings(texts)]
        return padded(every, length)

    def decode(self, ids: Any) -> list[str]:
        """Texts of rows of ids, with U+FFFD for unknown characters.

        Args:
            ids: Integers [texts, length]; padding is left out.

        Returns:
            A text for each row.

        Raises:
            TypeError: If the ids are not integers.
            ValueError: If they are not rows, or one is not an id of this tokeniser.
        """
        names = ("", "�", *self.characters)
        return ["".join(names[i] for i in row) for row in rows(ids, self.size)]


def _split(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _most_frequent(counts: Counter[str], size: int | None, min_count: int) -> tuple[str, ...]:
    """Names by frequency, then by code points, at most `size` ids with the two special ones."""
    if size is not None:
        check_count("size", size, least=_FIRST + 1)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    known = [name for name, count in ordered if count >= min_count]
    return tuple(known if size is None else known[: size - _FIRST])


def _check_distinct(what: str, names: Sequence[Any]) -> None:
    for name, count in Counter(names).items():
        if not isinstance(name, str):
            raise TypeError(f"{what}: expected strings, got {describe(name)}")
        if count > 1 or not name:
            raise ValueError(f"{what}: expected each once and none empty, got {name!r} {count}x")
