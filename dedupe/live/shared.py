"""Store documents in Redis, where several processes put them in and ask for them at once.

datasketch's MinHashLSH can keep its buckets in Redis itself. We keep the same buckets with commands of our own, since
with those of datasketch 2.0 (a) a document goes in by 22 transactions, so a server that dies between them leaves a
document that is known and cannot be found, and cannot be inserted again; (b) taking a document out looks whether its
bucket is empty and then deletes it, and loses what another process put there in between; (c) a query waits for the
server once a band; (d) ids are pickled unless told otherwise. Here a batch is one transaction, a query waits
twice, and every value that is read is checked and is an id, an array or settings in JSON.

Keys, NS being the namespace:

    NS:about                settings, JSON; whoever opens the index must have the same
    NS:ids                  set of ids
    NS:doc:ID               shingles of a document, as `entry.pack` writes them
    NS:band:BB:BUCKET       set of the ids in a bucket; BB the band as two bytes, BUCKET its values
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np

from dedupe.errors import ConfigError, MissingDependencyError, StoreError
from dedupe.live.entry import Entry, Setup, Shingles, check_same, decode_id, encode_id, pack, unpack
from dedupe.sketch import signatures

_MAX_ATTEMPTS = 100  # of a transaction whose documents another process changes at that very moment
_TIMEOUT_SECONDS = 30.0
_SCHEMA = "live/1"


class RedisStore:
    """Hold documents in a Redis server; processes and threads may share it."""

    def __init__(self, setup: Setup, address: str, namespace: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", namespace):
            raise ConfigError(
                f"namespace is {namespace!a}; expected 1 to 64 letters and digits of ASCII, '.', '_' or '-'"
            )
        self._setup, self._prefix = setup, namespace.encode() + b":"
        self._redis = _load_redis()
        self._about = msgspec.json.encode({"schema": _SCHEMA, **asdict(setup)})
        try:
            self._client = self._client_of(address)
            options = self._client.connection_pool.connection_kwargs
            options["decode_responses"] = False  # an address may ask for it
            self._server = options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
            self._check_server()
        except (ValueError, TypeError) as error:  # the parts of an address become arguments
            raise ConfigError(
                f"the address of the Redis server cannot be used: {error}; expected redis://HOST:PORT/DATABASE"
            ) from error

    def _client_of(self, address: str) -> Any:
        retry = self._redis.retry.Retry(self._redis.backoff.NoBackoff(), 1)  # a connection that lay idle may be dead
        return self._redis.Redis.from_url(
            address, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS / 6, retry=retry
        )

    def _check_server(self) -> None:
        with self._talk():
            self._client.set(self._prefix + b"about", self._about, nx=True)
            self._check_about(self._client.get(self._prefix + b"about"))

    @contextmanager
    def _talk(self) -> Iterator[None]:
        """Turn what goes wrong between us and the server into errors that say what to do."""
        errors = self._redis.exceptions
        try:
            yield
        except (errors.AuthenticationError, errors.ResponseError, errors.DataError) as error:
            raise StoreError(
                f"the Redis server at {self._server} refused a command: {error}; mend that and call again"
            ) from error
        except (errors.RedisError, OSError) as error:
            raise StoreError(
                f"the Redis server at {self._server} cannot be reached: {error}; see that it runs and is the right "
                "address, then call again: what was stored already is not stored twice"
            ) from error

    def _check_about(self, stored: bytes | None) -> None:
        if stored is None or stored == self._about:
            return
        theirs = self._readable(b"about", stored)
        ours = {"schema": _SCHEMA, **asdict(self._setup)}
        differing = [f"{name} {theirs.get(name)!r} and not {value!r}" for name, value in ours.items()
                     if theirs.get(name) != value]
        raise ConfigError(
            f"the index {self._prefix[:-1].decode()!r} in the Redis server at {self._server} was made with "
            f"{', '.join(differing) or 'other settings'}; use those settings or another namespace"
        )

    def _readable(self, key: bytes, stored: bytes) -> dict[str, Any]:
        try:
            return msgspec.json.decode(stored, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise self._broken(self._prefix + key, str(error)) from error

    def _broken(self, key: bytes, reason: str) -> StoreError:
        return StoreError(
            f"the Redis server at {self._server} holds a value that is not ours or was changed, under the key "
            f"{ascii(key)[1:]}: {reason}; delete that key and insert its document again, or use another namespace"
        )

    def add(self, entries: Sequence[Entry]) -> int:
        """Put documents in, all or none, in one transaction; see `LiveIndex.insert_many`."""
        by_id: dict[str, Entry] = {}
        for entry in entries:
            check_same(entry, by_id.setdefault(entry.id, entry).shingles)
        keys = [self._prefix + b"about", *(self._doc_key(doc_id) for doc_id in by_id)]
        return self._change(keys, lambda pipe: self._queue_documents(pipe, keys, list(by_id.values())))

    def _queue_documents(self, pipe: Any, keys: list[bytes], entries: list[Entry]) -> int:
        about, *known = pipe.mget(keys)
        self._check_about(about)
        num_new = 0
        for key, stored, entry in zip(keys[1:], known, entries, strict=True):
            if stored is None:
                num_new += 1
            else:
                check_same(entry, self._unpacked(key, stored))
        pipe.multi()
        if about is None:  # the server began anew; else left alone, for those who write at once watch it
            pipe.set(keys[0], self._about)
        for key, entry in zip(keys[1:], entries, strict=True):  # known ones again: sets and equal values do not mind
            pipe.set(key, pack(entry.shingles))
            pipe.sadd(self._prefix + b"ids", encode_id(entry.id))
            for bucket in self._bucket_keys(entry):
                pipe.sadd(bucket, encode_id(entry.id))
        return num_new

    def remove(self, doc_id: str) -> bool:
        """Take a document out, in one transaction; say whether it was there."""
        key = self._doc_key(doc_id)
        return self._change([key], lambda pipe: self._queue_removal(pipe, key, doc_id)) == 1

    def _queue_removal(self, pipe: Any, key: bytes, doc_id: str) -> int:
        stored = pipe.get(key)
        pipe.multi()
        if stored is None:
            return 0
        shingles = self._unpacked(key, stored)
        bounds = np.array([0, len(shingles)])
        signature = signatures(shingles, bounds, self._setup.num_perm, self._setup.seed, fast=False)[0]
        pipe.delete(key)
        pipe.srem(self._prefix + b"ids", encode_id(doc_id))
        for bucket in self._bucket_keys(Entry(doc_id, shingles, signature)):
            pipe.srem(bucket, encode_id(doc_id))
        return 1

    def _change(self, keys: list[bytes], queue: Callable[[Any], int]) -> int:
        """Read `keys` and write what `queue` makes of them, unless they change meanwhile: then anew."""
        with self._talk():
            for _ in range(_MAX_ATTEMPTS):
                with self._client.pipeline() as pipe:
                    try:
                        pipe.watch(*keys)
                        found = queue(pipe)
                        pipe.execute()
                        return found
                    except self._redis.exceptions.WatchError:
                        continue
        raise StoreError(
            f"the Redis server at {self._server}: other processes changed the same documents {_MAX_ATTEMPTS} times "
            "while they were being written; call again"
        )

    def candidates(self, entries: Sequence[Entry]) -> list[set[str]]:
        """Give the ids of documents that share a bucket with each entry, asking the server once."""
        keys = [self._bucket_keys(entry) for entry in entries]
        flat = list(dict.fromkeys(key for each in keys for key in each))
        ids = {key: self._ids(key, found) for key, found in zip(flat, self._ask("smembers", flat), strict=True)}
        return [{doc_id for key in each for doc_id in ids[key]} for each in keys]

    def shingles(self, ids: Sequence[str]) -> list[Shingles | None]:
        """Give the shingles of documents, asking the server once; None for those that are not there."""
        keys = [self._doc_key(doc_id) for doc_id in ids]
        values = self._ask("get", keys)
        return [None if value is None else self._unpacked(key, value) for key, value in zip(keys, values, strict=True)]

    def _ask(self, command: str, keys: list[bytes]) -> list[Any]:
        if not keys:
            return []
        with self._talk(), self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                getattr(pipe, command)(key)
            return list(pipe.execute())

    def _doc_key(self, doc_id: str) -> bytes:
        return self._prefix + b"doc:" + encode_id(doc_id)

    def _bucket_keys(self, entry: Entry) -> list[bytes]:
        if not len(entry.shingles):
            return []
        buckets = enumerate(self._setup.buckets(entry.signature))
        return [b"%sband:%s:%s" % (self._prefix, band.to_bytes(2, "big"), bucket) for band, bucket in buckets]

    def _unpacked(self, key: bytes, stored: object) -> Shingles:
        try:
            return unpack(stored)
        except ValueError as error:
            raise self._broken(key, str(error)) from error

    def _ids(self, key: bytes, members: set[bytes]) -> list[str]:
        try:
            return [decode_id(member) for member in members]
        except UnicodeDecodeError as error:
            raise self._broken(key, f"an id is not UTF-8 ({error})") from error

    def __len__(self) -> int:
        with self._talk():
            return int(self._client.scard(self._prefix + b"ids"))

    def __contains__(self, doc_id: str) -> bool:
        with self._talk():
            return bool(self._client.exists(self._doc_key(doc_id)))

    def close(self) -> None:
        """Close the connections to the server."""
        self._client.close()


def _load_redis() -> Any:
    try:
        redis = importlib.import_module("redis")
        for name in ("backoff", "exceptions", "retry"):
            importlib.import_module(f"redis.{name}")
    except ImportError as error:
        raise MissingDependencyError("redis", "redis", "a live index in Redis") from error
    return redis
