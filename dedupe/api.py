"""Offer cleaning to Python programs: `clean` for one text."""

from __future__ import annotations

from dataclasses import dataclass

from dedupe.config import Config, settings_of
from dedupe.errors import InputError
from dedupe.pipeline import clean_documents
from dedupe.records import Document, Removal


@dataclass(frozen=True, slots=True)
class CleanResult:
    """Hold a cleaned text and everything that was found; picklable.

    `text`: the cleaned text. `removals`: what went, in order; `removal.place.char` is its span in the
    original, `removal.text` what it said, `removal.kept` where the copy stands that stayed.
    `kept_repeats`: repeats that were found and stay, with the reasons. `guarded`: nothing was removed
    because more than half of the prose would have gone; a person should look.
    """

    text: str
    removals: tuple[Removal, ...]
    kept_repeats: tuple[Removal, ...]
    guarded: bool = False

    def restore(self) -> str:
        """Put everything back: the text that was cleaned, character for character."""
        pieces, at = [], 0
        for removal in self.removals:
            pieces += [self.text[at:removal.output_char], removal.text]
            at = removal.output_char
        return "".join([*pieces, self.text[at:]])


def clean(text: str, config: Config | None = None) -> CleanResult:
    """Clean one text.

    Raises: InputError: `text` is no `str`; no `str` at all raises anything. ConfigError: `config` is no `Config`.

    >>> body = "Heavy rain has closed the old bridge, and buses now stop in three other places.\\n"
    >>> result = clean("Also read:\\n\\n" + body)
    >>> result.text == body, result.removals[0].text, result.restore() == "Also read:\\n\\n" + body
    (True, 'Also read:\\n\\n', True)
    """
    if not isinstance(text, str):
        raise InputError(f"text is {type(text).__name__}; expected str (decode bytes, leave out missing values)")
    utf8 = text.encode("utf-8", "surrogatepass")
    document = Document("text", "text", utf8, utf8, errors="surrogatepass")
    cleaned = clean_documents([document], settings_of(config))[0]
    result = cleaned.cleaned.decode("utf-8", "surrogatepass")
    return CleanResult(result, cleaned.removals, cleaned.kept, "guard" in cleaned.flags)
