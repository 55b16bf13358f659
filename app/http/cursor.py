"""Cursors: where the next page begins, opaque to clients and bound to the query they belong to."""

import base64
import binascii
import json
from hashlib import sha256

from retrieval.errors import InvalidInputError

__all__ = ["make_cursor", "read_cursor"]


def make_cursor(offset: int, *, query: str) -> str:
    """Name the page that begins at `offset` of the answer to `query`."""
    data = json.dumps([offset, _mark(query)], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def read_cursor(cursor: str | None, *, query: str) -> int:
    """The offset a cursor names; 0 without one.

    Raises:
        InvalidInputError: It is not a cursor, or one of another query.
    """
    if cursor is None:
        return 0
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        offset, mark = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        is_ours = isinstance(offset, int) and 0 <= offset < 2**31 and mark == _mark(query)
    except (ValueError, TypeError, binascii.Error):
        is_ours = False
    if not is_ours:
        raise InvalidInputError(
            "this cursor is not of this query; give back `next_cursor` with the same query"
        )
    return int(offset)


def _mark(query: str) -> str:
    return sha256(query.encode("utf-8", "surrogatepass")).hexdigest()[:12]
