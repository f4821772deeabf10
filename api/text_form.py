"""Text in one form: an accent typed as a letter and a mark is the same as the accented letter (Unicode NFC).

Two forms of a name would be two names to everything that compares bytes.
"""

import json
import re
import unicodedata
from collections.abc import Iterable

MARKS_IN_A_ROW = 30
"""No language needs more (Unicode's stream-safe form). Ordering them takes a time that grows as their square."""


def _runs(points: Iterable[int]) -> re.Pattern[str]:
    """Two marks or more. The first is written apart, so that the engine skips at once to where one stands."""
    mark = f"[{re.escape(''.join(chr(point) for point in points if unicodedata.combining(chr(point))))}]"
    return re.compile(f"{mark}{mark}++")


RUNS = _runs(range(0x300, 0x10000))
RARE_RUNS = _runs(range(0x10000, 0x1F000))  # Apart: a set of both is forty times slower to look through.
STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)


class TooManyMarks(ValueError):
    """A letter carries too many combining marks."""


def composed(raw: bytes) -> bytes:
    """A JSON document of the same meaning with its text in NFC. Raises TooManyMarks, and UnicodeDecodeError.

    String by string, once read: in the document itself a mark would join the `n` of a line end's escape.
    """
    if raw.isascii() and b"\\u" not in raw:
        return raw
    return STRING.sub(_composed, raw.decode()).encode()


def _composed(found: re.Match[str]) -> str:
    """What is no JSON string, or no text, is left to whoever refuses it."""
    written = found[0]
    if written.isascii() and "\\u" not in written:
        return written
    try:
        text: str = json.loads(written)
        text.encode()
    except ValueError:
        return written
    for runs in (RUNS, RARE_RUNS) if max(text, default="") > "\uffff" else (RUNS,):
        if any(len(run[0]) > MARKS_IN_A_ROW for run in runs.finditer(text)):
            raise TooManyMarks
    normal = unicodedata.normalize("NFC", text)
    return written if normal == text else json.dumps(normal, ensure_ascii=False)
