"""What A2A_REDIS_URL may say, and where a cluster keeps a key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from a2a_streaming.backbone.address import place_of
from a2a_streaming.backbone.connection import Store
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.backbone.slots import slot_of, slot_of_key
from a2a_streaming.errors import StoreUnavailable


@pytest.mark.parametrize(
    ("url", "kind", "seeds", "shown"),
    [
        ("redis://u:{}@one:7000/3", "single", ["one:7000"], "redis://one:7000/3"),
        ("rediss://:{}@one", "single", ["one:6379"], "rediss://one:6379"),
        ("unix:///run/redis.sock?password={}", "single", ["/run/redis.sock"], "unix:///run/redis.sock"),
        ("redis+cluster://u:{}@one,two:7001/", "cluster", ["one:6379", "two:7001"], "redis+cluster://one:6379,two:7001"),
        ("rediss+cluster://[::1]:7000", "cluster", ["[::1]:7000"], "rediss+cluster://[::1]:7000"),
        ("redis+sentinel://u:{}@one,two:7001/mine/2?sentinel_password={}", "sentinel", ["one:26379", "two:7001"], "redis+sentinel://one:26379,two:7001/mine/2"),
    ],
)  # fmt: skip
def test_an_address_is_read_and_shown_without_its_passwords(
    url: str, kind: str, seeds: list[str], shown: str
) -> None:
    place = place_of(url.replace("{}", "s3c%2Fret"))
    assert (place.kind, [seed.name for seed in place.seeds]) == (kind, seeds)
    assert place.shown == shown


def test_sentinels_and_their_primary_have_passwords_of_their_own() -> None:
    place = place_of(
        "redis+sentinel://app:a%40b@one/mine/2?sentinel_username=watch&sentinel_password=c%26d"
    )
    assert place.service == "mine"
    assert place.seeds[0].greeting[0] == ["AUTH", "watch", "c&d"]
    assert place.primary.at("two", 6379).greeting[:2] == [["AUTH", "app", "a@b"], ["SELECT", 2]]
    [*said] = place_of("redis+sentinel://app:pw@one/mine").seeds[0].greeting
    assert said == [["CLIENT", "SETNAME", "a2a-streaming"]]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("localhost:6379", "can't be read"),
        ("http://localhost", "can't be read"),
        ("redis://u:s3c/ret@one", "can't be read"),
        ("redis://one:6379,two:6379", "can't be read"),
        ("redis+cluster://", "can't be read"),
        ("redis+cluster://one,,two", "can't be read"),
        ("redis+cluster://one:nine", "can't be read"),
        ("redis+cluster://one/3", "one database"),
        ("redis+sentinel://one", "service's name"),
        ("redis+sentinel://one/mine/first", "can't be read"),
    ],
)
def test_a_bad_address_is_refused_with_what_to_do_and_without_its_password(
    url: str, words: str
) -> None:
    with pytest.raises(StoreUnavailable, match=words) as refused:
        Store(url)
    assert "s3c" not in str(refused.value)
    assert refused.value.__cause__ is None


@given(st.text(alphabet="{}ab:é"))
def test_a_keys_slot_is_the_clusters(key: str) -> None:
    assert slot_of_key(key) == slot_of_key(key.encode()) == key_slot(key.encode())


@pytest.mark.parametrize("prefix", ["", "shop:"])
def test_what_scripts_take_together_shares_a_slot(prefix: str) -> None:
    keys = Keys(prefix)
    task = [*keys.task("t1"), keys.push("t1"), keys.subscriptions("t1"), keys.task_audit("t1")]
    assert len({slot_of_key(key) for key in task}) == 1
    raised = [keys.alerts, keys.raised("t1"), keys.to_do, keys.unseen, keys.due, keys.alert("1-0")]
    assert len({slot_of_key(key) for key in raised}) == 1


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (["GET", "k"], "k"),
        (["EVALSHA", "digest", 2, "k", "l", "arg"], "k"),
        (["XGROUP", "CREATE", "k", "g", "0"], "k"),
        (["XREADGROUP", "GROUP", "g", "w", "COUNT", 1, "STREAMS", "k", ">"], "k"),
        (["SPUBLISH", "k", "m"], "k"),
        (["PUBLISH", "k", "m"], None),
        (["TIME"], None),
    ],
)
def test_a_command_goes_by_its_first_key(command: list[str | int], key: str | None) -> None:
    assert slot_of(command) == (slot_of_key(key) if key is not None else None)
