"""Make a small corpus with repeats of every kind, hostile records among them; the same for the same seed."""

from __future__ import annotations

import json
import random

_WORDS = {
    "en": [
        "river", "town", "mayor", "bridge", "water", "engineers", "council", "market", "school", "winter", "morning",
        "report", "people", "storm", "repair", "road",
    ],
    "el": [
        "ποτάμι", "πόλη", "δήμαρχος", "γέφυρα", "νερό", "μηχανικοί", "συμβούλιο", "αγορά", "σχολείο", "χειμώνας",
        "πρωί", "έκθεση", "κόσμος", "δρόμος",
    ],
    "zh": list("河水城市长桥工程师会议场学校冬天早晨报告人民风暴修路年月日大小"),
}


def prose(chance: random.Random, language: str, num_words: int) -> str:
    """Write paragraphs of sentences."""
    space, stop = (" ", ". ") if language != "zh" else ("", "。")
    paragraphs = []
    while num_words > 0:
        sentences = []
        for _ in range(chance.randint(2, 4)):
            size = chance.randint(9, 18)
            words = chance.choices(_WORDS[language], k=size)
            words[chance.randrange(size)] += str(chance.randrange(10**6))
            sentences.append(space.join(words).capitalize())
            num_words -= size
        paragraphs.append(stop.join(sentences) + stop.strip())
    return "\n\n".join(paragraphs)


def records(num_docs: int = 240, seed: int = 1) -> list[dict[str, object]]:
    """Make records of eight sites: articles in a frame, copies, near copies, pages that hold an article."""
    chance = random.Random(seed)
    made: list[dict[str, object]] = []
    bodies: list[str] = []
    for number in range(num_docs):
        site = chance.randrange(8)
        kind = chance.random()
        if bodies and kind < 0.15:
            body = chance.choice(bodies)
        elif bodies and kind < 0.3:
            words = chance.choice(bodies).split(" ")
            words[chance.randrange(len(words))] = "flood"
            body = " ".join(words)
        elif bodies and kind < 0.35:
            body = chance.choice(bodies) + "\n\n" + prose(chance, "en", 400)
        else:
            body = prose(chance, chance.choice(("en", "en", "el", "zh")), chance.randint(60, 260))
        bodies.append(body)
        lines = [
            f"Home of paper {'abcdefgh'[site]}", "News · Sport · Culture", f"Title {number} of the day", body,
            f"Shared {chance.randrange(900)} times on paper {'abcdefgh'[site]}", "Also read:",
            "Subscribe to our newsletter for the best stories",
        ]  # fmt: skip
        made.append({
            "n": number, "id": f"doc-{number:05}", "url": f"https://www.paper{site}.example.org/{number}",
            "text": "\n\n".join(lines), "extra": [1.50, None, "ü/\u2028"],
        })  # fmt: skip
    return made


def as_lines(made: list[dict[str, object]]) -> list[bytes]:
    return [json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in made]


HOSTILE = (
    b"not json\n", b'{"id": "x"}\n', b'{"id": "y", "text": null}\n', b'{"id": "z", "text": 5}\n', b"\n",
    b'{"id": "empty", "text": ""}\n', b'{"id": "doc-00001", "text": "the same id again"}\n',
    b'{"id": "lone", "text": "a \\ud800 surrogate", "url": "https://x.example/\\ud800"}\n',
    b'{"id": "esc", "text": "\\u0000\\u001b[31mred\\u202e", "url": "not an address"}\n', b"[1, 2]\n",
    b'{"id": "broken", "text": "caf\xe9 \xff"}\n', b'{"id": "stars", "text": "***\\n\\n***"}\n',
)  # fmt: skip
