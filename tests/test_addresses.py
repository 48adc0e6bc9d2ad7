"""Addresses to which this server may be made to talk."""

from __future__ import annotations

import pytest

from a2a_streaming.addresses import is_public, resolve


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "ff02::1"),
    ],
)
def test_what_is_ours_isnt_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111"])
def test_what_the_internet_routes_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://1.1.1.1/", "file:///etc/passwd", "//1.1.1.1", "nonsense", "", "http://"),
        *("http://user:word@1.1.1.1/", "http://127.0.0.1/", "http://[::1]:80/", "http://0x7f.1/"),
        *("http://2130706433/", "http://169.254.169.254/latest", "http://localhost:1/"),
    ],
)
async def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises((ValueError, OSError)):
        await resolve(url)


async def test_an_operator_may_allow_addresses_of_their_own() -> None:
    assert await resolve("http://127.0.0.1:8000/hook", private=True) == "127.0.0.1"
    assert await resolve("https://1.1.1.1/hook") == "1.1.1.1"
