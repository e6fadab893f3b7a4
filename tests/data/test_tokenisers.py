"""Truth: the codecs of Python and counts by hand."""

import pickle

import numpy as np
import pytest

from paramjax.data import ByteTokeniser, CharacterTokeniser, WordTokeniser

WORDS = WordTokeniser.fit(["the cat, the dog", "A CAT isn't a dog: the end."])
LETTERS = CharacterTokeniser.fit("hello, world")


def test_words_are_ordered_by_frequency_then_code_points_whatever_the_order_of_texts():
    assert WORDS.words == ("the", "a", "cat", "dog", ",", ".", ":", "end", "isn't")
    assert WordTokeniser.fit(["A CAT isn't a dog: the end.", "the cat, the dog"]) == WORDS
    assert WordTokeniser.fit(iter(["b a", "c b c"]), min_count=2).words == ("b", "c")
    assert WordTokeniser.fit(["d c b a"], size=4).words == ("a", "b")
    assert WordTokeniser.fit(["d c b a"], size=100).size == 6
    assert LETTERS.characters == "lo ,dehrw"
    assert CharacterTokeniser.fit("hello", size=3).characters == "l"


def test_padding_unknown_empty_and_cut_texts():
    ids, lengths = WORDS.encode(["The bird", "", "  \n", "cat dog cat dog cat"], length=3)
    np.testing.assert_array_equal(ids, [[2, 1, 0], [0] * 3, [0] * 3, [4, 5, 4]])
    np.testing.assert_array_equal(lengths, [2, 0, 0, 3])
    assert (ids.dtype, lengths.dtype) == (np.int32, np.int32)
    assert WORDS.decode(ids) == ["the <unknown>", "", "", "cat dog cat"]
    assert WORDS.encode([])[0].shape == (0, 1)
    assert WORDS.encode(["", ""])[0].tolist() == [[0], [0]]
    assert WordTokeniser.fit([]).encode(["what now"])[0].tolist() == [[1, 1]]
    assert WordTokeniser.fit(["", " "]).size == 2


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16", "shift_jis", "ascii"])
def test_bytes_are_those_of_the_codec(encoding):
    texts = {"latin-1": "naïve", "shift_jis": "日本語", "ascii": "plain"}
    text = texts.get(encoding, "naïve 日本語 🎬\x00")
    ids, lengths = ByteTokeniser(encoding).encode([text, ""])
    assert (ids[0] - 1).tolist() == list(text.encode(encoding))
    assert lengths.tolist() == [len(text.encode(encoding)), len("".encode(encoding))]
    assert ByteTokeniser(encoding).decode(ids)[0] == text


def test_every_byte_comes_back_and_what_is_no_character_is_replaced():
    every = bytes(range(256))
    ids, _ = ByteTokeniser("latin-1").encode([every])
    assert sorted(ids[0]) == list(range(1, 257))
    assert ByteTokeniser().size == 257
    assert ByteTokeniser("latin-1").decode(ids)[0].encode("latin-1") == every
    assert ByteTokeniser().decode(ByteTokeniser().encode([b"a\xff"])[0]) == ["a\ufffd"]
    assert ByteTokeniser().decode(ByteTokeniser().encode(["é"], length=1)[0]) == ["\ufffd"]


@pytest.mark.parametrize("tokeniser", [WORDS, LETTERS, ByteTokeniser("latin-1")])
def test_a_tokeniser_is_a_value(tokeniser):
    ids, _ = tokeniser.encode(["hello the world"])
    again = pickle.loads(pickle.dumps(tokeniser))
    assert again == tokeniser
    assert len({again, tokeniser}) == 1
    np.testing.assert_array_equal(again.encode(["hello the world"])[0], ids)
    with pytest.raises(AttributeError):
        tokeniser.words = ()


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: WordTokeniser.fit("one text"), TypeError, r"a list of texts.*write \[text\]"),
        (lambda: WordTokeniser.fit(["a", None]), TypeError, "expected str, got NoneType.* at 1"),
        (lambda: WordTokeniser.fit(None), TypeError, "expected a list of texts, got NoneType"),
        (lambda: WordTokeniser.fit(["a"], size=2), ValueError, "size: .* from 3"),
        (lambda: WordTokeniser.fit(["a"], size=2.5), TypeError, "size: expected a whole number"),
        (lambda: WordTokeniser.fit(["a"], min_count=0), ValueError, "min_count: .* from 1"),
        (lambda: WordTokeniser(("a", "a")), ValueError, "each once and none empty, got 'a' 2x"),
        (lambda: WordTokeniser(("",)), ValueError, "none empty"),
        (lambda: WordTokeniser((1,)), TypeError, "words: expected strings, got int 1"),
        (lambda: CharacterTokeniser.fit(["a"]), TypeError, "text: expected a string, got list"),
        (lambda: CharacterTokeniser.fit("a", size=1), ValueError, "size: .* from 3"),
        (lambda: CharacterTokeniser(("a",)), TypeError, "characters: expected a string"),
        (lambda: CharacterTokeniser("aa"), ValueError, "each once"),
        (lambda: WORDS.encode(["a"], length=0), ValueError, "length: .* from 1"),
        (lambda: WORDS.encode([b"a"]), TypeError, "expected str, got bytes"),
        (lambda: ByteTokeniser().encode([3]), TypeError, "expected str or bytes, got int"),
        (lambda: ByteTokeniser().encode(b"ab"), TypeError, "expected a list of texts"),
        (lambda: ByteTokeniser("ascii").encode(["a", "né"]), ValueError, "'é', which text 1 has"),
        (lambda: ByteTokeniser("utf-9"), ValueError, "expected the name of an encoding"),
        (lambda: ByteTokeniser("rot13"), ValueError, "expected the name of an encoding"),
        (lambda: ByteTokeniser(8), ValueError, "expected the name of an encoding"),
        (lambda: WORDS.decode([1, 2]), ValueError, r"expected \[texts, length\], got shape \(2,\)"),
        (lambda: WORDS.decode([[1.0]]), TypeError, "ids: expected integers, got float64"),
        (lambda: WORDS.decode([[11]]), ValueError, "ids from 0 to 10, got 11"),
        (lambda: WORDS.decode([[-1]]), ValueError, "got -1"),
    ],
)
def test_what_is_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()
