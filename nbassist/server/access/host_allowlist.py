"""Hosts, origins and addresses, and the patterns that allow them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.:\[\]-]+")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class HostRules:
    """The names under which the server may be asked: those of the loopback, and what was allowed.

    Parameters
    ----------
    allowed : iterable of str
        Names, such as `lab.example.org`; with `*` for any part, `*.example.org`; networks, `10.0.0.0/8`, for those who
        ask by address.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._names: set[str] = set(_LOOPBACK)
        self._patterns: list[str] = []
        self._networks: list[Network] = []
        for rule in map(str.lower, allowed):
            if "*" in rule:
                self._patterns.append(rule)
            elif "/" in rule:
                self._networks.append(network(rule))
            else:
                self._names.add(rule.strip("[]").rstrip("."))

    def allow(self, host: str) -> bool:
        """Return whether a Host header is one of them; its port does not count."""
        name = host_name(host)
        if name in self._names or any(fnmatchcase(name, pattern) for pattern in self._patterns):
            return bool(name)
        return in_networks(name, self._networks)


class OriginRules:
    """The origins whose pages may call the server; `*` stands for any part, none by default."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(origin.lower().rstrip("/") for origin in allowed)
        self._patterns = [origin for origin in self._allowed if "*" in origin]

    def allow(self, origin: str) -> bool:
        """Return whether an Origin header is one of them."""
        name = origin.lower()
        if name in self._allowed:
            return True
        # What is no origin, a list of them for instance, is no match for a pattern that would swallow it.
        return bool(_ORIGIN.fullmatch(name)) and any(fnmatchcase(name, pattern) for pattern in self._patterns)


def host_name(host: str) -> str:
    """Return the name in a Host header, lower case, without its port and without the brackets of IPv6."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def network(text: str) -> Network:
    """Return an address or a network, `10.1.2.3` or `10.0.0.0/8`.

    Raises
    ------
    ValueError
        Where it is neither.
    """
    return ipaddress.ip_network(text.strip("[]"), strict=False)


def in_networks(address: str, networks: Iterable[Network]) -> bool:
    """Return whether an address is in one of them; what is no address is in none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in one for one in networks)
