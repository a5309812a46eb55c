"""What a law is, and checking several of them one after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from driftseg.errors import InputError


@dataclass(frozen=True)
class Finding:
    """What became of one law."""

    law: str
    holds: bool
    told: str = ""
    """Why it does not hold; or what there is to know although it does."""


class LawBrokenError(Exception):
    """A law does not hold; the text says what was seen."""


def broken(condition: bool, told: str) -> None:
    """Raises where something is so that must not be.

    Raises:
        LawBrokenError: the condition is true.
    """
    if condition:
        raise LawBrokenError(told)


def check_laws(laws: Mapping[str, Callable[[], str | None]]) -> list[Finding]:
    """Every law with what became of it; an error in one does not keep others from being checked.

    Args:
        laws: by their text; a law may return what there is to know.
    """
    findings = []
    for law, check in laws.items():
        try:
            findings.append(Finding(law, True, check() or ""))
        except LawBrokenError as error:
            findings.append(Finding(law, False, str(error)))
        except (InputError, Exception) as error:
            lines = str(error).splitlines() or [""]
            findings.append(Finding(law, False, f"{type(error).__name__}: {lines[0]}"))
    return findings
