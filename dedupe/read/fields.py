"""Choose which fields of a record hold its text, its id, its address and its language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dedupe.config import KEEP_NAMES, Config
from dedupe.errors import ConfigError
from dedupe.formats import show_name

# Names used by published corpora (C4, RedPajama, FineWeb, CC-News, OSCAR, mC4) and extractors (news-please,
# trafilatura, newspaper). Two of them in one file are a question for the user, not for a guess.
_TEXT_NAMES = ("text", "content", "body", "article", "raw_content", "maintext", "article_text", "article_body",
               "full_text", "fulltext", "cleaned_text", "raw_text", "document", "page_content", "story", "markdown")
_ID_NAMES = ("id", "_id", "uid", "uuid", "guid", "doc_id", "docid", "document_id", "article_id", "warc_record_id")
_URL_NAMES = ("url", "link", "source_url", "canonical_url", "page_url", "permalink", "uri", "href", "warc_target_uri")
_LANGUAGE_NAMES = ("language", "lang")
_MAX_FIELDS_SHOWN = 30
_TAG = re.compile(r"[a-zA-Z]{2,8}(?:[-_][a-zA-Z0-9]{1,8}){0,4}")
_HOST = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#\\]*@)?(\[[^\]/]*\]|[^/?#\\:\s]*)")


@dataclass(frozen=True, slots=True)
class FieldNames:
    """Name the fields to read; None where a file has none."""

    text: str
    id: str | None
    url: str | None
    site: str | None
    language: str | None = None


def choose_fields(uri: str, text_fields: Sequence[str], all_fields: Sequence[str], config: Config) -> FieldNames:
    """Choose among `text_fields` (those that hold strings) and `all_fields`, by `config` or by well-known names.

    Raises: ConfigError: a field that was asked for is not there, or no single one is likely to be the text.

    >>> choose_fields("a.jsonl", ["title", "Text", "url"], ["id", "title", "Text", "url"], Config())
    FieldNames(text='Text', id='id', url='url', site=None, language=None)
    """
    _asked("keep", None if config.keep in KEEP_NAMES else config.keep, uri, all_fields)
    text = _asked("text_field", config.text_field, uri, all_fields) or _guess_text(uri, text_fields, all_fields)
    return FieldNames(
        text,
        _asked("id_field", config.id_field, uri, all_fields) or _known(_ID_NAMES, all_fields, text),
        _asked("url_field", config.url_field, uri, all_fields) or _known(_URL_NAMES, all_fields, text),
        _asked("site_field", config.site_field, uri, all_fields),
        _known(_LANGUAGE_NAMES, all_fields, text),
    )


def _asked(setting: str, name: str | None, uri: str, fields: Sequence[str]) -> str | None:
    if name is not None and name not in fields:
        flag = setting.replace("_", "-")
        raise ConfigError(f"{show_name(uri)}: has no field {name!r} (--{flag}); its fields are {_listed(fields)}")
    return name


def _guess_text(uri: str, text_fields: Sequence[str], all_fields: Sequence[str]) -> str:
    likely = [name for name in text_fields if name.casefold() in _TEXT_NAMES]
    if not likely:
        named = {*_ID_NAMES, *_URL_NAMES}
        likely = [name for name in text_fields if name.casefold() not in named]
    if len(likely) == 1:
        return likely[0]
    found = "no field that is surely the text" if not likely else f"{len(likely)} fields that could be the text"
    raise ConfigError(
        f"{show_name(uri)}: has {found}; name one with --text-field: {_listed(likely or all_fields)}"
    )


def _known(names: Iterable[str], fields: Sequence[str], text: str) -> str | None:
    by_fold = {name.casefold(): name for name in reversed(fields) if name != text}
    return next((by_fold[name] for name in names if name in by_fold), None)


def _listed(fields: Sequence[str]) -> str:
    if not fields:
        return "none"
    shown = ", ".join(show_name(name) for name in fields[:_MAX_FIELDS_SHOWN])
    return shown + (f" and {len(fields) - _MAX_FIELDS_SHOWN} more" if len(fields) > _MAX_FIELDS_SHOWN else "")


def language_of(value: str | None) -> str | None:
    """Give what a record calls its language where that has the form of a tag (BCP 47); nothing is guessed.

    >>> language_of("pt_BR"), language_of("en"), language_of("Norwegian Bokmål"), language_of("")
    ('pt-BR', 'en', None, None)
    """
    return value.replace("_", "-") if value is not None and _TAG.fullmatch(value) else None


def host_of(url: str | None) -> str | None:
    """Give the host of an address in lower case, without user and port; None where it has none.

    >>> host_of("https://me@News.Example.org:8080/a?b"), host_of("not an address"), host_of("http://[::1]/")
    ('news.example.org', None, '[::1]')
    """
    found = _HOST.match(url) if url is not None else None
    return found[1].casefold().rstrip(".") or None if found is not None else None
