"""What goes and what stays, rule by rule, in documents small enough to judge by eye."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from msgspec.structs import replace
from scraped_texts import BIO, HEADLINES, PROSE

from dedupe.api import clean
from dedupe.config import PRESETS, Config
from dedupe.decide import decide
from dedupe.decide.page import Page, is_glued
from dedupe.decide.quiet import _may_be_glued
from dedupe.decide.together import held_together
from dedupe.normalize import source_map
from dedupe.pipeline import observe
from dedupe.records import Texts

_CONFIGS = {preset: Config(preset=preset) for preset in PRESETS}
EN, FR, RU, ZH = PROSE[0], PROSE[2], PROSE[3], PROSE[4]
ZH_2 = "港口管理员说，他在这个岗位上工作了十九年，见过比这更糟糕的冬天，那一年海峡被冰封了六个星期，船只无法出港。"
PLAIN = [PROSE[0], PROSE[1], PROSE[5]]
ALSO, LINK = "Also read:", "https://example.org/news/night-bus-to-the-suburbs-is-kept"
CAPTION = "The old harbour at dusk seen from the ferry"
TEASER = f"{CAPTION}Maud Tarrington, The Harbour Post, June 11 2014:… {EN[:180]}… {HEADLINES[0]}"

# (name, blocks, rows that go at every preset)
GOES = [
    ("headline three times", [HEADLINES[0], EN, HEADLINES[0], PROSE[1], HEADLINES[0], PROSE[5]], {2, 4}),
    ("headline twice, Russian", [HEADLINES[2], RU, HEADLINES[2], EN], {2}),
    ("headline twice, Chinese", [HEADLINES[3], ZH, HEADLINES[3], ZH_2], {2}),
    ("headline twice, Spanish", [HEADLINES[4], EN, HEADLINES[4], FR], {2}),
    ("bio twice", [HEADLINES[0], EN, BIO, PROSE[1], BIO, PROSE[5]], {4}),
    ("paragraph twice", [*PLAIN, EN], {3}),
    ("teaser with caption, date and headline glued on", [HEADLINES[0], TEASER, *PLAIN], {1}),
    ("also-read cue", [EN, ALSO, PROSE[1], PROSE[5]], {1}),
    ("also-read cue, its link and the headline in it", [EN, ALSO, LINK, "Night bus to the suburbs is kept", PROSE[5]],
     {1, 2, 3}),
]
# (name, blocks): nothing goes at any preset
STAYS = [
    ("prose", PLAIN),
    ("refrain", [f"{line}\nRow on, row on, my sailor boy,\nRow on until the morning." for line in
                 ("The harbour bell is calling", "The winter tide is falling", "The northern star is shining")]),
    ("dialogue", ["“Did you see the boat?”", "“Yes.”", "“And the captain?”", "“Yes.”", "“Ice?”", "“Yes.”", EN]),
    ("pros and cons", ["Boat A", "Pros", EN, "Cons", PROSE[1], "Boat B", "Pros", PROSE[5], "Cons", FR]),
    ("questions and answers",
     ["Q: Does the ferry run on Sundays?", "A: Yes, at nine.", "Q: Does the bus run too?", "A: Yes, at nine.", EN]),
    ("lead that restates the body", [HEADLINES[0], EN[:EN.index(". ") + 1], PROSE[1], PROSE[5], EN]),
    ("rhetoric", [f"We will wait for the boat. We will wait for the boat. {EN}", PROSE[1]]),
    ("list entry", ["1. Take the ferry to the outer islands", EN, "1. Take the ferry to the outer islands", PROSE[1]]),
    ("table", ["Boat\tHarbour\tHour", "Maud\tNorth\t9:00", "Maud\tNorth\t9:00", "Maud\tNorth\t9:00"]),
    ("one line", ["Also read the small print before you sign anything at all, the harbour master says."]),
    ("scores", [EN, "North 2, South 1", "North 3, South 1", PROSE[1]]),
    ("hashtags, handles and addresses in a caption",
     [*PLAIN, "The harbour on ice in the #NorthWindWeek, pictures by @HarbourPost at pic.example.org/cLT72XQf", FR]),
    ("a line before a list", [*PLAIN, "The council gave the portWatch committee three things to do by June:", FR]),
]


def left_of(blocks, preset, line_end="\n\n"):
    return clean(line_end.join(blocks), _CONFIGS[preset]).text.strip()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(("blocks", "gone"), [case[1:] for case in GOES], ids=[case[0] for case in GOES])
def test_clear_repeats_and_debris_go_and_nothing_else_does(blocks, gone, preset):
    expected = "\n\n".join(block for row, block in enumerate(blocks) if row not in gone)
    assert left_of(blocks, preset) == expected


_LOST = {("list entry", "thorough")}
_TOO_BOLD = pytest.mark.xfail(strict=True, reason="at thorough a list entry goes")


@pytest.mark.parametrize(
    ("blocks", "preset"),
    [pytest.param(blocks, preset, id=f"{name}-{preset}", marks=[_TOO_BOLD] if (name, preset) in _LOST else [])
     for name, blocks in STAYS for preset in PRESETS],
)
def test_repeats_that_belong_to_a_text_stay(blocks, preset):
    assert left_of(blocks, preset) == "\n\n".join(blocks)


@pytest.mark.parametrize(
    ("doubled", "left", "preset"),
    [(CAPTION + CAPTION, CAPTION, "careful"), (f"{CAPTION} {CAPTION}", CAPTION, "standard"),
     (HEADLINES[3] * 2, HEADLINES[3], "careful"), (HEADLINES[2] * 2, HEADLINES[2], "careful")],
)
def test_a_line_that_says_itself_twice_loses_its_second_half(doubled, left, preset):
    blocks = [EN, doubled, PROSE[1], PROSE[5]]
    assert left_of(blocks, preset) == "\n\n".join([EN, left, PROSE[1], PROSE[5]])


def test_a_lead_that_restates_the_body_is_listed_as_kept_with_its_copy():
    lead = EN[:EN.index(". ") + 1]
    text = "\n\n".join([HEADLINES[0], lead, PROSE[1], PROSE[5], EN])
    kept = [each for each in clean(text).kept_repeats if each.text == lead]
    assert [each.rule for each in kept] == ["excerpt"]
    assert text[slice(*kept[0].kept.char)] == EN
    assert "no-mark" in {reason.name for reason in kept[0].evidence}


def test_the_first_copy_under_an_also_read_cue_is_the_one_that_goes():
    result = clean("\n\n".join([EN, ALSO, HEADLINES[1], PROSE[1], HEADLINES[1], PROSE[5], FR]))
    assert result.text.index(HEADLINES[1]) > result.text.index(PROSE[1])
    assert result.text.count(HEADLINES[1]) == 1


@pytest.mark.parametrize("preset", PRESETS)
def test_a_number_in_a_caption_that_stands_once_more_makes_no_hole_in_the_prose(preset):
    blocks = [*PLAIN, "Harbour view by night (1)", "Harbour view by night (2)", "Harbour view by night (3)"]
    left = left_of(blocks, preset)
    assert left.startswith("\n\n".join(PLAIN))
    assert "Harbour view by night (1)" in left


MENU = [f"* [{name}][{number}]" for number, name in enumerate(
    ["Home", "News", "Sport", "Weather", "Culture", "Contact", "Imprint", "Privacy", "Jobs", "Shop"] * 4, 1)]
ADDRESSES = [f"[{number}]: https://example.org/section/{number}" for number in range(1, 41)]


def test_menus_of_numbered_links_are_no_lists_of_scores():
    """Converters number the links of a page and list the addresses below; the numbers make no table of them."""
    left = left_of([*MENU, HEADLINES[0], *PLAIN, EN, *ADDRESSES], "standard", "\n")
    assert all(paragraph in left for paragraph in PLAIN)
    assert sum(line in left.split("\n") for line in MENU + ADDRESSES) < 20


@pytest.mark.parametrize("preset", ["careful", "standard"])
@pytest.mark.parametrize("items", [
    ["Better support for old telephones", "Bugs fixed", "Challenges coming soon", "More questions for your opponent"],
    ["Lépések száma", "Új térképek", "Kevesebb hiba", "Gyorsabb indulás"],
    ["Больше вопросов", "Исправлены ошибки", "Новые карты", "Быстрый запуск"],
    ["新しい地図", "不具合の修正", "起動が速い", "質問を追加"],
])
def test_a_list_without_links_stays_where_menus_are_written_with_them(items, preset):
    """On a page that a converter wrote, what links is marked; four lines that are not were written by somebody."""
    menu = [f"- [{name}](https://example.org/{at})" for at, name in enumerate(
        ["Home", "News", "Sport", "Weather", "Culture", "Contact", "Imprint", "Privacy", "Jobs", "Shop"] * 7)]
    written = [f"- {item}" for item in items]
    left = left_of([*menu, f"# {HEADLINES[0]}", *PLAIN[:2], *written, *menu[:9]], preset, "\n").split("\n")
    assert [line for line in written if line in left] == written
    assert preset == "careful" or sum(line in left for line in menu) < len(menu)


@pytest.mark.parametrize("preset", ["careful", "standard"])
@pytest.mark.parametrize("lines", [
    ["> Nobody takes our slogan, the mayor wrote", "> and all of us laughed for a day"],
    ["> Никто не возьмёт наш лозунг, написал мэр", "> и мы смеялись целый день"],
    ["> 市長は誰も標語を取らないと書いた", "> 私たちは一日中笑った"],
    ["> لن يأخذ أحد شعارنا كتب رئيس البلدية", "> وضحكنا جميعا طوال اليوم"],
    ["Kira Busch │ Orlam Bees │ first", "Joa Logano │ Harbour Owls │ second"],
    ["* More questions for your opponent", "* Dozens of new maps"],
])
def test_quotations_drawn_tables_and_written_lists_of_a_page_stay_where_they_are_no_sure_junk(lines, preset):
    """The model took each line for junk, with a confidence that is enough for menus; menus have numbered links."""
    blocks = [*MENU, EN, *lines, "Harbour news", FR, RU]
    config = _CONFIGS[preset]
    seen = observe(Texts.of(["\n\n".join(blocks).encode()]), config)
    junk = np.array([0.0 if block in (EN, FR, RU) else 0.92 for block in blocks], np.float32)
    decision = decide(replace(seen, junk=junk, page_likeness=np.ones(1, np.float32)), config, source_map)[0]
    gone = {seen.texts.data[slice(*finding.span)].tobytes().decode() for finding in decision.removed}
    assert gone >= {"Harbour news", *MENU[:4]}
    assert not gone & set(lines)


_SCRIPTS = [
    "!function(e,t){for(var n=0;n<t.length;n++){e[t[n]]=function(){return{a:n}}}}(window,[1,2]);" * 4,
    ".nav{margin:0}.nav a{color:#fff}.nav a:hover{color:#000}" * 5,
    '{"@type":"Person","name":"Ana","url":"https:\\/\\/example.org\\/ana","tags":["bee","hill"]},' * 4,
]
_NO_SCRIPTS = [
    "港口委员会周一表示，新的码头将于明年春天开放。" * 20,
    '{"正文":"港口委员会周一表示，新的码头将于明年春天开放"},' * 12,
    "ท่าเรือแห่งใหม่จะเปิดในฤดูใบไม้ผลิหน้า" * 12, "Use {name} and {place} in the form, and {date} where it asks. " * 8,
    "short{};{};{}",
]


@pytest.mark.parametrize(
    ("likeness", "preset", "goes"), [(1, "standard", True), (1, "careful", False), (0, "standard", False)]
)
def test_lines_of_program_and_data_leave_a_whole_page_but_not_at_careful(likeness, preset, goes):
    """Text without spaces, data that holds such text, and patterns with places to fill in are none."""
    blocks = [*MENU, *MENU, EN, *_SCRIPTS, *_NO_SCRIPTS, FR, RU]
    config = _CONFIGS[preset]
    seen = observe(Texts.of(["\n\n".join(blocks).encode()]), config)
    likely = replace(seen, junk=np.zeros(len(blocks), np.float32), page_likeness=np.full(1, likeness, np.float32))
    decision = decide(likely, config, source_map)[0]
    gone = {seen.texts.data[slice(*finding.span)].tobytes().decode() for finding in decision.removed}
    assert gone & {*_SCRIPTS} == ({*_SCRIPTS} if goes else set())
    assert not gone & {*_NO_SCRIPTS, EN, FR, RU}


@pytest.mark.parametrize(
    ("text", "glued"),
    [("against IranProfessor Tim", True), ("起動ホットキーがKeePassと被る", False), ("the #NorthWindWeek", False),
     ("see pic.example.org/cLT72XQf", False), ("Mr McDonald’s iPhone and YouTube", False)],
)
def test_words_run_together_are_told_from_names_and_addresses(text, glued):
    assert is_glued(text) == glued


def test_every_capital_behind_a_small_letter_is_looked_at():
    """Blocks that cannot be glued are told by their bytes; none that the pattern would find may be among them."""
    capitals = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Lu"]
    before = ("a", "é", "я", "ω", "ſ", "9", "٣", ".", "!", "?", '"', "“")
    texts = [f"{before[at % len(before)]}{capital}b".encode() for at, capital in enumerate(capitals)]
    data, offsets = np.frombuffer(b"".join(texts), np.uint8), np.cumsum([0, *map(len, texts)])
    assert _may_be_glued(data, offsets[:-1], offsets[1:]).all()


@pytest.mark.parametrize("text", ["Words Of A Title", "déjà été", "Слова заголовка", "北京大学", "καλά λόγια", "A1 b2"])
def test_what_cannot_be_glued_is_passed_over(text):
    data = np.frombuffer(b"a" + text.encode(), np.uint8)
    assert not _may_be_glued(data, np.array([1]), np.array([len(data)]))[0]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_whole_page_that_would_lose_its_prose_keeps_it_and_at_careful_its_menus_too(preset):
    menu = [f"{place} {kind}" for place in ("Harbour", "Island", "Ferry", "Town", "Порт", "港口") for kind in
            ("news", "weather", "pictures", "archive", "notices", "letters", "prices", "sport", "events", "jobs")]
    blocks = [*menu, EN, FR, RU, ZH]
    config = _CONFIGS[preset]
    seen = observe(Texts.of(["\n\n".join(blocks).encode()]), config)
    sure = replace(seen, junk=np.full(len(blocks), 0.97, np.float32), page_likeness=np.ones(1, np.float32))
    decision = decide(sure, config, source_map)[0]
    assert decision.guarded
    prose_at = len("\n\n".join(menu).encode())
    assert all(finding.span[1] <= prose_at for finding in decision.removed)
    assert bool(decision.removed) == (preset != "careful")


def _held(lines: list[bytes], junk: list[float]) -> set[int]:
    """Ask which of the lines that the model is sure of stay at `careful` for what they belong to."""
    texts = Texts.of([b"\n".join(lines)])
    seen = replace(observe(texts, Config()), junk=np.array(junk, np.float32))
    page = Page(seen, 0, source_map)
    assert len(page.rows) == len(junk)
    return held_together(page, {row for row in page.rows if junk[row] >= PRESETS["careful"]}, set())


def test_no_line_is_torn_out_of_a_small_group_of_text() -> None:
    """The hours stay with the address; where most of the group is doubtful, or it is long, nothing is held."""
    group = [PROSE[0].encode(), b"", b"Ada Harbour", b"Lamps and shadows", b"Gallery of the Old Port",
             b"Quay Street 15", b"9.30 A.M. / 7.00 P.M.", b"", PROSE[1].encode()]  # fmt: skip
    assert _held(group, [0.1, 0.2, 0.2, 0.3, 0.4, 0.93, 0.1]) == {5}
    assert _held(group, [0.1, 0.8, 0.8, 0.8, 0.8, 0.93, 0.1]) == set()


def test_a_sentence_is_not_cut_and_its_times_and_emphasis_are_no_marks_of_menus() -> None:
    """The line that goes on with a sentence stays, and notes with a time or a title between slashes."""
    lines = [b"The council said that the harbour would be closed to all ships that", b"come from the northern islands.",
             b"", b"Editor's note: This story was updated at 5:45 p.m. to include details from the hearing.", b"",
             b"No date for the fourth /Northern Star/ film has been announced.", b"", b"Weather 17:35", b"",
             b"See /news/harbour/closed and all that was written about it there"]  # fmt: skip
    assert _held(lines, [0.2, 0.93, 0.93, 0.93, 0.93, 0.93]) == {1, 2, 3}


def test_a_post_that_an_article_quotes_is_no_share_bar() -> None:
    """A post of some words with its picture stays at careful; a bare address and an invitation to follow do not."""
    lines = [PROSE[0].encode(), b"",
             b"The bridge opens at dawn, bring lamps https://t.co/y5Wn5UBP8S by @adaharbour pic.twitter.com/cLT72XQfD3",
             b"", b"pic.twitter.com/cLT72XQfD3", b"",
             b"Follow @adaharbour for news of the harbour, the ferries and all the bridges of the town"]  # fmt: skip
    assert _held(lines, [0.1, 0.95, 0.95, 0.95]) == {1}
