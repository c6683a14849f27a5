"""Credits of pictures, lines that say when a page was published, and notices about cookies."""

from __future__ import annotations

import numpy as np
import pytest
from scraped_texts import HEADLINES, PROSE

from dedupe.api import clean
from dedupe.config import Config
from dedupe.decide.credits import _may_end_in_credit, ends_in_credit
from dedupe.decide.stamps import is_stamp

STANDARD, CAREFUL = Config(preset="standard"), Config(preset="careful")
CAPTION = "Sailors break the ice before the first ferry of the winter leaves the harbour. (Photo: Maud Tarrington)"

CREDITS = [
    ("Protesters wear masks to protect their identities (Image: GETTY )", "label"),
    ("Parise celebrates his goal in Buffalo, N.Y. (AP Photo/Jeffrey T. Barnes)", "label"),
    ("The city was closed because of some marmots Credit: Vesti/The Siberian Times", "label"),
    ("The minister before the talks. Foto: Michael Kappeler/dpa", "label"),
    ("Der Hafen im Winter. Bild: KEYSTONE", "label"),
    ("Photo: Hau Dinh, AP", "label"),
    ("Image Credit: Harbour Watch", "label"),
    ("Паром у причала. Фото: Иван Петров", "label"),
    ("港のフェリー（写真：田中）", "label"),
    ("Nadal celebrates a point in Madrid on Tuesday. (Manu Fernandez/AP)", "agency"),
    ("Residents fetch water in the old town. Sonu Mehta/Hindustan Times/Getty Images", "agency"),
    ("The harbour at dusk. REUTERS/Brendan McDermid", "agency"),
]
NO_CREDITS = [
    "The minister will speak again on Friday, he said. (dpa)",
    "Both sides agreed to meet again next week. (AFP/Reuters)",
    "The firm is cooperating in the matter, a spokesperson said when contacted by Reuters.",
    "Erstes Bild: So könnte die Seilbahn aussehen",
    "Neues Foto: William zeigt sich mit Bart",
    "The boat is called Maud (built 1911).",
    "She took one last picture: the harbour, the ice and the ferry.",
    "He never gave anyone credit: it was all his own work, he said",
    "Yesterday (Lennon/McCartney)",
    "More pictures at (https://photo.example.org/photos/1)",
    "Das Modell lernt aus Daten. (Quelle: BMWK)",
]


@pytest.mark.parametrize(("text", "sign"), CREDITS)
def test_credits_of_pictures_are_seen_at_the_end_of_captions(text, sign):
    assert ends_in_credit(text) == sign


@pytest.mark.parametrize("text", NO_CREDITS)
def test_other_ends_are_no_credits(text):
    assert ends_in_credit(text) == ""


@pytest.mark.parametrize("text", [text for text, _ in CREDITS])
def test_the_quick_look_misses_no_credit(text):
    data = np.frombuffer(f"Before it. {text} Behind it.".encode(), np.uint8)
    assert _may_end_in_credit(data, np.array([11]), np.array([11 + len(text.encode())])).tolist() == [True]


def test_a_credited_caption_that_reads_as_prose_goes_at_standard_and_stays_at_careful():
    text = "\n\n".join([HEADLINES[0], PROSE[0], CAPTION, PROSE[1], PROSE[5]])
    assert clean(text, STANDARD).text == text.replace(f"{CAPTION}\n\n", "")
    assert clean(text, CAREFUL).text == text


def rules_of(text):
    """Name the evidence for what goes at standard."""
    return [reason.name for removal in clean(text, STANDARD).removals for reason in removal.evidence]


def test_a_document_of_captions_keeps_them():
    """A report in pictures is its captions."""
    captions = [f"{prose[:150]} (Photo: Maud Tarrington)" for prose in (PROSE[1], PROSE[2], PROSE[5])]
    assert "picture-credit" not in rules_of("\n\n".join([HEADLINES[0], PROSE[0], *captions]))
    assert rules_of("\n\n".join([HEADLINES[0], *PROSE[:2], PROSE[5], CAPTION, *PROSE[2:4]])) == ["picture-credit"]


def test_the_reporter_and_the_agency_under_the_last_paragraph_stay():
    last = "The ferry will sail again once the ice has gone, the harbour master said on Sunday. (Maud Hansen/dpa)"
    text = "\n\n".join([HEADLINES[0], *PROSE[:2], PROSE[5], last])
    assert last in clean(text, STANDARD).text


STAMPS = [
    "Nov. 19, 2019, 8:03 am ET", "Published 11:34 PM EST Nov 19, 2019", "29.04.2020, 15:59 Uhr",
    "Monday, November 18, 2019, 04:07 pm PT", "22.04.2020 10:32", "기사입력: 2018-08-25 15:24",
    "2019年11月20日 09:53",
]
NO_STAMPS = [
    "Saturday, November 23, 2019, 7:30 pm", "Termin: 28.02.2020, 18:30 Uhr", "Nachtrag 22.04.2020 10:33 Uhr:",
    '"Timestamp": "2030-08-14 17:43:12",', "The boat sails at 7:43 on March 3, 2020, and is back by noon",
    "7h43 - JO-2024 : les annonces", "La Vieille Ferme 2025, France ($14.99)", "By Maud Hill 11/19/19 06:56 AM EST",
    "Luke 2:14", "1911", "[2019-10-12 10:47:03] INFO",
]


@pytest.mark.parametrize("text", STAMPS)
def test_the_minute_that_a_page_was_published_is_a_stamp(text):
    assert is_stamp(text)


@pytest.mark.parametrize("text", NO_STAMPS)
def test_events_data_and_sentences_are_no_stamps(text):
    assert not is_stamp(text)


def test_a_stamp_goes_at_standard_alone_and_the_stamps_of_a_log_stay():
    stamp = "Nov. 19, 2019, 8:03 am"
    article = "\n\n".join([HEADLINES[0], stamp, *PROSE[:2], PROSE[5]])
    assert stamp not in clean(article, STANDARD).text
    assert clean(article, CAREFUL).text == article
    times = [f"Nov. 19, 2019, {hour}:{minute} am" for hour in range(1, 12) for minute in (11, 34, 52)]
    log = "\n\n".join(f"{time}\n\n{PROSE[at % 6]} ({at})" for at, time in enumerate(times))
    assert "time-stamp" not in rules_of(log)


NOTICE = ("We and our partners use cookies and other tracking technologies to improve your experience on our website, "
          "to show you personalized advertising, to analyze who reads what, and to understand where readers come from.")


@pytest.mark.parametrize("notice", [
    NOTICE,
    "Wir und unsere Partner verwenden Cookies auf unserer Webseite, um Inhalte und Anzeigen zu personalisieren, um "
    "Zugriffe zu messen und um zu verstehen, woher unsere Leser kommen. Mit der Nutzung stimmen Sie dem zu.",
])
def test_a_notice_about_cookies_apart_from_the_text_goes_at_standard_and_stays_at_careful(notice):
    text = "\n\n".join([HEADLINES[0], *PROSE[:2], PROSE[5], "Harbour Post", notice])
    assert notice not in clean(text, STANDARD).text
    assert "consent-notice" not in [reason.name for removal in clean(text, CAREFUL).removals
                                    for reason in removal.evidence]


def test_articles_that_speak_of_cookies_keep_all_of_it():
    """One about browsers, and a recipe whose last lines name a site."""
    recipe = ("Let the cookies cool on a rack for ten minutes before you fill them with the cream, and keep the rest "
              "in a tin, where they stay crisp for a week. More of our cookies are on the site of the bakery.")
    for blocks in ([HEADLINES[0], PROSE[0], NOTICE, *PROSE[1:3], "Harbour Post", NOTICE.replace("We", "They")],
                   [HEADLINES[0], *PROSE[:2], PROSE[5], recipe]):
        assert "consent-notice" not in rules_of("\n\n".join(blocks))
