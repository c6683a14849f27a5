"""Serve the review of a ledger on this machine, to one browser: the front end of the report, with a store behind it.

Only the loopback interface is listened on. The address that is printed holds a token that works once; it buys a cookie
that other sites' pages cannot send. Requests for another host name (DNS rebinding) and writes from another origin are
refused, and no answer carries a CORS header. A decision is in the decisions file before its request is answered.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from http.cookies import SimpleCookie
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from dedupe.decisions import parse_decisions
from dedupe.errors import ConfigError, DedupeError, MissingDependencyError
from dedupe.review.answers import Answers
from dedupe.review.overview import document, documents, meta_of, overview
from dedupe.review.store import Store, open_store
from dedupe.review.verdicts import Review, decisions_beside

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}
_MAX_BODY_BYTES = 1_000_000
_MAX_PAGE = 1000
_FIRST_FILTER = {"q": "", "order": "risk", "kind": ["removed"]}  # of the page: answered before anyone asks
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Decide who may ask: who holds the cookie that the token buys, under our own name and from our own pages."""

    def __init__(self, port: int, token: str) -> None:
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"}
        self.token: str | None = token
        self.cookie = secrets.token_urlsafe(24)
        self.cookie_name = f"dedupe_review_{port}"

    def refusal(self, request: Request) -> tuple[int, str] | None:
        """Return the status and the reason to refuse a request with, None where it may go on."""
        if request.headers.get("host", "").lower() not in self.hosts:
            return 421, "this server answers to 127.0.0.1 and localhost only"
        origin = request.headers.get("origin")
        if origin is not None and origin.lower().removeprefix("http://") not in self.hosts:
            return 403, "requests from other sites are refused"
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return 403, "requests from other sites are refused"
        if request.method == "POST" and origin is None:
            return 403, "a write has to say where it comes from"
        if not self.knows(request):
            return 401, "open the address that `dedupe review` printed; it works once"
        return None

    def knows(self, request: Request) -> bool:
        """Tell whether the request carries the cookie; the token is used up by the first that shows it."""
        cookies = SimpleCookie()
        cookies.load(request.headers.get("cookie", ""))
        found = cookies.get(self.cookie_name)
        if found is not None and secrets.compare_digest(found.value, self.cookie):
            return True
        shown = request.query_params.get("token", "") if request.url.path == "/" else ""
        if self.token is None or not secrets.compare_digest(shown.encode(), self.token.encode()):
            return False
        self.token = None
        return True


def make_app(store: Store, texts: Mapping[str, bytes], decisions_path: Path, port: int, token: str) -> Starlette:
    """Return the application, which starlette's test client or a server can run.

    Raises:
        MissingDependencyError: starlette is not installed.
        InputError: the decisions file cannot be read.
    """
    try:
        from starlette.applications import Starlette
        from starlette.responses import RedirectResponse, Response
        from starlette.routing import Route
    except ImportError as error:
        raise MissingDependencyError("starlette", "review", "the review app") from error
    review = Review(store, decisions_path)
    answers = Answers(store, review.status, texts)
    answers.view(_FIRST_FILTER)
    guard = Guard(port, token)

    def reply(value: Any, status: int = 200) -> Response:
        return Response(msgspec.json.encode(value), status, _HEADERS, "application/json")

    def guarded(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def ask(request: Request) -> Response:
            refusal = guard.refusal(request)
            if refusal:
                return reply({"error": refusal[1]}, refusal[0])
            try:
                return await answer(request)
            except (DedupeError, msgspec.DecodeError, KeyError, ValueError, TypeError, IndexError) as error:
                return reply({"error": f"{type(error).__name__}: {error}"}, 400)

        return ask

    async def page(request: Request) -> Response:
        if "token" in request.query_params:
            answer = RedirectResponse("/", 303, _HEADERS)
            answer.set_cookie(guard.cookie_name, guard.cookie, path="/", httponly=True, samesite="strict")
            return answer
        html = _front("index.html").decode().replace("<html ", '<html data-adapter="http" ', 1)
        for mark, text in (("<!--title-->", "dedupe review"), ("<!--noscript-->", ""), ("<!--islands-->", "")):
            html = html.replace(mark, text)
        return Response(html, 200, _HEADERS, "text/html")

    async def front(request: Request) -> Response:
        name = request.path_params["name"]
        known = {entry.name for entry in resources.files("dedupe.review").joinpath("front").iterdir()}
        if name not in known:
            return reply({"error": "no such file"}, 404)
        return Response(_front(name), 200, _HEADERS, _TYPES.get(Path(name).suffix, "text/plain"))

    async def ask(request: Request) -> Response:
        body = await request.body()
        if len(body) > _MAX_BODY_BYTES:
            return reply({"error": "the question is too long"}, 413)
        asked: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
        return reply(_answer(request.path_params["question"], asked, answers, review))

    routes = [
        Route("/", guarded(page)),
        Route("/api/{question}", guarded(ask), methods=["POST"]),
        Route("/{name}", guarded(front)),
    ]
    return Starlette(routes=routes)


def _front(name: str) -> bytes:
    return resources.files("dedupe.review").joinpath("front", name).read_bytes()


def _answer(question: str, asked: dict[str, Any], answers: Answers, review: Review) -> Any:
    """Return the answer to one question of the front end; unknown questions and malformed ones raise."""
    filter_ = asked.get("filter") or {}
    if not isinstance(filter_, dict):
        raise ConfigError("a filter is an object")
    offset, limit = max(0, int(asked.get("offset", 0))), min(int(asked.get("limit", 100)), _MAX_PAGE)
    cluster = asked.get("cluster", 0)
    if question == "meta":
        return meta_of(answers, [msgspec.to_builtins(line) for line in review.unmatched]) | {
            "decisions": str(review.path)
        }
    if question == "query":
        return answers.view(filter_).answer | {"can_undo": review.can_undo}
    if question == "rows":
        return answers.rows(filter_, offset, limit)
    if question == "position":
        return answers.position(filter_, cluster)
    if question == "members":
        return answers.members(filter_, cluster, offset, limit)
    if question == "variants":
        return answers.variants(filter_, cluster)
    if question == "overview":
        return overview(answers)
    if question == "documents":
        return documents(answers, str(asked.get("q") or ""), bool(asked.get("near")), offset, limit)
    if question == "document":
        return document(answers, str(asked["doc"]))
    if question == "save":
        return {"path": str(review.path), "num_lines": len(review.decisions)}
    return _change(question, asked, answers, review)


def _change(question: str, asked: dict[str, Any], answers: Answers, review: Review) -> Any:
    if question == "decide":
        done: Any = review.decide(asked["cluster"], asked["verdict"], asked["scope"], asked["row"])
    elif question == "bulk":
        if asked["verdict"] not in ("accept", "reject"):
            raise ConfigError(f"only accept and reject go for a whole filter, not {asked['verdict']!r}")
        done = review.bulk(answers.view(asked["filter"]).passed, asked["verdict"])
    elif question == "undo":
        done = review.undo()
    else:
        raise ConfigError(f"no such question: {question!r}")
    answers.forget()
    return done


def serve(
    ledger_path: str | os.PathLike[str],
    texts: Mapping[str, bytes] | None = None,
    *,
    decisions_path: str | os.PathLike[str] | None = None,
    store_path: str | os.PathLike[str] | None = None,
    port: int = 0,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve the review until it is interrupted.

    Args:
        texts: original bytes by the ledger's `doc`, read one by one as they are looked at.
        decisions_path: where decisions are read and appended, `decisions.jsonl` beside the ledger if None.
        store_path: where the index is kept, beside the ledger if None.
        port: 0 takes a free one.
        announce: is given the address to open, once the server is about to listen.

    Raises:
        MissingDependencyError: starlette or uvicorn is not installed.
        InputError: the ledger or the decisions cannot be read.
        DedupeError: the port is taken, or the index cannot be written.
    """
    import socket

    try:
        import uvicorn
    except ImportError as error:
        raise MissingDependencyError("uvicorn", "review", "the review app") from error
    path = Path(decisions_path) if decisions_path else decisions_beside(ledger_path)
    if path.exists():
        list(parse_decisions(path.read_bytes(), str(path)))
    store = open_store(ledger_path, store_path)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        raise DedupeError(
            f"port {port} cannot be used ({error.strerror}); give another, or 0 for a free one"
        ) from error
    listener.listen(64)
    token = secrets.token_urlsafe(24)
    app = make_app(store, texts or {}, path, listener.getsockname()[1], token)
    announce(f"http://127.0.0.1:{listener.getsockname()[1]}/?token={token}")
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, server_header=False))
    try:
        server.run(sockets=[listener])
    finally:
        listener.close()
        store.close()
