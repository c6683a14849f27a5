"""Hold every setting of a run in one frozen record that checks itself, and read it from files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from dedupe.errors import ConfigError

# What each preset asks of the evidence. .90: no line of the golden texts in which nothing may go is
# proposed above it, with a margin; .70 and .50 are for people who read the report.
PRESETS = {"careful": 0.9, "standard": 0.7, "thorough": 0.5}

KEEP_NAMES = ("longest", "first", "newest")  # what `keep` may be besides the name of a field


class HostRules(NamedTuple):
    """Hold what is said of one host and of the hosts below it; `cues` and `protect` as in `Config`."""

    host: str
    cues: tuple[tuple[str, str], ...] = ()
    protect: tuple[str, ...] = ()


# Flags of `clean` that people look for among the settings.
_FLAGS_ONLY = ("jobs", "memory", "resume", "engine", "master", "spark_conf", "decisions", "against", "against_mode",
               "report", "output", "fail_over", "fail_on_undecided", "fail_on_new")  # fmt: skip
OWN_CUE = "own"  # the category of wording that is given without one


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Set how a run finds, decides and writes. Every default has its source beside it.

    >>> Config(preset="standard").least_confidence
    0.7
    """

    preset: Literal["careful", "standard", "thorough"] = "careful"  # a wrong removal is worse than a missed one
    min_confidence: float | None = None  # 0-1; None: what the preset says
    near_duplicates: Literal["report", "drop", "off"] = "report"  # whole documents go on request only
    min_resemblance: float = 0.8  # 0-1; common in published corpora (C4, RefinedWeb, SlimPajama)
    min_containment: float = 0.8  # 0-1; finds 96.7 % of extractor pairs, no two different articles exceed .3
    keep: str = "longest"  # longest, first, newest, or the name of a field
    shared_passages: Literal["report", "keep-first", "off"] = "report"
    min_passage_tokens: int = 50  # Lee et al. 2021 use 50 tokens for exact substrings
    num_perm: int = 128  # 21 bands of 6 rows: recall .99 at resemblance .8
    seed: int = 1  # of the permutations; datasketch's default
    encoding: str = "utf-8"  # of text files; records in JSON, Parquet and WARC say their own
    on_error: Literal["skip", "fail"] = "skip"  # other records go on, the bad one is listed
    text_field: str | None = None  # None: guessed where only one name is likely
    id_field: str | None = None
    url_field: str | None = None
    site_field: str | None = None  # None: the host of the address, else the folder
    cues: tuple[tuple[str, str], ...] = ()  # (category, phrase): more wording that marks boilerplate
    protect: tuple[str, ...] = ()  # regular expressions; blocks they match never go
    hosts: tuple[HostRules, ...] = ()  # more of both for single hosts and what is below them
    site_rules: str | None = None  # a file of `dedupe learn`: what it says of a site stands

    def __post_init__(self) -> None:
        for name, hint in _hints().items():
            _check_choice(name, hint, getattr(self, name))
        for name in ("min_confidence", "min_resemblance", "min_containment"):
            value = getattr(self, name)
            if value is not None:
                check_fraction(name, value)
        for name, least in (("min_passage_tokens", 5), ("num_perm", 16), ("seed", 0)):
            check_whole(name, getattr(self, name), least)
        if not self.keep:
            raise ConfigError(f"keep is ''; expected {', '.join(KEEP_NAMES)}, or the name of a field")
        _check_encoding(self.encoding)
        _check_shape("protect", self.protect, _is_list_of_text, '("^Editor\'s note",)')
        _check_shape("cues", self.cues, _is_list_of_pairs, '(("also_read", "More on this:"),)')
        _check_shape("hosts", self.hosts, _is_list_of_rules, '(HostRules("example.org", protect=("^Note",)),)')
        _check_patterns(self.protect)
        _check_hosts(self.hosts)

    @property
    def least_confidence(self) -> float:
        """Give the confidence from which a removal is made, 0-1."""
        return PRESETS[self.preset] if self.min_confidence is None else self.min_confidence

    def digest(self) -> str:
        """Hash all settings; 16 hex digits, the same for equal configurations."""
        import hashlib
        import json

        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def settings_of(config: Config | None) -> Config:
    """Give the settings that a program handed over, the defaults for None.

    Raises: ConfigError: it is no `Config`.
    """
    if config is not None and not isinstance(config, Config):
        raise ConfigError(f'config is {type(config).__name__}; expected a Config, say Config(preset="standard")')
    return Config() if config is None else config


def check_fraction(name: str, value: object) -> None:
    """Refuse what is no number above 0 and at most 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 1:
        raise ConfigError(f"{name} is {value!r}; expected a number above 0 and at most 1")


def check_whole(name: str, value: object, least: int) -> None:
    """Refuse what is no whole number from `least` to 2**32 - 1, the largest that a seed can be."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name} is {value!r}; expected a whole number, {least} or more")
    if value >= 1 << 32:
        raise ConfigError(f"{name} is {value!r}; expected at most {(1 << 32) - 1}")


@cache
def _hints() -> dict[str, Any]:
    return get_type_hints(Config)


def _check_choice(name: str, hint: Any, value: Any) -> None:
    if get_origin(hint) is Literal and value not in get_args(hint):
        raise ConfigError(f"{name} is {value!r}; expected one of {', '.join(get_args(hint))}")
    wants_text = isinstance(value, str) or (value is None and hint is not str)
    if hint in (str, str | None) and not wants_text:
        raise ConfigError(f"{name} is {value!r}; expected text")


def _check_shape(name: str, value: Any, is_right: Callable[[Any], bool], example: str) -> None:
    if not is_right(value):  # a text would be taken letter by letter
        raise ConfigError(f"{name} is {value!r}; expected a tuple, say {example}")


def _check_encoding(encoding: str) -> None:
    try:
        "".encode(encoding)
    except (LookupError, UnicodeError) as error:
        raise ConfigError(f"encoding is {encoding!r}; expected a name such as utf-8, cp1252 or utf-16") from error


def _check_patterns(patterns: tuple[str, ...], where: str = "protect") -> None:
    if patterns:
        import regex  # only where patterns are given

        for pattern in patterns:
            try:
                regex.compile(pattern)
            except regex.error as error:
                raise ConfigError(f"{where} has {pattern!r}, which is not a regular expression: {error}") from error


def _check_hosts(hosts: tuple[HostRules, ...]) -> None:
    if hosts:
        from dedupe.hosts import is_public_suffix, plain_name

        for rules in hosts:
            if is_public_suffix(plain_name(rules.host)) or not rules.host.strip("./"):
                raise ConfigError(
                    f"hosts has {rules.host!r}, under which anybody has sites; name one of them, such as example.org"
                )
            _check_patterns(rules.protect, f"protect of host {rules.host!r}")


def load_config(path: Path | str | None = None, start: Path | str | None = None, **flags: Any) -> Config:
    """Read the configuration: `flags` over the file `path`, else over `dedupe.toml` or `[tool.dedupe]` of
    pyproject.toml in `start` (the working folder) or the nearest folder above that has one. Flags that are
    None are not set.

    Raises: ConfigError: naming the file and the setting that cannot be used.
    """
    settings: dict[str, Any] = {}
    found = Path(path) if path else _nearest(Path(start) if start else Path.cwd())
    if found is not None:
        settings = _read_toml(found)
    try:
        config = replace(Config(), **_known(settings))
    except ConfigError as error:
        raise ConfigError(f"{found}: {error}") from None
    return replace(config, **{name: value for name, value in flags.items() if value is not None})


def _nearest(folder: Path) -> Path | None:
    for place in (folder, *folder.parents):
        if (place / "dedupe.toml").is_file():
            return place / "dedupe.toml"
        project = place / "pyproject.toml"
        if project.is_file() and b"[tool.dedupe" in project.read_bytes():
            return project
    return None


def _read_toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; give an existing file to --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}; mend the line it names") from error
    if path.name == "pyproject.toml":
        content = content.get("tool", {}).get("dedupe", {})
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: [tool.dedupe] is not a table; expected settings such as preset = \"standard\"")
    return content


def _known(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Check names and turn tables and lists into the record's tuples."""
    names = {item.name for item in fields(Config)}
    known: dict[str, Any] = {}
    for key, value in settings.items():
        name = key.replace("-", "_")
        if name not in names:
            raise ConfigError(_unknown(key, name, names))
        known[name] = _as_tuples(name, value)
    return known


def _unknown(key: str, name: str, names: set[str]) -> str:
    """Say of a setting that does not exist what it may have been meant to be."""
    import difflib  # only for a mistake

    if name == "tool":
        return "[tool.dedupe] is for pyproject.toml; in other files settings stand at the top, without that table"
    if name in _FLAGS_ONLY:
        return f"{key!r} is no setting, since it belongs to one run; give the flag --{name.replace('_', '-')}"
    near = difflib.get_close_matches(name, names, 1)
    is_near = f", near to {near[0]!r}" if near else ""
    return f"unknown setting {key!r}{is_near}; expected one of {', '.join(sorted(names))}"


def _as_tuples(name: str, value: Any) -> Any:
    if name == "cues":
        if not isinstance(value, dict) or not all(map(_is_list_of_text, value.values())):
            raise ConfigError("cues is not a table of lists; expected, say, cues.also_read = [\"More on this:\"]")
        return tuple((category, phrase) for category, phrases in sorted(value.items()) for phrase in phrases)
    if name == "protect":
        if not _is_list_of_text(value):
            raise ConfigError("protect is not a list of patterns; expected, say, protect = [\"^Editor's note\"]")
        return tuple(value)
    return _host_rules(value) if name == "hosts" else value


def _host_rules(value: Any) -> tuple[HostRules, ...]:
    if not isinstance(value, dict) or not all(isinstance(table, dict) for table in value.values()):
        raise ConfigError('hosts is not a table of tables; expected, say, hosts."example.org".protect = ["^Note"]')
    rules = []
    for host, table in sorted(value.items()):
        if unknown := sorted(table.keys() - {"cues", "protect"}):
            raise ConfigError(f"host {host!r} has an unknown setting {unknown[0]!r}; expected cues or protect")
        cues = table.get("cues", {})
        try:
            own = _as_tuples("cues", {OWN_CUE: cues} if _is_list_of_text(cues) else cues)
            rules.append(HostRules(host, own, _as_tuples("protect", table.get("protect", []))))
        except ConfigError as error:
            raise ConfigError(f"host {host!r}: {error}") from None
    return tuple(rules)


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _is_list_of_pairs(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(_is_list_of_text(pair) and len(pair) == 2 for pair in value)


def _is_list_of_rules(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, HostRules) for item in value)
