"""Owners, roles and ids, by themselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from a2a_streaming.auth.keys import is_key, make_key, read_key
from a2a_streaming.backbone.keys import check_id
from a2a_streaming.caller import ANYBODY, Caller, Role, owner_of

SUBJECTS = st.text(min_size=1, max_size=300)
CHOSEN = st.from_regex(r"[A-Za-z0-9._@:+=-]{1,100}", fullmatch=True)


@given(SUBJECTS, SUBJECTS, CHOSEN, CHOSEN)
def test_two_owners_never_share_a_stored_id_and_neither_do_two_ids_of_one(
    one: str, other: str, first: str, second: str
) -> None:
    stored = {
        (owner, chosen): Caller(owner).stored_id(chosen)
        for owner in (owner_of(one), owner_of(other))
        for chosen in (first, second)
    }
    assert len(set(stored.values())) == len(stored)


@given(SUBJECTS, CHOSEN)
def test_a_stored_id_is_an_id_and_stays_itself(subject: str, chosen: str) -> None:
    caller = Caller(owner_of(subject))
    stored = caller.stored_id(chosen)
    assert check_id(stored, "It") == stored
    assert caller.stored_id(stored) == stored
    assert not caller.may_create(stored)
    assert caller.may_create(chosen)
    assert caller.stored_id(caller.made_id(chosen)) == caller.made_id(chosen)


@given(CHOSEN)
def test_without_authentication_ids_are_used_as_they_are(chosen: str) -> None:
    assert ANYBODY.stored_id(chosen) == chosen
    assert ANYBODY.made_id(chosen) == chosen
    assert ANYBODY.may_create(f"{chosen}~1")


@given(SUBJECTS, SUBJECTS)
def test_subjects_and_owners_are_one_to_one_and_owners_fit_into_keys(one: str, other: str) -> None:
    assert (owner_of(one) == owner_of(other)) == (one == other)
    owner = owner_of(one)
    assert 0 < len(owner) <= 128
    assert owner.isascii()
    assert owner.isprintable()
    assert not set(owner) & set("{} \n")


def test_operators_alone_see_other_owners_tasks() -> None:
    for role in Role:
        assert Caller("ann", role).may_see("ann")
        assert Caller("ann", role).may_see("bob") == (role is Role.OPERATOR)


def test_a_key_is_known_by_its_digest_alone() -> None:
    text, kept = make_key(name="n", subject="ann", role=Role.CUSTOMER, seconds=60)
    read = read_key(text)
    assert read is not None
    key_id, digest = read
    assert key_id == kept.id
    assert is_key(kept, digest)
    assert text.rpartition("_")[2] not in str(kept)
    another = read_key(text[:-1] + ("A" if text[-1] != "A" else "B"))
    assert another is not None
    assert not is_key(kept, another[1])
    for wrong in ("", "a2a_", text[:-1], text + "x", text.upper(), text.replace("a2a_", "a2b_")):
        assert read_key(wrong) is None, wrong
