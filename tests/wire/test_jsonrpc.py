"""JSON-RPC requests: what is read, and what is refused instead of being stored wrong."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming.errors import InvalidRequest, ParseError, RequestError, TaskNotFound
from a2a_streaming.wire.jsonrpc import (
    MAX_DEPTH,
    Call,
    RequestId,
    enveloped,
    error,
    id_of,
    mark,
    parse_call,
    result,
)

numbers = st.integers(-(2**53), 2**53) | st.floats(-(2**53), 2**53)
text = st.text(st.characters(codec="utf-8"))
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=10,
)
ids = st.none() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"), max_size=256)


def request(**fields: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": "1", "method": "m", "params": {}, **fields}).encode()


def with_param(raw: bytes) -> bytes:
    """A request that is right but for this piece of its JSON."""
    return b'{"jsonrpc":"2.0","id":"1","method":"m","params":{"x":%b}}' % raw


def refused(body: bytes, how: type[RequestError] = InvalidRequest) -> str:
    with pytest.raises(RequestError) as caught:
        parse_call(body)
    assert type(caught.value) is how
    return caught.value.detail


# --- what is read ---


@given(ids, text.filter(bool), st.dictionaries(text, values, max_size=4))
def test_a_request_is_read_as_it_was_written(
    request_id: RequestId, method: str, params: dict[str, Any]
) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
    assert parse_call(body.encode()) == Call(request_id, method, params)
    plain = json.dumps(json.loads(body), ensure_ascii=False)
    assert parse_call(plain.encode()) == Call(request_id, method, params)


def test_id_and_params_may_be_left_out() -> None:
    assert parse_call(b'{"jsonrpc":"2.0","method":"m"}') == Call(None, "m", {})


def test_more_fields_do_no_harm() -> None:
    assert parse_call(request(extra=[1], a2a=None)) == Call("1", "m", {})


def test_space_around_the_request_does_no_harm() -> None:
    assert parse_call(b" \r\n\t" + request() + b"\n\n") == Call("1", "m", {})


def test_the_last_of_two_equal_keys_counts() -> None:
    body = b'{"jsonrpc":"2.0","id":"1","id":"2","method":"m","params":{"x":1,"x":2}}'
    assert parse_call(body) == Call("2", "m", {"x": 2})


@pytest.mark.parametrize("request_id", ["", "1", "x" * 256, "\n\0{}", "😀", 0, -1, 2**53, None])
def test_an_id_is_a_string_an_integer_or_null(request_id: RequestId) -> None:
    body = request(id=request_id)
    assert parse_call(body).id == request_id
    assert id_of(body) == request_id


@pytest.mark.parametrize("number", [2**53, -(2**53), 0, -0.0, 0.1, 1e-300, 1.5e15, 5e-324])
def test_a_number_that_every_reader_keeps_is_kept(number: float) -> None:
    assert parse_call(with_param(json.dumps(number).encode())).params == {"x": number}


# --- what is no JSON ---


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"tasks/send",
        b"{'jsonrpc': '2.0'}",
        request() + b"x",
        request() + request(),
        request()[:-1] + b",}",
        b"\xef\xbb\xbf" + request(),
        request().decode().encode("utf-16"),
        b"\xff\xfe",
        with_param(b'"\xff"'),
        with_param(b'"\xc3\x28"'),
        with_param(b'"\xc0\x80"'),  # an overlong NUL
        with_param(b'"\xed\xa0\x80"'),  # a surrogate, encoded
        with_param(b'"\xf4\x90\x80\x80"'),  # beyond Unicode
        with_param(b'"\\ud800"'),
        with_param(b'"\\udc00\\ud800"'),
        with_param(b'"\\ud800x"'),
        with_param(b'{"\\ud800":1}'),
        with_param(b'"\n"'),
        with_param(b'"\0"'),
        with_param(b"NaN"),
        with_param(b"Infinity"),
        with_param(b"-Infinity"),
        with_param(b"nan"),
        with_param(b"01"),
        with_param(b"+1"),
        with_param(b"0x10"),
        with_param(b"1."),
        with_param(b".5"),
        with_param(b"undefined"),
        with_param(b"// comment\n1"),
    ],
)
def test_what_is_no_json_in_utf8_is_refused_with_the_place(body: bytes) -> None:
    detail = refused(body, ParseError)
    assert "no JSON in UTF-8" in detail
    assert "line 1 column" in detail


# --- numbers ---


@pytest.mark.parametrize(
    "number",
    [
        str(2**53 + 1),
        str(-(2**53) - 1),
        str(2**60),
        str(-(2**60)),
        str(2**63),
        str(2**64 - 1),
        str(2**64),
        str(-(2**64)),
        "9" * 400,
        "-" + "9" * 5000,
        "1e16",
        "-1e300",
        "1e400",
        "-1e400",
        "1e999999999",
    ],
    ids=lambda number: number[:24],
)
@pytest.mark.parametrize("place", ["%s", "[%s]", '{"y":[1,{"z":%s}]}'])
def test_a_number_that_readers_would_round_is_refused(place: str, number: str) -> None:
    detail = refused(with_param((place % number).encode()))
    assert "2^53" in detail
    assert "as a string" in detail


@given(st.integers())
def test_an_integer_is_kept_exactly_or_refused(number: int) -> None:
    body = with_param(str(number).encode())
    if abs(number) <= 2**53:
        assert parse_call(body).params == {"x": number}
    else:
        refused(body)


# --- depth ---


def nested(levels: int, kind: str, inside: bytes = b"1") -> bytes:
    """A request whose arrays and objects nest so deep, itself and its params among them."""
    opened = {"list": b"[", "dict": b'{"a":', "both": b'[{"a":'}[kind]
    closed = {"list": b"]", "dict": b"}", "both": b"}]"}[kind]
    count = (levels - 2) // len(closed)
    assert count * len(closed) == levels - 2
    return with_param(opened * count + inside + closed * count)


@pytest.mark.parametrize("inside", [b"1", b'"x"', b"null"])
@pytest.mark.parametrize("kind", ["list", "dict", "both"])
def test_a_request_may_nest_down_to_the_limit(kind: str, inside: bytes) -> None:
    assert parse_call(nested(MAX_DEPTH, kind, inside)).method == "m"


@pytest.mark.parametrize("inside", [b"1", b'"x"', b"[]", b"{}"])
@pytest.mark.parametrize("levels", [MAX_DEPTH + 2, 200, 1000, 1026, 5000, 200_000])
@pytest.mark.parametrize("kind", ["list", "dict", "both"])
def test_a_request_that_nests_deeper_is_refused(kind: str, levels: int, inside: bytes) -> None:
    detail = refused(nested(levels, kind, inside))
    assert f"deeper than {MAX_DEPTH} levels" in detail
    assert "flatter" in detail


def test_one_level_too_many_is_refused_though_it_is_empty() -> None:
    assert parse_call(nested(MAX_DEPTH - 1, "list", b"[]")).method == "m"
    refused(nested(MAX_DEPTH, "list", b"[]"))
    refused(nested(MAX_DEPTH, "dict", b"{}"))


def test_width_is_no_depth() -> None:
    wide = json.dumps([[{}] * 10] * 1000).encode()
    assert len(parse_call(with_param(wide)).params["x"]) == 1000


# --- what is JSON, but no request ---


@pytest.mark.parametrize("body", [b"[]", b"[" + request() + b"]", b"[1]", b"[[]]"])
def test_batches_are_refused(body: bytes) -> None:
    assert "one request at a time" in refused(body)


@pytest.mark.parametrize("body", [b"null", b"true", b"1", b"1.5", b'"tasks/get"', b'""'])
def test_a_request_is_an_object(body: bytes) -> None:
    assert '"jsonrpc", "id", "method" and "params"' in refused(body)


@pytest.mark.parametrize("version", [None, "1.0", "2", 2, 2.0, "2.0 ", ["2.0"], {"2.0": 1}, True])
def test_a_request_says_its_version(version: Any) -> None:
    assert '"jsonrpc": "2.0"' in refused(request(jsonrpc=version))


def test_a_request_without_version_is_refused() -> None:
    assert '"jsonrpc": "2.0"' in refused(b'{"id":"1","method":"m"}')
    assert '"jsonrpc": "2.0"' in refused(b"{}")


@pytest.mark.parametrize(
    "request_id", [True, False, 1.0, 1.5, [], ["1"], {}, {"a": 1}, "x" * 257, "x" * 10_000]
)
def test_an_id_of_another_kind_is_refused(request_id: Any) -> None:
    detail = refused(request(id=request_id))
    assert '"id" must be a string of at most 256 characters, or an integer' in detail
    assert id_of(request(id=request_id)) is None


@pytest.mark.parametrize("method", [None, "", 1, True, ["m"], {"m": 1}])
def test_a_request_names_its_method(method: Any) -> None:
    assert '"method"' in refused(request(method=method))


@pytest.mark.parametrize("params", [None, [], ["t1"], "t1", 1, False])
def test_params_are_an_object(params: Any) -> None:
    assert '"params" must be an object' in refused(request(params=params))


# --- whose error it is ---


@pytest.mark.parametrize(
    "fields",
    [
        {"jsonrpc": "1.0"},
        {"method": 1},
        {"params": []},
        {"params": {"x": 2**60}},
        {"params": json.loads("[" * 100 + "]" * 100)},
    ],
)
@given(ids)
def test_an_error_carries_the_requests_id(fields: dict[str, Any], request_id: RequestId) -> None:
    body = request(id=request_id, **fields)
    with pytest.raises(RequestError) as caught:
        parse_call(body)
    told = json.loads(error(id_of(body), caught.value))
    assert told["id"] == request_id
    assert told["error"]["code"] == -32600


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'[{"id":"1"}]', b'"id"', b"null", with_param(b"NaN"), b"{}", b"\xff"],
)
def test_where_no_id_can_be_read_there_is_none(body: bytes) -> None:
    assert id_of(body) is None


def read_or_refused(body: bytes) -> None:
    """Whatever the bytes are, they are a request, or an error that a client can be told."""
    code = None
    try:
        parse_call(body)
    except RequestError as cause:
        code = cause.code
        error(id_of(body), cause)
    assert code in (None, -32700, -32600)
    assert isinstance(id_of(body), str | int | None)


@given(st.binary() | text.map(str.encode) | values.map(orjson.dumps))
def test_any_bytes_are_a_request_or_refused_as_one(body: bytes) -> None:
    read_or_refused(body)


@given(st.data())
def test_a_damaged_request_is_a_request_or_refused_as_one(data: st.DataObject) -> None:
    body = bytearray(request(params={"a": [1, {"b": "\n😀"}], "c": 1e3}))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    read_or_refused(bytes(body))


# --- answers ---


@given(ids, values)
def test_a_result_is_one_line_with_the_requests_id(request_id: RequestId, value: Any) -> None:
    raw = result(request_id, value)
    assert b"\n" not in raw
    assert b"\r" not in raw
    assert json.loads(raw) == {"jsonrpc": "2.0", "id": request_id, "result": value}


@given(ids, values)
def test_an_envelope_makes_the_same_answer_of_bytes(request_id: RequestId, value: Any) -> None:
    assert mark(request_id).join(enveloped(orjson.dumps(value))) == result(request_id, value)


@given(ids)
def test_an_error_has_code_message_and_what_to_do(request_id: RequestId) -> None:
    told = json.loads(error(request_id, TaskNotFound("t1")))
    assert told == {
        "jsonrpc": "2.0",
        "id": request_id,
        "error": {
            "code": -32001,
            "message": "Task not found",
            "data": {"detail": TaskNotFound("t1").detail},
        },
    }
