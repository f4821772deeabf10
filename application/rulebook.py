"""Rules as people write them, in YAML. A strict subset: no tags, anchors or aliases, no surprise booleans."""

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from operator import attrgetter
from typing import Any

import yaml

from domain.rules import RuleRefused, Ruleset, parse_rules
from domain.rules.complaints import Complaint, Words
from domain.rules.document import written_in
from domain.rules.reading import pointer

SIZE_MAX = 256 * 1024
DEPTH_MAX = 32
DIGITS_MAX = 18

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9]+")
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

_PROBLEMS_FR = {
    "mapping values are not allowed in this context": "un deux-points n'a pas sa place ici ; vérifiez les retraits",
    "found character that cannot start any token": "ni tabulation ni @, % ou ` au début d'un texte sans guillemets",
    "found unexpected end of stream": "le texte s'arrête avant la fermeture d'un guillemet",
    "did not find expected node content": "il manque une valeur, ou la fin d'une liste",
    "did not find expected '-' indicator": "un tiret de liste est attendu ; vérifiez les retraits",
    "did not find expected ',' or ']'": "une virgule ou un crochet fermant est attendu",
    "did not find expected ',' or '}'": "une virgule ou une accolade fermante est attendue",
    "did not find expected key": "un nom de champ est attendu ; vérifiez les retraits",
    "could not find expected ':'": "il manque un deux-points après le nom du champ",
}
"""What the parser says of the most usual mistakes."""


def load_rules(text: str | bytes) -> Ruleset:
    """Read a rules file: a rule, a list, `{groups, types, rules}`, or several such documents. Raises RuleRefused."""
    return parse_rules(load_documents(text))


def load_documents(text: str | bytes) -> list[Any]:
    """The documents of a rules file, whatever they say. Raises RuleRefused for what is no YAML of this subset."""
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > SIZE_MAX:
        raise RuleRefused("", Complaint.DOCUMENT_TOO_LARGE, kilobytes=SIZE_MAX // 1024)
    try:
        documents = list(_documents(raw.decode()))
    except UnicodeDecodeError:
        raise RuleRefused("", Complaint.NOT_UTF8) from None
    except yaml.YAMLError as error:
        raise _not_yaml(error) from None
    return [document for document in documents if document is not None]


def one_by_one(documents: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Each rule of documents that were found sound as a document of its own, with the names that were declared."""
    for written in written_in(documents):
        yield written.alone


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
                raise RuleRefused(self.path, Complaint.YAML_KEY_NOT_PLAIN, line=line)
            if item in self.value:
                raise RuleRefused(pointer(self.path, str(item)), Complaint.YAML_KEY_TWICE, line=line)
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
            raise RuleRefused(_path(stack), Complaint.YAML_ALIAS, line=_line(event), name=str(event.anchor))


def _accept(event: Any, stack: list[_Node]) -> str:
    """The path of the value that starts here. Refuses tags, anchors and depths."""
    path = _path(stack)
    if event.anchor is not None:
        raise RuleRefused(path, Complaint.YAML_ANCHOR, line=_line(event), name=event.anchor)
    if event.tag is not None:
        raise RuleRefused(path, Complaint.YAML_TAG, line=_line(event), name=event.tag)
    if len(stack) > DEPTH_MAX:
        raise RuleRefused(path, Complaint.YAML_TOO_DEEP, line=_line(event), most=DEPTH_MAX)
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
        raise RuleRefused(path, Complaint.YAML_MERGE_KEY, line=_line(event))
    if _INTEGER.fullmatch(value):
        if len(value.lstrip("+-")) > DIGITS_MAX:
            raise RuleRefused(path, Complaint.NUMBER_TOO_LARGE)
        return int(value)
    return float(value) if _DECIMAL.fullmatch(value) else value


def _not_yaml(error: yaml.YAMLError) -> RuleRefused:
    """Where the parser stopped and why, which it says in English only."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return RuleRefused("", Complaint.NOT_YAML_TEXT)
    told = Words(_PROBLEMS_FR.get(problem, "la lecture s'arrête là"), problem)
    return RuleRefused("", Complaint.NOT_YAML, line=mark.line + 1, column=mark.column + 1, problem=told)
