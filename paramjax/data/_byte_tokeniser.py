"""The tokeniser by bytes, which needs no fitting."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from paramjax.data._token_rows import Encoded, padded, rows, strings


@dataclass(frozen=True)
class ByteTokeniser:
    """Bytes, each of which is one integer: any text in any encoding, with nothing unknown.

    Id 0 is padding, and the byte b has the id b + 1.

    Attributes:
        encoding: How strings become bytes and bytes become strings, such as utf-8 or latin-1.
            Texts that are bytes already stay as they are.

    Raises:
        ValueError: If Python knows no such encoding of texts.

    Example:
        >>> ids, lengths = ByteTokeniser().encode(["né", b"abcd"])
        >>> ids.tolist(), lengths.tolist()
        ([[111, 196, 170, 0], [98, 99, 100, 101]], [3, 4])
        >>> ByteTokeniser().decode(ids)
        ['né', 'abcd']
    """

    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        """Raise unless Python knows the encoding."""
        try:
            "".encode(self.encoding)
            codecs.lookup(self.encoding)
        except (LookupError, TypeError) as error:
            raise ValueError(
                f"encoding: expected the name of an encoding of texts, such as 'utf-8' or "
                f"'latin-1', got {self.encoding!r}"
            ) from error

    @property
    def size(self) -> int:
        """Number of ids, 257: a model's `vocabulary`."""
        return 257

    def encode(self, texts: Iterable[str | bytes], length: int | None = None) -> Encoded:
        """Ids of texts, filled up with padding.

        Args:
            texts: Strings or bytes, which may be empty.
            length: Columns of the result, positive; longer texts lose their ends, even in the
                middle of a character. None for the longest text.

        Returns:
            Ids int32 [texts, length], and how many ids of each row are bytes, int32 [texts].

        Raises:
            TypeError: If a text is neither string nor bytes, `texts` is one text, or the length
                is not an integer.
            ValueError: If the length is not positive, or the encoding lacks a character.
        """
        every = [
            np.frombuffer(self._bytes(number, text), np.uint8).astype(np.int32) + 1
            for number, text in enumerate(strings(texts, (str, bytes)))
        ]
        return padded(every, length)

    def _bytes(self, number: int, text: str | bytes) -> bytes:
        if isinstance(text, bytes):
            return text
        try:
            return text.encode(self.encoding)
        except UnicodeEncodeError as error:
            raise ValueError(
                f"texts: {self.encoding} has no character {text[error.start]!r}, which text "
                f"{number} has at {error.start}; choose another encoding, such as 'utf-8'"
            ) from error

    def decode(self, ids: Any) -> list[str]:
        """Texts of rows of ids, with U+FFFD for bytes that are no character.

        Args:
            ids: Integers [texts, length]; padding is left out.

        Returns:
            A text for each row.

        Raises:
            TypeError: If the ids are not integers.
            ValueError: If they are not rows, or one is not an id of this tokeniser.
        """
        names = rows(ids, self.size)
        return [bytes(i - 1 for i in row if i).decode(self.encoding, "replace") for row in names]
