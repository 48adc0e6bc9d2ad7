"""What operators ask for in an address, and how they are answered."""

from __future__ import annotations

import orjson
from starlette.responses import Response

from a2a_streaming.errors import InvalidParams
from a2a_streaming.http.bodies import json_response
from a2a_streaming.task import Json


def read_size(told: str, usual: int, most: int) -> int:
    """Return how many entries a page is to have.

    Args:
        told: What the address says; empty for nothing.
        usual: How many it has then.
        most: More it never has.

    Raises:
        InvalidParams: It is no such number.
    """
    if not told:
        return usual
    if not (told.isascii() and told.isdigit() and len(told) < 9 and int(told) > 0):
        raise InvalidParams(f"size is a number from 1 to {most}.")
    return min(int(told), most)


def answered(told: Json) -> Response:
    """Answer with a JSON object."""
    return json_response(orjson.dumps(told))
