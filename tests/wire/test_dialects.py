"""The choice of a dialect, by path, method, version and birth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming.errors import MethodNotFound, VersionNotSupported
from a2a_streaming.wire.dialects import METHODS, Dialect, choose, of_birth, read_version

FIRST, V03, V1 = Dialect.FIRST, Dialect.V03, Dialect.V1
SHARED = ["tasks/get", "tasks/cancel", "tasks/resubscribe"]


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_pinned_path_decides(dialect: Dialect) -> None:
    for method in METHODS[dialect]:
        assert choose(dialect, method, None) is dialect
        assert choose(dialect, method, dialect) is dialect


@pytest.mark.parametrize(
    ("method", "dialect"),
    [("tasks/sendSubscribe", FIRST), ("message/stream", V03), ("SendStreamingMessage", V1)],
)
def test_a_method_that_one_dialect_alone_has_decides(method: str, dialect: Dialect) -> None:
    assert choose(None, method, None) is dialect
    assert choose(None, method, dialect) is dialect


@given(st.sampled_from(list(Dialect)), st.data())
def test_a_version_that_contradicts_the_method_is_refused(
    version: Dialect, data: st.DataObject
) -> None:
    method = data.draw(st.sampled_from([m for d in Dialect for m in METHODS[d]]))
    if method in METHODS[version]:
        assert choose(None, method, version) is version
    else:
        with pytest.raises(VersionNotSupported, match="A2A-Version"):
            choose(None, method, version)


@pytest.mark.parametrize("method", SHARED)
def test_a_shared_method_goes_by_its_version_or_else_by_the_tasks_birth(method: str) -> None:
    assert choose(None, method, FIRST) is FIRST
    assert choose(None, method, V03) is V03
    assert choose(None, method, None) is None
    assert of_birth("0.1") is FIRST
    assert of_birth("0.3") is V03
    assert of_birth("1.0") is V03


def test_a_method_that_no_dialect_has_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(MethodNotFound, match="SendMessage"):
        choose(None, "tasks/explode", None)
    with pytest.raises(MethodNotFound, match="tasks/send"):
        choose(FIRST, "SendMessage", None)


@pytest.mark.parametrize(("text", "dialect"), [("1.0", V1), ("1.0.3", V1), ("0.3", V03), ("0.1", FIRST), ("", None), (None, None)])  # fmt: skip
def test_versions_are_read_without_their_patch_number(
    text: str | None, dialect: Dialect | None
) -> None:
    assert read_version(text) is dialect


@pytest.mark.parametrize("text", ["1.7", "2.0", "1", "0.2", "1.0.0.0", "one", "1.x", "٢.0", "1.0-rc"])  # fmt: skip
def test_versions_that_arent_spoken_are_refused(text: str) -> None:
    with pytest.raises(VersionNotSupported, match=r"1\.0"):
        read_version(text)
