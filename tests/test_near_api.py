"""Near-duplicates of texts at hand: the rule against all pairs, every kind of input, signatures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from corpus_samples import records
from datasketch import MinHash

from dedupe.errors import ConfigError, InputError
from dedupe.near_api import near_duplicates, signatures, to_datasketch
from dedupe.normalize import tokens_of
from dedupe.records import Document


def shingles(text: str) -> set[tuple[bytes, ...]]:
    tokens = tokens_of(text.encode())
    return {tuple(tokens[at:at + 5]) for at in range(max(1, len(tokens) - 4))}


def test_members_match_their_keepers_and_no_two_kept_texts_match():
    """Against all pairs of sets, the slow obvious way."""
    texts = [str(record["text"]) for record in records(120)]
    sets = [shingles(text) for text in texts]
    found = near_duplicates(texts, 0.7)
    gone = set()
    for cluster in found:
        for member in cluster.members:
            one, two = sets[member.index], sets[cluster.keeper]
            assert member.resemblance == pytest.approx(len(one & two) / len(one | two))
            assert member.containment == pytest.approx(len(one & two) / len(one))
            assert member.resemblance >= 0.7
            gone.add(member.index)
    kept = [number for number in range(len(texts)) if number not in gone]
    for at, one in enumerate(kept):
        for two in kept[at + 1:]:
            assert len(sets[one] & sets[two]) < 0.7 * len(sets[one] | sets[two])


def test_an_article_inside_a_page_is_found_by_containment_only():
    texts = [str(record["text"]) for record in records(40)]
    article = max(texts, key=len)
    page = "\n\n".join([texts[0], article, texts[1], texts[2]])
    assert near_duplicates([article, page]) == []
    (found,) = near_duplicates([article, page], min_containment=0.9)
    assert (found.keeper, found.members[0].index, found.members[0].containment) == (1, 0, 1.0)


def test_who_is_kept_is_for_the_caller_to_say():
    text = str(records(1)[0]["text"])
    texts = [text, text + " one more word", text]
    assert near_duplicates(texts)[0].keeper == 1
    assert near_duplicates(texts, keep="first")[0].keeper == 0
    assert near_duplicates(texts, keep=[0, 1, 2])[0].keeper == 2
    with pytest.raises(InputError, match="expected \"longest\""):
        near_duplicates(texts, keep="biggest")
    with pytest.raises(InputError, match="2 numbers for 3 texts"):
        near_duplicates(texts, keep=[1, 2])


def test_texts_without_words_are_nobodys_duplicates():
    assert near_duplicates(["", "***", "", "***", "\u200b"]) == []


def test_texts_come_from_lists_generators_arrow_and_documents():
    import pyarrow

    text = str(records(1)[0]["text"])
    expected = near_duplicates([text, text])
    assert near_duplicates(text for _ in range(2)) == expected
    assert near_duplicates(pyarrow.array([text, text])) == expected
    document = Document("a", "a", text.encode(), text.encode())
    assert near_duplicates([document, document]) == expected
    assert near_duplicates([text.encode(), text]) == expected
    with pytest.raises(InputError, match="text 1 is int"):
        near_duplicates([text, 5])
    assert near_duplicates([]) == []


class Counted(str):
    """A text that is counted while anybody holds it."""

    num_alive = 0
    most_alive = 0

    def __new__(cls, text: str) -> Counted:
        cls.num_alive += 1
        cls.most_alive = max(cls.most_alive, cls.num_alive)
        return super().__new__(cls, text)

    def __del__(self) -> None:
        type(self).num_alive -= 1


def test_compiled_kernels_hold_the_texts_of_a_generator_a_batch_at_a_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dedupe.corpus.memory.worthwhile", lambda _: True)
    monkeypatch.setattr("dedupe.corpus.memory._FAST_BATCH", 1 << 15)
    texts = [f"{number} {record['text']}" for number, record in enumerate(records(60) * 10)]
    assert sum(map(len, texts)) > 8 << 15

    def given() -> Iterator[str]:
        for text in texts:
            yield Counted(text)

    found = near_duplicates(given())
    assert found == near_duplicates(texts)
    assert Counted.most_alive < len(texts) / 2


def test_lone_surrogates_are_no_trouble():
    assert near_duplicates(["\ud800 one two three four five six", "\ud800 one two three four five six"])


def test_strings_and_their_bytes_have_the_same_signatures(monkeypatch: pytest.MonkeyPatch):
    """Strings that are dense with characters beyond ASCII are never encoded as UTF-8, and go apart from the others."""
    monkeypatch.setattr("dedupe.corpus.memory.worthwhile", lambda _: False)
    samples = ("река поднялась на два метра, ё", "川の水が二メートル上がった。ﾊﾞｽ", "x\u0301 de\u0301ja\u0300 vu",
               "각 \u1100\u1161\u11a8 가", "naïve Straße with few others " * 9, "plain words only", "", "𝐀𝐁 ليت")
    texts = [" ".join(f"{sample} {number}" for number in range(9)) for sample in (*samples, *samples[::-1])]
    rows = signatures(texts)
    assert (rows == signatures([text.encode() for text in texts])).all()
    assert (rows == np.concatenate([signatures([text]) for text in texts])).all()
    assert (rows[: len(samples)] == rows[: len(samples) - 1 : -1]).all()
    assert len({row.tobytes() for row in rows}) == len(samples)


def test_signatures_are_datasketchs():
    texts = [str(record["text"]) for record in records(10)]
    rows = signatures(texts)
    assert rows.dtype == np.uint32
    assert rows.shape == (10, 128)
    one, two = to_datasketch(rows[0]), to_datasketch(rows[1])
    assert isinstance(one, MinHash)
    assert one.jaccard(two) == pytest.approx(float((rows[0] == rows[1]).mean()))


@pytest.mark.parametrize("one", ["a text", b"a text"])
def test_one_text_in_place_of_many_is_told(one: object):
    """A text is an iterable of texts, too: of its letters."""
    with pytest.raises(InputError, match="one text was given in place of many"):
        near_duplicates(one)
    with pytest.raises(InputError, match="one text was given in place of many"):
        signatures(one)


@pytest.mark.parametrize("texts", [None, 5, {"text": "one two"}, Document(doc="a", uri="a", raw=b"one", utf8=b"one")],
                         ids=lambda texts: type(texts).__name__)
def test_what_is_no_list_of_texts_is_told_by_its_type(texts):
    for function in (near_duplicates, signatures):
        with pytest.raises(InputError, match="expected a list or another iterable of texts"):
            function(texts)


@pytest.mark.parametrize(("name", "value"), [
    ("min_resemblance", "0.8"), ("min_resemblance", 0), ("min_resemblance", True), ("min_resemblance", float("nan")),
    ("min_containment", 2), ("num_perm", 0), ("num_perm", "128"), ("num_perm", 1 << 32),
    ("seed", -1), ("seed", 1 << 32),
])  # fmt: skip
def test_settings_that_cannot_be_are_named_with_what_was_expected(name, value):
    with pytest.raises(ConfigError, match=f"{name} is .*; expected"):
        near_duplicates(["one two"], **{name: value})
