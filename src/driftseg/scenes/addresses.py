"""Addresses of streams: secrets come from the environment and are hidden in all output."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import quote

from driftseg.errors import InputError

VARIABLE = re.compile(r"\$(?:(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)\})", re.ASCII)
HIDDEN = "***"

_SECRET_NAME = (
    r"[\w.%-]*(?:(?:pass|pwd|psw|secret|token|auth|key|signat|cred|session|jwt)[\w.%-]*"
    r"|pas|pw|sid|pin|otp|sig|hash)"
)
_NEXT_NAME = r"[&;]|[/?#,][\w.%-]+=|_(?:channel|stream|user|subtype|onvif)\w*="
_SECRET = re.compile(rf"({_SECRET_NAME}=)(.+?)(?={_NEXT_NAME}|$)", re.IGNORECASE)
"""``password=...`` in the query, or in the path, as for some cameras:
``/user=admin_password=..._channel=1``."""
_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")
_KEY = re.compile(
    r"(?<=/)(?=[^/?#&]*[a-z])(?=[^/?#&]*[A-Z])(?=[^/?#&]*\d)[A-Za-z0-9]{12,}(?=[/?#]|$)"
)
"""A stream key as a part of the path: random letters of both cases and digits."""
_NESTED = re.compile(r"(://)[^/?#&]*@|(%3A%2F%2F)(?:(?!%2F).)*?%40", re.IGNORECASE)
_HOST = re.compile(
    r"\w[\w-]*(?:\.\w[\w-]*)+(?::\d+)?|\w[\w.-]*:\d+|\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\](?::\d+)?"
)
"""A text that is clearly a host: with a dot between its parts, with a port, or an IPv6 address."""
_PORT = re.compile(r"[^:]*:\d{1,5}")
_IN_TEXT = re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'\"]+")


def is_address(source: object) -> bool:
    """Whether a source is the address of a stream, not a file."""
    return "://" in str(source)


def filled(address: str, environment: Mapping[str, str] = os.environ) -> str:
    """An address with ``$NAME`` and ``${NAME}`` taken from the environment, percent-encoded.

    A password may hold any character. A variable that is a whole part of the address keeps its
    separators: ``user:password`` before the ``@``, the host with its port, a path with its slashes,
    a whole query.

    Raises:
        InputError: a variable is not set, or empty.
    """
    scheme, mark, rest = address.partition("://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    host_at = authority.rfind("@") + 1
    query_at = rest.find("?", len(authority))

    def value(found: re.Match[str]) -> str:
        name = found["name"] or found["braced"]
        given = environment.get(name, "")
        if not given:
            state = "empty" if name in environment else "not set"
            raise InputError(
                f"{masked(address)}: expected the environment variable {name}, which is {state}. "
                f"To fix: set it, as in export {name}=... (write %24 for a dollar sign of the "
                "address itself)"
            )
        start, end = found.span()
        if (start, end) == (0, len(authority)):
            return _authority(given)
        if end <= len(authority):
            if start >= host_at:
                return quote(given, safe=":[]")
            return quote(given, safe=":" if (start, end) == (0, host_at - 1) else "")
        begins = rest[start - 1] in "/?#"
        ends = end == len(rest) or rest[end] in "/?#"
        if not (begins and ends):
            return quote(given, safe="")
        return quote(given, safe="/=&" if 0 <= query_at < start else "/")

    return f"{scheme}{mark}{VARIABLE.sub(value, rest)}"


def _authority(given: str) -> str:
    """``user:password@host:port`` as one variable."""
    user, at, host = given.rpartition("@")
    name, colon, password = user.partition(":")
    return f"{quote(name, safe='')}{colon}{quote(password, safe='')}{at}{quote(host, safe=':[]')}"


def masked(address: str, *, keep_variables: bool = False) -> str:
    """An address without secrets, to show or store: ``rtsp://***@host/path``.

    It hides user and password, values of parameters with names of secrets (in the query or the
    path), and keys in the path. In doubt it hides more.

    Args:
        address: a text that is no address is returned unchanged.
        keep_variables: whether ``$NAME`` stays. It is not secret, and the address can be used
            again.
    """
    scheme, mark, rest = address.partition("://")
    if not mark:
        return address
    user, rest = _split_user(rest)
    told = ""
    if user is not None:
        password = user.partition(":")[2]
        kept = keep_variables and bool(VARIABLE.fullmatch(password or user))
        told = f"{user if kept else HIDDEN}@"

    def secret(found: re.Match[str]) -> str:
        kept = keep_variables and VARIABLE.fullmatch(found[2])
        return found[0] if kept else f"{found[1]}{HIDDEN}"

    rest = _NESTED.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}@", rest)
    rest = _SECRET.sub(secret, rest)
    rest = _KEY.sub(HIDDEN, _JWT.sub(HIDDEN, rest))
    return f"{scheme}{mark}{told}{rest}"


def masked_text(text: str) -> str:
    """A text with all addresses in it masked."""
    return _IN_TEXT.sub(lambda found: masked(found[0]), text)


def _split_user(rest: str) -> tuple[str | None, str]:
    """User and password, if any, and the rest; a password may hold ``/ ? # @`` as they are."""
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        user, _, host = authority.rpartition("@")
        alone = "@" not in rest[len(authority) :]
        if alone or _HOST.fullmatch(host):
            return user, rest[len(user) + 1 :]
    elif ":" not in authority or "@" not in rest or rest.startswith("["):
        return None, rest
    elif _PORT.fullmatch(authority) and "@" not in re.split("[?#]", rest, maxsplit=1)[0]:
        return None, rest  # host:port, and the @ is in the query
    user, _, after = rest.rpartition("@")
    return user, after
