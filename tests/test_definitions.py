"""Addresses of links, written apart from the text as Markdown does, go with the links."""

from __future__ import annotations

import pytest

from dedupe.api import clean
from dedupe.config import Config

TEXT = """The ferry ran again on Monday after three weeks of repairs, [the council said][4]. Passengers waited \
from dawn to be on the first crossing, and a band played on the pier.

Also read: [Rivers rise in the north][5]

Its captain thanked the welders of the yard, who had worked through two storms to have it ready before the summer.

"""
COUNCIL, RIVERS = "[4]: https://example.org/council", "[5]: https://example.org/rivers"
LONG = "[5]: https://example.org/a/long/address/that/has/to/be/wrapped/some\nwhere-by-the-tool-that-wrote-it"


def left_of(text: str, preset: str = "careful") -> list[str]:
    return clean(text, Config(preset=preset)).text.split("\n")


@pytest.mark.parametrize("preset", ["careful", "standard"])
def test_a_definition_goes_with_the_last_of_its_links(preset):
    left = left_of(TEXT + COUNCIL + "\n" + RIVERS + "\n", preset)
    assert RIVERS not in left
    assert COUNCIL in left


def test_a_definition_stays_while_a_line_that_stays_refers_to_it():
    text = TEXT.replace("Its captain", "[Rivers][5] fell meanwhile. Its captain")
    left = left_of(text + COUNCIL + "\n" + RIVERS + "\n")
    assert "Also read" not in "".join(left)
    assert RIVERS in left


def test_what_nothing_ever_referred_to_is_a_list_of_sources_and_stays():
    sources = "[8]: https://example.org/sources"
    assert sources in left_of(TEXT + RIVERS + "\n" + sources + "\n")


def test_lines_that_an_address_is_wrapped_into_go_with_it():
    left = left_of(TEXT + LONG + "\n" + COUNCIL + "\n")
    assert not any("example.org/a/long" in line or "where-by" in line for line in left)
    assert COUNCIL in left


@pytest.mark.parametrize("note", [
    "[5]: see the minutes of the council, volume two",
    "[^5]: https://example.org/rivers",
    "[5] https://example.org/rivers",
])  # fmt: skip
def test_notes_and_numbered_sources_are_no_definitions(note):
    assert note in left_of(TEXT + note + "\n")


def test_labels_are_compared_without_regard_to_capitals():
    text = TEXT.replace("[5]", "[Rivers]") + "[rivers]: https://example.org/rivers\n"
    assert "[rivers]: https://example.org/rivers" not in left_of(text)
