"""Which addresses are public: exactly those, in every way to write them."""

import pytest

from hub.upstream.guard import NotAllowed, check, is_metadata, is_public

PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "2606:4700::1111",
          "2a00:1450:4001:82a::200e", "2003::1"]  # fmt: skip
NOT_PUBLIC = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.169.254",
    "169.254.1.1", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.0", "192.88.99.1", "192.88.99.255", "192.168.1.1", "198.18.0.1",
    "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::192.168.0.1", "64:ff9b::808:808", "64:ff9b:1::1",
    "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:c0a8:1::1", "2002:a00:1::", "2002:808:808::1",
    "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::", "fec0::1", "feff:ffff::1", "ff02::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address):
    assert is_public(address)
    check(address, False)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_not_public(address):
    assert not is_public(address)
    with pytest.raises(NotAllowed):
        check(address, False)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "::1", "192.168.0.9", "fd00::1", "169.254.7.7", "8.8.8.8"]
)
def test_private_ones_can_be_allowed(address):
    check(address, True)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "169.254.170.2",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "::169.254.169.254",
        "2001:0:4136:e378:8000:63bf:5601:5601",
    ],
)
def test_where_clouds_keep_credentials_is_never_allowed(address):
    assert is_metadata(address)
    with pytest.raises(NotAllowed):
        check(address, True)


def test_the_text_tells_nothing_about_the_address():
    texts = set()
    for address in NOT_PUBLIC:
        with pytest.raises(NotAllowed) as caught:
            check(address, False)
        texts.add(str(caught.value))
    assert len(texts) == 1
