"""Checks laws one after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """The result of one law."""

    law: str
    holds: bool
    told: str = ""
    """Why it does not hold; or a remark on a law that holds."""


class LawBrokenError(Exception):
    """A law does not hold; the text says what was found."""


def broken(condition: bool, told: str) -> None:
    """Raises an error if a condition is true that must be false.

    Raises:
        LawBrokenError: the condition is true.
    """
    if condition:
        raise LawBrokenError(told)


def check_laws(laws: Mapping[str, Callable[[], str | None]]) -> list[Finding]:
    """Checks every law; after an error in one, the others are checked.

    Args:
        laws: checks by the text of the law; a check may return a remark.
    """
    findings = []
    for law, check in laws.items():
        try:
            findings.append(Finding(law, True, check() or ""))
        except LawBrokenError as error:
            findings.append(Finding(law, False, str(error)))
        except Exception as error:
            lines = str(error).splitlines() or [""]
            findings.append(Finding(law, False, f"{type(error).__name__}: {lines[0]}"))
    return findings
