"""Rules for single hosts: which documents they cover, and what they do there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedupe import hosts
from dedupe.config import Config, HostRules, load_config
from dedupe.errors import ConfigError
from dedupe.hosts import is_public_suffix, names_over, plain_name
from dedupe.pipeline import clean_documents
from dedupe.records import Document

PROSE = {
    "Latin": "The river rose by two meters on Monday, the mayor of the town said after a long night.",
    "Cyrillic": "Река поднялась на два метра в понедельник, сообщил мэр города после долгой ночи.",
    "Arabic": "ارتفع منسوب النهر مترين يوم الاثنين، بحسب ما قاله رئيس بلدية المدينة بعد ليلة طويلة.",
    "Han": "周一河水上涨了两米，市长在漫长的一夜之后说，桥梁已经关闭，公交车改道行驶。",
}
WORDING = {
    "Latin": "Get the Bee every morning", "Cyrillic": "Читайте нас каждое утро", "Arabic": "اقرأ صحيفتنا كل صباح",
    "Han": "每天早晨读蜂报",
}  # fmt: skip


def page(host: str | None, *blocks: str, uri: str = "in.jsonl", record: int | None = 0) -> Document:
    text = "\n\n".join(blocks).encode()
    return Document(f"{uri}#0", uri, text, text, record=record, host=host)


def cleaned(config: Config, *documents: Document) -> list[str]:
    return [each.cleaned.decode() for each in clean_documents(documents, config)]


@pytest.mark.parametrize("script", PROSE)
def test_wording_of_a_host_goes_there_and_below_and_nowhere_else(script: str):
    prose, wording = PROSE[script], WORDING[script]
    config = Config(hosts=(HostRules("example.org", (("own", wording),)),))
    hosts = ("example.org", "www.example.org", "a.b.example.org", "example.com", "notexample.org", "org", None)
    found = cleaned(config, *(page(host, prose, wording, prose + " 2.") for host in hosts))
    assert [wording not in text for text in found] == [True, True, True, False, False, False, False]
    assert all(prose in text for text in found)


def test_what_one_host_says_changes_no_other_document_of_the_batch():
    config = Config(hosts=(HostRules("a.example", (("own", "Also on our pages"),)),))
    documents = [page(host, PROSE["Latin"], "Also on our pages", PROSE["Latin"] + " 2.") for host in ("b.example",) * 3]
    assert cleaned(config, page("a.example", "Nothing"), *documents)[1:] == cleaned(Config(), *documents)


def test_a_narrow_rule_adds_to_a_wide_one():
    config = Config(hosts=(
        HostRules("example.org", (("own", "The wide wording"),)),
        HostRules("sport.example.org", (("own", "The narrow wording"),)),
    ))
    blocks = (PROSE["Latin"], "The wide wording", "The narrow wording", PROSE["Cyrillic"])
    wide, narrow = cleaned(config, page("www.example.org", *blocks), page("sport.example.org", *blocks))
    assert ("wide" in wide, "narrow" in wide) == (False, True)
    assert ("wide" in narrow, "narrow" in narrow) == (False, False)


def test_a_protected_pattern_of_a_host_holds_there_only():
    config = Config(hosts=(HostRules("example.org", protect=("^Also read",)),))
    blocks = (PROSE["Latin"], "Also read:", PROSE["Cyrillic"])
    there, elsewhere = cleaned(config, page("www.example.org", *blocks), page("example.com", *blocks))
    assert "Also read" in there
    assert "Also read" not in elsewhere


def test_a_folder_of_texts_is_covered_by_the_end_of_its_path():
    config = Config(hosts=(HostRules("example.org", (("own", "Get the Bee"),)),))
    uris = ("crawl/example.org/1.txt", "example.org/1.txt", "crawl/example.com/1.txt", "1.txt")
    documents = (page(None, PROSE["Latin"], "Get the Bee", uri=uri, record=None) for uri in uris)
    assert ["Bee" in text for text in cleaned(config, *documents)] == [False, False, True, True]


def test_wording_that_is_a_sentence_matches_whole():
    config = Config(cues=(("own", "Get it free."),))
    (text,) = cleaned(config, page(None, PROSE["Latin"], "Get it free.", PROSE["Cyrillic"]))
    assert "Get it" not in text


def test_names_over_a_host_stop_at_what_was_registered():
    assert list(names_over("a.b.example.co.uk")) == ["a.b.example.co.uk", "b.example.co.uk", "example.co.uk"]
    assert list(names_over("me.github.io")) == ["me.github.io"]
    assert list(names_over("127.0.0.1")) == ["127.0.0.1"]
    assert list(names_over(None)) == list(names_over("")) == []
    assert list(names_over("The Bee")) == ["the bee"]
    assert [is_public_suffix(name) for name in ("com", "github.io", "example.com", "")] == [True, True, False, False]
    assert plain_name("XN--MNCHEN-3YA.de") == plain_name("München.DE") == "münchen.de"
    assert plain_name("xn--\ud800.de") == "xn--\ud800.de"


CASES = [
    ('hosts."co.uk".protect = ["a"]', "under which anybody has sites"),
    ('hosts."example.org".protect = ["(a"]', "protect of host 'example.org' has '\\(a'"),
    ('hosts."example.org".protect = "a"', "host 'example.org': protect is not a list"),
    ('hosts."example.org".cues = [1]', "host 'example.org': cues is not a table of lists"),
    ('hosts."example.org".cue = ["a"]', "host 'example.org' has an unknown setting 'cue'"),
    ('hosts = ["example.org"]', "hosts is not a table of tables"),
]


@pytest.mark.parametrize(("line", "message"), CASES, ids=[case[1] for case in CASES])
def test_rules_that_cannot_be_are_named_with_their_host_and_file(tmp_path: Path, line: str, message: str):
    path = tmp_path / "dedupe.toml"
    path.write_text(line)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert str(caught.value).startswith(str(path))


def test_rules_are_read_from_both_forms_and_are_part_of_the_hash(tmp_path: Path):
    path = tmp_path / "pyproject.toml"
    path.write_text(
        '[tool.dedupe.hosts."example.org"]\ncues = ["Get the Bee"]\nprotect = ["^Note"]\n'
        '[tool.dedupe.hosts."a.example".cues]\nalso_read = ["More:"]\n'
    )
    config = load_config(path)
    assert config.hosts == (
        HostRules("a.example", (("also_read", "More:"),)),
        HostRules("example.org", (("own", "Get the Bee"),), ("^Note",)),
    )
    assert config.digest() != Config().digest()
    assert hash(config) == hash(load_config(path))


def test_names_that_are_looked_up_here_have_the_answers_of_tldextract():
    """Every ninth rule of the list, itself, below itself, without its star, and what is no rule at all."""
    lists = hosts._rules()
    assert lists is not None
    bare = [rule.lstrip("!") for rule in sorted(lists[0] | lists[1])[::9]] + ["localhost", "1.2.3.4", "a..b", "a.1", ""]
    bare += ["www.ck", "*.ck", "*.kawasaki.jp", "city.kawasaki.jp", "пример.рф", "a.xn--p1ai", "A.COM", "a.com."]
    names = [start + rule.replace("*.", star) for rule in bare for start in ("", "a.", "w.a.") for star in ("", "b.")]
    ours = [name for name in names if hosts._num_suffix_labels(name) is not None]
    assert len(ours) > len(names) * 3 // 4
    for name in names:
        found = hosts._extract()(name)
        wanted = (found.top_domain_under_public_suffix or name, bool(name) and found.suffix == name)
        assert (hosts.registrable(name), is_public_suffix(name)) == wanted, name
