"""Make scraped texts in which there is something to remove: headlines, prose, cues, copies, teasers, odd bytes."""

from __future__ import annotations

import os

from hypothesis import settings
from hypothesis import strategies as st

NUM_TEXTS = 10  # each try of a property cleans this many texts at once
_MORE = int(os.environ.get("DEDUPE_TEST_TRIES", "1"))  # 10 or more before a release


def tries(num_tries):
    """Try a property on this many batches, or on a multiple of it."""
    return settings(max_examples=num_tries * _MORE)


BRIDGE_HEADLINE = "Council approves the new bridge over the river"
BRIDGE_BODY = [
    "The town council voted on Tuesday to build a bridge over the river at the old mill, after four years of talks "
    "with the owners of the land on both banks.",
    "Work is to begin in the spring, the mayor said, and the road along the mill will be closed to lorries until the "
    "piers stand and the deck is laid across them.",
    "Neighbors of the mill had asked for a tunnel instead, which the engineers of the county found would have cost "
    "three times as much and flooded each autumn.",
]
BRIDGE_PAGE = "\n\n".join(
    [BRIDGE_HEADLINE, BRIDGE_HEADLINE, "By Ana Petrova", *BRIDGE_BODY[:2],
     "Also read:\nhttps://example.org/mill-road-closed", "Share this article", BRIDGE_BODY[2], BRIDGE_HEADLINE]
) + "\n"  # fmt: skip

HEADLINES = [
    "Harbour ferry out of service after crack is found in rudder",
    "Council votes to keep the night bus to the northern suburbs",
    "Городской совет сохранил ночной автобус до северных районов",
    "市议会决定保留开往北部郊区的夜间巴士线路",
    "El consejo mantiene el autobús nocturno a los barrios del norte",
]
PROSE = [
    "The ferry to the outer islands was taken out of service on Thursday evening after the crew found a crack in one "
    "of the two rudders. Passengers who were already on board waited for three hours in the saloon, where the cook "
    "handed out soup and bread to everyone who asked.",
    "The company says that a smaller boat will carry the mail and the schoolchildren until the repair is done, which "
    "the yard expects to take eleven days, weather allowing.",
    "Le conseil a voté jeudi soir le maintien du bus de nuit vers les quartiers du nord, après trois heures de débat "
    "et malgré l’avis contraire de la commission des finances, qui jugeait la ligne trop coûteuse.",
    "Городской совет в четверг вечером проголосовал за сохранение ночного автобуса до северных районов, несмотря на "
    "возражения финансовой комиссии, которая сочла маршрут слишком дорогим для бюджета города.",
    "市议会周四晚上经过三个小时的辩论，投票决定保留开往北部郊区的夜间巴士，尽管财务委员会认为这条线路对城市预算来说过于昂贵，"
    "并建议改用小型出租车接送乘客。",
    "“We have seen worse,” said the harbour master, who has held the post for nineteen years and who remembers the "
    "winter of 1987, when the ice closed the sound for six weeks.",
]
CUES = [
    "Also read:",
    "Read more",
    "Share on Facebook",
    "Subscribe to our newsletter",
    "Advertisement",
    "Lesen Sie auch:",
    "À lire aussi :",
    "https://example.org/harbour-ferry-out-of-service",
    "***",
    "---",
    "(End)",
    "Comments",
    "Photo 1",
    "Photo 2",
    "Photo 3",
    "The old harbour at dusk (1)",
    "The old harbour at dusk (2)",
    "Yes.",
    "Pros",
    "Cons",
]
BIO = (
    "Maud Tarrington has written about ships and harbours for the paper since 2009. She lives on the northern shore "
    "with two dogs, and her book about the lighthouse keepers of the outer islands came out last spring."
)
LINE_ENDS = ["\n", "\n", "\n\n", "\n\n", "\n\n", "\r\n", "\r\n\r\n", "\r", "\u2028", "\n \t\n"]
TEASERS = [
    f"{HEADLINES[0]}Maud Tarrington, The Harbour Post, June 11 2014:… {PROSE[0][:150]}… {HEADLINES[0]}",
    f"{PROSE[1][:90]}…",
    f"{HEADLINES[1]}{HEADLINES[1]}",
    f"{HEADLINES[0]} {HEADLINES[0].replace('ferry', 'boat')}",
]
ODD_BYTES = [
    b"\xff",
    b"\xc3",
    b"\xe2\x80",
    b"\xed\xa0\x80",
    b"\x00",
    b"\x1b[31m",
    "\u202e".encode(),
    "\u0301".encode(),
    "\ufeff".encode(),
    "\u00a0".encode(),
    b" ",
    b"\t",
]

_PASSAGES = st.sampled_from([*HEADLINES, *HEADLINES, *PROSE, *PROSE, *PROSE, *CUES, BIO, BIO, *TEASERS]).map(str.encode)
_ODD = st.sampled_from(ODD_BYTES)


@st.composite
def passages(draw):
    """A passage of the pool, now and then with stray bytes in front, behind or inside."""
    passage = draw(_PASSAGES)
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.sampled_from([0, len(passage) // 2, len(passage)]))
        passage = passage[:at] + draw(_ODD) + passage[at:]
    return passage


@st.composite
def raw_texts(draw, max_passages=16):
    """A document as bytes: passages between line ends of every kind, a BOM sometimes, sometimes no end."""
    pieces = [b"\xef\xbb\xbf"] if draw(st.integers(0, 9)) == 0 else []
    for passage in draw(st.lists(passages(), max_size=max_passages)):
        pieces += [passage, draw(st.sampled_from(LINE_ENDS)).encode()]
    if pieces and draw(st.booleans()):
        pieces.pop()
    return b"".join(pieces)
