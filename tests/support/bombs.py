"""Bodies that hurt somebody's parser: what each is answered by the route that records a referral.

Schema-based fuzzing finds none of these. Most are SECURITY's list; each of the others once cost more than it should.
"""

from typing import NamedTuple

PRIME = 2**61 - 1
"""Python's hash of an integer is its remainder by this: multiples all fall into one bucket."""


class Bomb(NamedTuple):
    body: bytes
    status: int
    code: str


def _text(content: str) -> bytes:
    return f'{{"note": "{content}"}}'.encode()


BOMBS: dict[str, Bomb] = {
    # No JSON
    "nothing": Bomb(b"", 400, "malformed_json"),
    "not JSON": Bomb(b"{to_agency: x}", 400, "malformed_json"),
    "cut off": Bomb(b'{"to_agency": "x', 400, "malformed_json"),
    "two documents": Bomb(b"{}{}", 400, "malformed_json"),
    "byte order mark": Bomb(b"\xef\xbb\xbf{}", 400, "malformed_json"),
    "not UTF-8": Bomb(b'{"to_agency": "\xff"}', 400, "malformed_json"),
    "UTF-16": Bomb('{"to_agency": "x"}'.encode("utf-16"), 400, "malformed_json"),
    "lone surrogate": Bomb(b'{"to_agency": "\\ud800"}', 400, "malformed_json"),
    "NUL escaped": Bomb(b'{"to_agency": "a\\u0000b"}', 400, "nul_character"),
    "NUL raw": Bomb(b'{"to_agency": "a\x00b"}', 400, "malformed_json"),
    "comment": Bomb(b'{"to_agency": "x" /* y */}', 400, "malformed_json"),
    "trailing comma": Bomb(b'{"to_agency": "x",}', 400, "malformed_json"),
    "gzip": Bomb(bytes.fromhex("1f8b08000000000002ff") + b"\0" * 200, 400, "malformed_json"),
    "msgpack array of four thousand million": Bomb(b"\xdd\xff\xff\xff\xff", 400, "malformed_json"),
    "XML with entities": Bomb(b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><a>&c;</a>', 400, "malformed_json"),
    # Another form
    "an array": Bomb(b"[]", 422, "invalid_body"),
    "null": Bomb(b"null", 422, "invalid_body"),
    "unknown field": Bomb(b'{"admin": true, "to_agency": "cpam", "theme": "x"}', 400, "unknown_field"),
    "prototype": Bomb(b'{"__proto__": {"admin": true}, "to_agency": "cpam"}', 400, "unknown_field"),
    "wrong type": Bomb(b'{"to_agency": 7, "theme": "x"}', 422, "invalid_body"),
    "missing field": Bomb(b'{"to_agency": "cpam"}', 422, "invalid_body"),
    # Names twice
    "same name twice": Bomb(b'{"to_agency": "cpam", "theme": "x", "to_agency": "caf"}', 400, "duplicate_name"),
    "same name escaped": Bomb(b'{"to_agency": "cpam", "theme": "x", "to_\\u0061gency": "caf"}', 400, "duplicate_name"),
    "same name in two forms": Bomb('{"\u00e9": 1, "e\u0301": 2}'.encode(), 400, "duplicate_name"),
    # Depth
    "1,500 brackets": Bomb(b"[" * 1_500, 400, "too_deep"),
    "1,500 brackets, closed": Bomb(b'{"note":' + b"[" * 1_500 + b"]" * 1_500 + b"}", 400, "too_deep"),
    "5,000 brackets": Bomb(b"[" * 5_000, 400, "too_complex"),
    "5,000 brackets in a field": Bomb(b'{"note":' + b"[" * 5_000 + b"]" * 5_000 + b"}", 400, "too_complex"),
    "256 kB of brackets": Bomb(b"[" * 262_000, 400, "too_complex"),
    "256 kB of braces": Bomb(b'{"a":' * 50_000, 400, "too_complex"),
    "brackets side by side": Bomb(b"[" + b"[]," * 80_000 + b"[]]", 400, "too_complex"),
    "brackets after quotes": Bomb(b"[" * 33 + b'"' + b'\\"' * 120_000, 400, "malformed_json"),
    "33 levels": Bomb(b'{"note":' + b"[" * 32 + b"]" * 32 + b"}", 400, "too_deep"),
    "32 levels": Bomb(b'{"to_agency":' + b"[" * 31 + b"]" * 31 + b"}", 422, "invalid_body"),
    "33 braces in text": Bomb(_text("{" * 33), 422, "invalid_body"),
    # Numbers
    "not a number": Bomb(b'{"on": NaN}', 400, "malformed_json"),
    "infinite": Bomb(b'{"on": 1e400}', 422, "invalid_body"),
    "a million digits": Bomb(b'{"on": ' + b"9" * 250_000 + b"}", 422, "invalid_body"),
    "a million digits after the point": Bomb(b'{"on": 0.' + b"9" * 250_000 + b"}", 422, "invalid_body"),
    "a long exponent": Bomb(b'{"on": 1e' + b"9" * 250_000 + b"}", 422, "invalid_body"),
    # Many
    "a list of colliding numbers": Bomb(
        b'{"items": [' + b",".join(b"%d" % (key * PRIME) for key in range(11_000)) + b"]}", 400, "unknown_field"
    ),
    "names that collide as numbers": Bomb(
        b'{"items": {' + b",".join(b'"%d": 0' % (key * PRIME) for key in range(6_000)) + b"}}", 400, "unknown_field"
    ),
    "25,000 names": Bomb(b"{" + b",".join(b'"%d":0' % name for name in range(25_000)) + b"}", 400, "too_complex"),
    "120,000 commas": Bomb(b'{"items": [' + b"1," * 120_000 + b"1]}", 400, "too_complex"),
    # Text
    "256 kB of text": Bomb(_text("x" * 250_000), 422, "invalid_body"),
    "backslashes": Bomb(b'{"note": "' + b"\\\\" * 120_000 + b'"}', 422, "invalid_body"),
    "escaped letters": Bomb(b'{"note": "' + b"\\u00e9" * 40_000 + b'"}', 422, "invalid_body"),
    "accents apart": Bomb(_text("e\u0301" * 80_000), 422, "invalid_body"),
    "thirty marks on each letter": Bomb(_text(("a" + "\u0301\u0323" * 15) * 4_000), 422, "invalid_body"),
    "one letter with 60,000 marks": Bomb(_text("a" + "\u0301\u0323" * 60_000), 400, "too_complex"),
    "the same, escaped": Bomb(b'{"note": "a' + b"\\u0301\\u0323" * 20_000 + b'"}', 400, "too_complex"),
    "rare marks": Bomb(_text("\U0001e944\U0001e94a" * 30_000), 400, "too_complex"),
    "emoji": Bomb(_text("\U0001f600" * 60_000), 422, "invalid_body"),
    "spaces": Bomb(b" " * 262_000, 400, "malformed_json"),
    "line ends": Bomb(b"\r\n" * 130_000 + b"{}", 422, "invalid_body"),
    # Size
    "more than the limit": Bomb(b'{"note": "' + b"x" * 262_144 + b'"}', 413, "body_too_large"),
    "11 MB": Bomb(b'{"note": "' + b"x" * 11_000_000 + b'"}', 413, "body_too_large"),
}
