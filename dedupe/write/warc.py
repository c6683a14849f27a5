"""Write an archive record again around a new text: lengths and digests follow it, all else stays."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re

from dedupe.errors import DedupeError

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"(?im)^(Content-Length:[ \t]*)\d+")
_DIGEST = re.compile(rb"(?im)^(WARC-(Block|Payload)-Digest:[ \t]*)([a-z0-9-]+):([^\r\n]*)")
_TYPE = re.compile(rb"(?im)^WARC-Type:[ \t]*response[ \t]*\r?$")


def spell_plain_warc(old: bytes, text: bytes) -> bytes:
    """Write a record of an archive that is not compressed.

    >>> old = b"WARC/1.0\\r\\nWARC-Type: conversion\\r\\nContent-Length: 4\\r\\n\\r\\na b\\n\\r\\n\\r\\n"
    >>> spell_plain_warc(old, b"a")
    b'WARC/1.0\\r\\nWARC-Type: conversion\\r\\nContent-Length: 1\\r\\n\\r\\na\\r\\n\\r\\n'
    """
    head, found, rest = old.partition(_HEAD_END)
    length = _LENGTH.search(head)
    if not found or length is None:
        raise DedupeError("a WARC record has no Content-Length; nothing was written")
    size = int(length[0].rpartition(b":")[2])
    block, tail = rest[:size], rest[size:]
    http = b""
    if _TYPE.search(head):
        http, end, _ = block.partition(_HEAD_END)
        http = _LENGTH.sub(b"\\g<1>%d" % len(text), http) + end
    new_block = http + text
    head = _LENGTH.sub(b"\\g<1>%d" % len(new_block), head)
    head = _DIGEST.sub(lambda match: _digest(match, text if match[2].lower() == b"payload" else new_block), head)
    return head + found + new_block + tail


def spell_gzip_warc(old: bytes, text: bytes) -> bytes:
    """Write a record of an archive with one gzip member a record."""
    return gzip.compress(spell_plain_warc(gzip.decompress(old), text), mtime=0)


def _digest(match: re.Match[bytes], content: bytes) -> bytes:
    """Hash again with the same function and spelling; what cannot be stays, as no reader could check it either."""
    name = match[3].decode().lower().replace("-", "")
    if name not in ("md5", "sha1", "sha256", "sha512"):
        return match[0]
    digest = hashlib.new(name, content, usedforsecurity=False).digest()
    old = match[4].strip()
    in_hex = len(old) == 2 * len(digest)
    spelled = digest.hex().encode() if in_hex else base64.b32encode(digest)
    if old.islower() and not in_hex:
        spelled = spelled.lower()
    return match[1] + match[3] + b":" + spelled
