"""Where a webhook may lead: addresses of the public internet, and networks that the operator opened."""

import ipaddress
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import SplitResult, urlsplit

from app.settings import get_settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
COMPATIBLE = ipaddress.IPv6Network("::/96")
SHARED = ipaddress.IPv4Network("100.64.0.0/10")
"""Carrier-grade NAT."""
PORTS = {"http": 80, "https": 443}


class Refused(Exception):
    """A webhook may not lead there; the text says why, and nothing about the network."""


def opened() -> list[Network]:
    """The networks of DESCENT_WEBHOOK_NETWORKS."""
    listed = get_settings().webhook_networks.split(",")
    return [ipaddress.ip_network(text.strip()) for text in listed if text.strip()]


def inner(address: Address) -> list[Address]:
    """The address, and those of IPv4 that it stands for or leads to: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, IPv4Address):
        return [address]
    found: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64 or address in COMPATIBLE:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    meant = [part for part in found if part is not None]
    return meant if address.ipv4_mapped is not None else [address, *meant]


def is_public(address: Address) -> bool:
    """Everything that the address stands for is globally reachable, and a single host."""
    if isinstance(address, IPv6Address) and (address in LOCAL_NAT64 or address.is_site_local):
        return False
    return all(
        part.is_global and not part.is_multicast and not part.is_reserved and part not in SHARED
        for part in inner(address)
        if not (isinstance(part, IPv6Address) and part in NAT64)
    )


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    shown = address.ipv4_mapped if isinstance(address, IPv6Address) and address.ipv4_mapped is not None else address
    return is_public(address) or any(shown in network for network in networks)


def split(url: str) -> tuple[SplitResult, str, int]:
    """The parts of a webhook's URL, its host in ASCII and its port. Raises Refused."""
    if not url.isprintable() or " " in url or "\\" in url:
        raise Refused("contains a character that no URL has")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("is no URL") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise Refused("must be an https:// URL with a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Refused("must have no user, password or fragment")
    if parts.scheme == "http" and not opened():
        raise Refused("must be an https:// URL")
    if port == 0:
        raise Refused("is no URL")
    try:
        host = parts.hostname if ":" in parts.hostname else parts.hostname.encode("idna").decode("ascii")
    except UnicodeError:
        raise Refused("has a host that is no name") from None
    return parts, host, port or PORTS[parts.scheme]


def check_url(url: str) -> None:
    """What can be said without asking the name service. Raises Refused."""
    _, host, _ = split(url)
    networks = opened()
    if host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost"):
        host = "127.0.0.1"
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return  # a name: looked up when it is used
    if not is_allowed(address, networks):
        raise Refused("leads to an address that is not on the public internet")


def resolve(scheme: str, host: str, port: int) -> list[str]:
    """The host's addresses, looked up once, each of which may be connected to. Raises Refused, OSError."""
    networks = opened()
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    addresses = {text: ipaddress.ip_address(text.partition("%")[0]) for text in dict.fromkeys(found)}
    if not addresses or not all(is_allowed(address, networks) for address in addresses.values()):
        raise Refused("The host's address is not on the public internet.")
    if scheme == "http" and not all(any(a in n for n in networks) for a in addresses.values()):
        raise Refused("The public internet is spoken to by https only.")
    return list(addresses)
