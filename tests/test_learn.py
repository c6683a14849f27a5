"""Learning the boilerplate of sites from a corpus, and later runs that obey the file, edited or not."""

from __future__ import annotations

import json
import os
import random
import subprocess
import tomllib
from pathlib import Path

import commands
import pytest
from corpus_samples import as_lines, prose
from hypothesis import given
from hypothesis import strategies as st

from dedupe.config import Config
from dedupe.corpus_api import clean_records
from dedupe.errors import ConfigError
from dedupe.learn import learn_sites, write_site_rules
from dedupe.learned import SiteRules
from dedupe.pipeline import clean_documents
from dedupe.read import find_inputs
from dedupe.records import Document
from dedupe.site import LearnedSite, SiteBlock, dump_site_rules, merge_written, parse_site_rules
from dedupe.write import plan_outputs

FRAMES = {  # a menu, a notice with a number and a footer, by site and script
    "bee.example.org": ("en", "The Bee · News · Sport", "Shared {} times by readers", "Printed in the old mill"),
    "melissa.example.com": ("el", "Αρχική · Νέα · Αθλητικά", "Κοινοποιήθηκε {} φορές", "Τυπώνεται στον μύλο"),
    "mifeng.example.net": ("zh", "首页 新闻 体育", "被分享了{}次", "在老磨坊印刷出版"),
}
TITLE = "Rivers rise again in the north"


def pages(num_pages: int, seed: int = 1) -> list[dict]:
    chance = random.Random(seed)
    rows = []
    for number in range(num_pages):
        for host, (language, menu, shared, footer) in FRAMES.items():
            body = prose(chance, language, 80)
            blocks = [menu, body, shared.format(chance.randrange(900)), footer]
            rows.append({
                "id": f"{host}{number}", "url": f"https://www.{host}/{number}", "text": "\n\n".join(blocks),
            })  # fmt: skip
    return rows


def corpus(folder: Path, rows: list[dict], num_shards: int = 1) -> list[str]:
    folder.mkdir(parents=True)
    for number in range(num_shards):
        (folder / f"{number}.jsonl").write_bytes(b"".join(as_lines(rows[number::num_shards])))
    return [str(folder)]


def page(host: str, *blocks: str) -> Document:
    text = "\n\n".join(blocks).encode("utf-8", "surrogatepass")
    url = f"https://{host}/{TITLE.replace(' ', '-')}"
    return Document("in#0", "in.jsonl", text, text, record=0, host=host, url=url)


def frame_of(host: str) -> list[str]:
    _, menu, shared, footer = FRAMES[host]
    body = prose(random.Random(99), FRAMES[host][0], 60)
    return [menu, body, shared.format(7), footer]


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learned")
    path = folder / "site-rules.toml"
    write_site_rules(learn_sites(corpus(folder / "in", pages(6))), str(path))
    return path


def test_the_file_has_every_recurring_block_with_its_counts_and_place(rules: Path):
    sites = parse_site_rules(rules.read_bytes(), "rules")
    assert set(sites) == {host.split(".", 1)[1] for host in FRAMES}
    for host, (_, menu, shared, footer) in FRAMES.items():
        site = sites[host.split(".", 1)[1]]
        found = {block.text: (block.num_documents, block.position) for block in site.blocks}
        assert site.num_documents == 6
        assert found.pop(menu) == (6, "head")
        assert found.pop(footer) == (6, "foot")
        ((text, (count, position)),) = found.items()
        assert text in {shared.format(number) for number in range(900)}
        assert (count, position) == (6, "foot")


@pytest.mark.parametrize("host", FRAMES)
def test_a_single_page_is_cleaned_of_what_was_learned_and_the_ledger_cites_it(rules: Path, host: str):
    blocks = frame_of(host)
    (plain,) = clean_documents([page(f"www.{host}", *blocks)], Config())
    assert not [removal for removal in plain.removals if removal.rule == "site-boilerplate"]
    (found,) = clean_documents([page(f"www.{host}", *blocks)], Config(site_rules=str(rules)))
    assert found.cleaned.decode().strip() == blocks[1]
    for removal in found.removals:
        notes = {reason.name: (reason.value, reason.note) for reason in removal.evidence}
        assert removal.rule == "site-boilerplate"
        assert notes["site-rules"][1] == "an entry of site-rules.toml"
        assert notes["documents"] == (6, "of 6 documents of the site")


def test_rules_of_one_site_are_for_no_other(rules: Path):
    blocks = frame_of("bee.example.org")
    for host in ("example.edu", "notexample.org", "org"):
        (found,) = clean_documents([page(host, *blocks)], Config(site_rules=str(rules)))
        assert not [removal for removal in found.removals if removal.rule == "site-boilerplate"]


def test_the_same_corpus_gives_the_same_bytes_in_any_order_and_with_any_jobs(tmp_path: Path):
    rows = pages(5)
    expected = write_site_rules(learn_sites(corpus(tmp_path / "a", rows)), None)
    assert write_site_rules(learn_sites(corpus(tmp_path / "b", rows, 3), jobs=2), None) == expected
    shuffled = list(rows)
    random.Random(4).shuffle(shuffled)
    again = write_site_rules(learn_sites(corpus(tmp_path / "c", shuffled, 2)), None)
    numbers = str.maketrans("", "", "0123456789")  # which page serves as the example of a counter may change
    assert again.decode().translate(numbers) == expected.decode().translate(numbers)


def test_a_deleted_entry_stays_even_in_a_corpus_where_it_recurs(rules: Path, tmp_path: Path):
    menu = FRAMES["bee.example.org"][1]
    sites = parse_site_rules(rules.read_bytes(), "rules")
    blocks = tuple(block for block in sites["example.org"].blocks if block.text != menu)
    edited = tmp_path / "edited.toml"
    edited.write_bytes(dump_site_rules({"example.org": LearnedSite(num_documents=6, blocks=blocks)}, "test"))
    inputs = find_inputs(corpus(tmp_path / "in", pages(6)))
    clean_records(inputs, plan_outputs(inputs, str(tmp_path / "out")), Config(site_rules=str(edited)))
    texts = {
        row["id"]: row["text"] for line in (tmp_path / "out" / "0.jsonl").read_bytes().splitlines()
        for row in [json.loads(line)]
    }  # fmt: skip
    for name, text in texts.items():
        host = name.rstrip("0123456789")
        assert (FRAMES[host][1] in text) == (host == "bee.example.org"), "sites not in the file are counted as ever"
        assert FRAMES[host][3] not in text


def test_a_block_to_keep_is_touched_by_no_rule(tmp_path: Path):
    path = tmp_path / "rules.toml"
    body = prose(random.Random(1), "en", 60)
    document = page("www.example.org", body, "Also read:", body.split("\n\n")[0] + " More.")
    assert b"Also read" not in clean_documents([document], Config())[0].cleaned
    path.write_text('[sites."example.org"]\nblocks = [{ text = "ALSO READ", keep = true }]\n')
    assert b"Also read" in clean_documents([document], Config(site_rules=str(path)))[0].cleaned


def test_an_entry_by_hand_needs_nothing_but_the_words(tmp_path: Path):
    path = tmp_path / "rules.toml"
    path.write_text('[sites."example.org"]\nblocks = ["The editor is away on Mondays.", "News in 5 minutes"]\n')
    body = prose(random.Random(1), "en", 60)
    blocks = (body, "The editor is away on Mondays.", "NEWS in 12 minutes")
    (found,) = clean_documents([page("example.org", *blocks)], Config(site_rules=str(path)))
    assert [removal.text.strip() for removal in found.removals] == list(blocks[1:])
    assert {removal.evidence[1].name for removal in found.removals} == {"site-rules-written"}


def test_the_headline_that_an_address_spells_stays_on_its_page(tmp_path: Path):
    path = tmp_path / "rules.toml"
    entry = '[[sites."example.org".blocks]]\ntext = "Rivers rise again in the North"\nnum_documents = 30\n'
    path.write_text('[sites."example.org"]\nnum_documents = 40\n' + entry)
    body = prose(random.Random(1), "en", 60)
    (found,) = clean_documents([page("example.org", TITLE, body)], Config(site_rules=str(path)))
    assert found.cleaned.decode().startswith(TITLE)
    other = Document("in#0", "in", *[f"{TITLE}\n\n{body}".encode()] * 2, record=0, host="example.org", url=None)
    assert not clean_documents([other], Config(site_rules=str(path)))[0].cleaned.decode().startswith(TITLE)


def test_learning_again_leaves_what_people_wrote(rules: Path, tmp_path: Path):
    path = tmp_path / "rules.toml"
    menu = FRAMES["bee.example.org"][1]
    path.write_text(
        '[sites."example.org"]\nblocks = [{ text = "By hand" }, { text = "old", num_documents = 9 }, '
        f'{{ text = "{menu}", keep = true, num_documents = 6 }}]\n[sites."other.example.org"]\nblocks = ["Alone"]\n'
    )
    write_site_rules(parse_site_rules(rules.read_bytes(), "rules"), str(path))
    sites = parse_site_rules(path.read_bytes(), "rules")
    texts = {block.text: block for block in sites["example.org"].blocks}
    assert "By hand" in texts
    assert "old" not in texts
    assert texts[menu].keep
    assert len(texts) == 4
    assert [block.text for block in sites["other.example.org"].blocks] == ["Alone"]


@given(st.lists(st.text(min_size=1, max_size=30), max_size=6), st.text(max_size=10))
def test_hostile_text_comes_back_as_it_was_or_not_at_all(texts: list[str], site: str):
    blocks = tuple(SiteBlock(text=text, num_documents=2) for text in texts)
    raw = dump_site_rules({site: LearnedSite(num_documents=3, blocks=blocks)}, "test")
    assert not set(raw) & {*range(9), *range(14, 32), 127, 11, 12}
    found = parse_site_rules_of_any_text(raw, site)
    assert sorted(found) == sorted(text for text in texts if text.strip())


def parse_site_rules_of_any_text(raw: bytes, site: str) -> list[str]:
    """Entries that are white space alone cannot be rules, and only they."""
    table = tomllib.loads(raw.decode())["sites"][site]
    return [block["text"] for block in table["blocks"] if block["text"].strip()]


def test_what_turns_the_direction_of_writing_is_escaped_and_surrogates_are_left_out():
    texts = ("a\u202eb", "zero\u200bwidth", "\x1b[31mred", "new\nline \"quoted\" \\", "lone \ud800", "\u2028")
    raw = dump_site_rules({"x\u202e": LearnedSite(blocks=tuple(SiteBlock(text=text) for text in texts))}, "test")
    assert raw.isascii()
    (site,) = parse_site_rules(raw.replace(b'text = "\\u2028"', b'text = "z"'), "rules").items()
    assert site[0] == "x\u202e"
    assert {block.text for block in site[1].blocks} == {*texts[:4], "z"}


CASES = [
    ("not toml", "is not valid TOML"),
    ('schema = "site-rules/9"', "its schema is 'site-rules/9'"),
    ("sites = 3", "sites is not a table"),
    ('[sites."a.example"]\nblocks = 3', "site 'a.example': has no list of blocks"),
    ('[sites."a.example"]\nblocks = [3]', "site 'a.example', entry 1: the entry is 3"),
    ('[sites."a.example"]\nblocks = ["x", { text = " " }]', "entry 2: text is ' '"),
    ('[sites."a.example"]\nblocks = [{ text = "x", keep = 1 }]', "entry 1: keep is 1; expected true or false"),
    ('[sites."a.example"]\nblocks = [{ text = "x", num_documents = 0 }]', "num_documents is 0; expected a whole"),
    ('[sites."a.example"]\nblocks = [{ text = "x", position = "left" }]', "expected one of head, middle, foot"),
    ('[sites."a.example"]\nblocks = ["2026"]', "'2026' has no letter"),
]


@pytest.mark.parametrize(("content", "message"), CASES, ids=[case[1] for case in CASES])
def test_a_file_that_cannot_be_used_is_named_with_the_entry(content: str, message: str):
    with pytest.raises(ConfigError, match=message) as caught:
        SiteRules(content.encode(), "my-rules.toml")
    assert str(caught.value).startswith("my-rules.toml: ")


def test_a_narrow_site_says_more_than_the_wide_one_it_is_in():
    content = (
        '[sites."example.org"]\nblocks = ["Wide", { text = "Both", keep = true }]\n'
        '[sites."sport.example.org"]\nblocks = ["Narrow", "Both"]\n'
    )
    rules = SiteRules(content.encode(), "rules")
    narrow, wide = (rules.rules_for(page(host, "x")) for host in ("www.sport.example.org", "www.example.org"))
    assert narrow is not None
    assert wide is not None
    assert (len(narrow), len(wide)) == (3, 2)
    assert [sum(rule[3] for rule in each.values()) for each in (narrow, wide)] == [0, 1]
    assert merge_written({}, {"a": LearnedSite()}) == {}


def test_the_command_learns_and_the_next_one_obeys(tmp_path: Path):
    corpus(tmp_path / "in", pages(4))
    one = {"id": "1", "url": "https://bee.example.org/x", "text": "\n\n".join(frame_of("bee.example.org"))}
    (tmp_path / "one.jsonl").write_bytes(as_lines([one])[0])

    def call(*words: str) -> subprocess.CompletedProcess[bytes]:
        return commands.run(*words, cwd=tmp_path, env=dict(os.environ))

    done = call("learn", "in", "-o", "rules.toml")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"9 blocks of 3 sites in rules.toml" in done.stderr
    done = call("clean", "one.jsonl", "-o", "out", "--site-rules", "rules.toml")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "one.jsonl").read_text())["text"].strip() == frame_of("bee.example.org")[1]
    assert call("learn", "in").stdout == (tmp_path / "rules.toml").read_bytes()
    done = call("clean", "one.jsonl", "-o", "out2", "--site-rules", "nowhere.toml")
    assert done.returncode == 2
    assert b"nowhere.toml: cannot be read" in done.stderr
