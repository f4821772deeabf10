"""Rules as people write them, in YAML. A strict subset: no tags, anchors or aliases, no surprise booleans."""

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from operator import attrgetter
from typing import Any

import yaml

from domain.rules import RuleRefused, Ruleset, parse_rules
from domain.rules.reading import pointer

SIZE_MAX = 256 * 1024
DEPTH_MAX = 32

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]{1,3})?")
_WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    ".inf": float("inf"),
    "+.inf": float("inf"),
    "-.inf": float("-inf"),
}
"""Plain words that are no texts, as in YAML 1.2: `on`, `yes` and `no` stay texts, and so do dates."""


def load_rules(text: str | bytes) -> Ruleset:
    """Read a rules file: a rule, a list of them, `{groups, rules}`, or several such documents. Raises RuleRefused."""
    return parse_rules(load_documents(text))


def load_documents(text: str | bytes) -> list[Any]:
    """The documents of a rules file, whatever they say. Raises RuleRefused for what is no YAML of this subset."""
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > SIZE_MAX:
        raise RuleRefused("", f"the document is larger than {SIZE_MAX // 1024} kB.")
    try:
        documents = list(_documents(raw.decode()))
    except UnicodeDecodeError:
        raise RuleRefused("", "the document is not UTF-8 text.") from None
    except yaml.YAMLError as error:
        raise RuleRefused("", f"this is not YAML: {_place_of(error)}.") from None
    return [document for document in documents if document is not None]


def one_by_one(documents: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Each rule of documents that were found sound as a document of its own, with the groups that were declared."""
    for document in documents:
        groups = document.get("groups") if isinstance(document, dict) else None
        rules = document["rules"] if isinstance(document, dict) and "rules" in document else document
        for rule in [rules] if isinstance(rules, dict) else rules:
            yield {"groups": groups, "rules": [rule]} if groups else rule


def shipped_rules() -> Ruleset:
    """The rules that come with the product: a few files by theme, read in the order of their names."""
    folder = files("application") / "default_rules"
    texts = [file.read_text(encoding="utf-8") for file in sorted(folder.iterdir(), key=attrgetter("name"))]
    return load_rules("\n---\n".join(texts))


class _Node:
    """A collection being filled."""

    def __init__(self, path: str, *, is_mapping: bool) -> None:
        self.path = path
        self.value: Any = {} if is_mapping else []
        self.key: Any = _NO_KEY

    def next_path(self) -> str:
        if isinstance(self.value, list):
            return pointer(self.path, len(self.value))
        return self.path if self.key is _NO_KEY else pointer(self.path, str(self.key))

    def put(self, item: Any, line: int) -> None:
        if isinstance(self.value, list):
            self.value.append(item)
        elif self.key is _NO_KEY:
            if isinstance(item, dict | list):
                raise RuleRefused(self.path, f"line {line}: a key is a plain text.")
            if item in self.value:
                raise RuleRefused(pointer(self.path, str(item)), f"line {line}: this key is given twice.")
            self.key = item
        else:
            self.value[self.key] = item
            self.key = _NO_KEY


_NO_KEY = object()


def _documents(text: str) -> Iterator[Any]:
    """Build plain values from parsing events: a stack instead of recursion, so that depth is ours to limit."""
    stack: list[_Node] = []
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.DocumentStartEvent):
            stack = [_Node("", is_mapping=False)]
        elif isinstance(event, yaml.DocumentEndEvent):
            yield stack[0].value[0]
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            path = _accept(event, stack)
            stack.append(_Node(path, is_mapping=isinstance(event, yaml.MappingStartEvent)))
        elif isinstance(event, yaml.CollectionEndEvent):
            done = stack.pop()
            stack[-1].put(done.value, _line(event))
        elif isinstance(event, yaml.ScalarEvent):
            path = _accept(event, stack)
            stack[-1].put(_scalar(event, path), _line(event))
        elif isinstance(event, yaml.AliasEvent):
            raise RuleRefused(_path(stack), f"line {_line(event)}: aliases (*{event.anchor}) are not accepted.")


def _accept(event: Any, stack: list[_Node]) -> str:
    """The path of the value that starts here. Refuses tags, anchors and depths."""
    path = _path(stack)
    if event.anchor is not None:
        raise RuleRefused(path, f"line {_line(event)}: anchors (&{event.anchor}) are not accepted.")
    if event.tag is not None:
        raise RuleRefused(path, f"line {_line(event)}: tags ({event.tag}) are not accepted.")
    if len(stack) > DEPTH_MAX:
        raise RuleRefused(path, f"line {_line(event)}: nested more than {DEPTH_MAX} deep.")
    return path


def _path(stack: list[_Node]) -> str:
    return stack[-1].next_path() if len(stack) > 1 else ""


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(event: yaml.ScalarEvent, path: str) -> Any:
    value = str(event.value)
    if not event.implicit[0]:
        return value
    if value in _WORDS:
        return _WORDS[value]
    if value == "<<":
        raise RuleRefused(path, f"line {_line(event)}: merge keys (<<) are not accepted.")
    if _INTEGER.fullmatch(value):
        return int(value)
    return float(value) if _DECIMAL.fullmatch(value) else value


def _place_of(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be read"
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark is not None else str(problem)
