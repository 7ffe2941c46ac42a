"""Where webhooks may not lead."""

import socket
import threading
import time
from ipaddress import ip_address

import pytest

from app.webhooks import sending
from app.webhooks.addresses import Refused, check_url, is_public, resolve, split
from app.webhooks.signing import signature
from tests.conftest import clear_caches

INSIDE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "240.0.0.1",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_the_network(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DESCENT_WEBHOOK_NETWORKS", raising=False)
    clear_caches()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://localhost/",
        "https://a.localhost./",
        "https://127.0.0.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https:///x",
        "https://a@example.com/",
        "https://example.com/#x",
        "https://example.com:99999/",
        "https://example.com:0/",
        "https://exa mple.com/",
        "https://example.com\\@127.0.0.1/",
        "https://example.com/\n",
        "https://[::1",
        "file:///etc/passwd",
        "gopher://example.com/",
        "https://" + "a" * 64 + ".com/",
    ],
)
def test_urls_that_are_refused_at_once(closed: None, url: str) -> None:
    with pytest.raises(Refused):
        check_url(url)


def test_names_are_asked_for_in_ascii(closed: None) -> None:
    check_url("https://example.com:8443/x?y=1")
    assert split("https://bücher.example/")[1:] == ("xn--bcher-kva.example", 443)


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "017700000001", "localhost"])
def test_other_ways_to_write_loopback_lead_nowhere(closed: None, host: str) -> None:
    """However the name is written: what counts is the address that is connected to."""
    with pytest.raises((Refused, OSError)):
        resolve("https", host, 443)
    answer = sending.post(f"https://{host}/", {}, b"")
    assert answer.status_code is None
    assert answer.error in ("The host's address is not on the public internet.", "The host's name is unknown.")


def test_opened_networks_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESCENT_WEBHOOK_NETWORKS", "127.0.0.0/8")
    clear_caches()
    assert resolve("http", "127.0.0.1", 80) == ["127.0.0.1"]
    for scheme, host in (("https", "10.0.0.1"), ("http", "8.8.8.8"), ("https", "169.254.169.254")):
        with pytest.raises(Refused):
            resolve(scheme, host, 80)


def test_an_answer_that_drips_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESCENT_WEBHOOK_NETWORKS", "127.0.0.0/8")
    clear_caches()
    monkeypatch.setattr(sending, "TOTAL_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                try:
                    while True:
                        connection.sendall(b"H")
                        time.sleep(0.1)
                except OSError:
                    pass

        thread = threading.Thread(target=drip)
        thread.start()
        started = time.monotonic()
        answer = sending.post(f"http://127.0.0.1:{listening.getsockname()[1]}/", {}, b"{}")
        thread.join(60)
    assert (answer.status_code, answer.error) == (None, "The receiver took too long.")
    assert 0.9 < time.monotonic() - started < 30


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of the reference libraries."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    wanted = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == wanted
