"""Addresses to which this server may be made to talk."""

from __future__ import annotations

import ipaddress

import pytest

from a2a_streaming.addresses import Reach, is_public, resolve


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "ff02::1"),
        *("64:ff9b::7f00:1", "64:ff9b::a00:1", "::127.0.0.1", "2001:0:102:304::80ff:fffe"),
    ],
)
def test_what_is_ours_isnt_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::101:101"]
)
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
    local = ["127.0.0.1"]
    assert await resolve("http://127.0.0.1:8000/hook", Reach(private=True)) == local
    network = Reach(networks=(ipaddress.ip_network("127.0.0.0/8"),))
    assert await resolve("http://127.0.0.1:8000/hook", network) == local
    assert await resolve("http://[::ffff:127.0.0.1]/hook", network) == ["::ffff:127.0.0.1"]
    with pytest.raises(ValueError, match="A2A_PUSH_NETWORKS"):
        await resolve("http://10.0.0.1/hook", network)
    assert await resolve("https://1.1.1.1/hook") == ["1.1.1.1"]


@pytest.mark.parametrize(
    ("host", "may"),
    [("example.com", True), ("a.hooks.test", True), ("hooks.test", False), ("ahooks.test", False)],
)
def test_hosts_are_named_whole_or_by_their_domain(host: str, may: bool) -> None:
    assert Reach(hosts=("example.com", "*.hooks.test")).names(host) is may
