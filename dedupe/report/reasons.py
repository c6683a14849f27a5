"""Say in a person's words what a piece of evidence means.

The names are those of data/evidence.toml and of what other documents tell; a test compares. A name that is not here,
such as a feature of the model of debris or one of a later version, is shown with its words apart.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

_MEANINGS = {
    "base": "where every sum of this rule begins",
    # copies inside a document
    "long-copy": "a paragraph long enough that nobody writes it twice",
    "headline-copy": "reads like a headline: no final mark",
    "long-headline-copy": "a headline of some length",
    "short-copy": "a short line",
    "tiny-copy": "a very short line, such as an answer",
    "whole-sentence-copy": "a whole sentence of some length",
    "sentence-copy": "a short sentence: answers and refrains repeat on purpose",
    "adjacent-copy": "nothing stands between the two copies",
    "heads-document": "the first copy is the headline of the document",
    "prose-nearby": "paragraphs of the article stand near it",
    "no-prose-nearby": "no paragraphs near it: verse, tables and lists repeat on purpose",
    "little-prose": "little of the document reads as prose",
    "under-cue": "follows wording such as \"Also read:\"",
    "marked-line": "begins with a list mark, a number, a speaker or a quotation mark",
    "table-or-code": "looks like a table or code",
    "recurring-heading": "recurs as a heading does: a structure of the document",
    "line-of-verse": "stands in a stanza",
    "resemblance": "how alike the two are, up to a headline's length",
    "long-resemblance": "how alike the two are, for sentences and paragraphs",
    "no-word-lost": "every word stands in the kept copy",
    "word-lost": "words that the kept copy does not have",
    "differs-in-digits": "differs in digits: scores, dates and numbered entries do so on purpose",
    "numbered-run": "three or more numbered lines in a row, nothing between them",
    "after-prose": "no paragraph follows",
    "words-elsewhere": "the same words begin another block, as the texts of pictures do",
    "few-words": "too few words to be a caption",
    # excerpts and doubled text
    "containment": "how much of it stands in the kept paragraph",
    "date-in-front": "a date in the part that is not quoted",
    "ellipsis": "breaks off with \"…\" or \"[...]\"",
    "glued": "words run together where pieces were joined",
    "headline-inside": "a headline of the document stands in it",
    "cut-off": "stops inside a sentence that the kept copy goes on with",
    "no-mark": "nothing marks it as a teaser: a lead or a quotation may restate the body",
    "spaced": "only white space between the two halves",
    "separate-sentences": "a sentence ends in between: rhetoric repeats sentences",
    "whole-block": "the block is the two copies and nothing else",
    "no-final-mark": "ends without a final mark, as captions and headlines do",
    "long-unit": "what is said twice is long",
    "difference": "the two halves are not quite the same",
    "no-prose-in-document": "the document has no prose",
    # cues and shapes
    "prose-in-document": "the document has prose, so such a line is out of place",
    "stands-alone": "the wording is the whole line",
    "bare-url": "an address right under such wording",
    "slug-words": "the words of the address above make this headline",
    "next-line": "stands on the next line",
    "separator": "a separator, such as \"***\"",
    "separator-beside-debris": "a separator beside something that goes",
    "script": "a line of program or data, with hardly a space",
    "glued-caption": "a line between paragraphs whose words run together",
    "picture-credit": "a caption: it ends in the credit of a picture",
    "consent-notice": "a notice about cookies, apart from the text",
    "unused-definition": "the address of a link that went",
    "time-stamp": "says no more than at which minute of which day a page was published",
    # other documents
    "documents": "documents of the site that have it",
    "all-documents": "share of the site's documents that have it",
    "site-rules": "the rules of the site name it, as counted by an earlier run",
    "site-rules-written": "the rules of the site name it, as somebody wrote",
    "several-sites": "other sites have it too",
    "edge": "share of documents where it stands before or after all prose",
    "own-title": "the address of the page spells it: it may be the headline here",
    "prose": "reads as a sentence or a paragraph",
    "prose-apart": "stands apart from other prose",
    "short-sentence": "ends like a sentence",
    "few-letters": "hardly any letters",
    "near-form": "other pages of the site have it but for a name or two",
    "between-prose": "paragraphs right before and after it",
    "equal-tokens": "words in a row that another document has",
    "edited": "share of the words that differ",
    # where it stands to the body: the one run of blocks that holds most text
    "in_body": "stands in the run of blocks that holds most text",
    "above_body": "stands above the run of blocks that holds most text",
    "to_body": "how far from the run of blocks that holds most text",
    "to_body_prose": "prose, and how far from the run of blocks that holds most text",
    "body_share": "how much of what may be text stands in one run of blocks",
    "beside_body": "stands outside of the run that holds so much of what may be text",
    "body_blocks": "how many blocks the body has",
    "body_text": "how much text the body holds",
    "body_cost": "what stands between it and the body, and is no text",
    "body_reach": "how much of the body's text is left if it reached as far as this",
    "in_core": "stands in the surest part of the body",
    "above_core": "stands above the surest part of the body",
    "to_core": "how far from the surest part of the body",
    "to_core_prose": "prose, and how far from the surest part of the body",
    "core_share": "how much of what may be text stands in the surest part of the body",
    "beside_core": "stands outside of the part that surely holds so much of the text",
    "core_blocks": "how many blocks the surest part of the body has",
    "core_text": "how much text the surest part of the body holds",
    "core_cost": "what stands between it and the surest part of the body, and is no text",
    "core_reach": "how much of the surest text is left if it reached as far as this",
    "doc_junk_beside": "stands outside of the body of a document with so much debris",
    "alone": "what it looks like by itself",
    "alone_prose": "reads as prose, and what it looks like by itself",
}


@lru_cache(maxsize=1 << 14)
def meaning_of(name: str, note: str) -> str:
    """Return what a piece of evidence means, with the note on it.

    >>> meaning_of("date-in-front", "May 3"), meaning_of("ends_sentence", ""), meaning_of("new-name", "as it says")
    ('a date in the part that is not quoted: May 3', 'ends sentence', 'as it says')
    >>> meaning_of("cue:also_read", "the whole block")
    'wording for also read: the whole block'
    """
    if name.startswith("cue:"):
        return f"wording for {name[4:].replace('_', ' ')}" + (f": {note}" if note else "")
    meaning = _MEANINGS.get(name)
    if meaning and note:
        return f"{meaning}: {note}"
    return note or meaning or name.replace("_", " ").replace("-", " ")


def with_meanings(evidence: Any) -> list[dict[str, Any]]:
    """Fill in the notes of the evidence of a ledger's row; what is no evidence is left out."""
    return [
        {**one, "note": meaning_of(str(one.get("name", "")), str(one.get("note") or ""))}
        for one in (evidence if isinstance(evidence, list) else [])
        if isinstance(one, dict)
    ]
