"""Writes a comparison for other programs and papers: CSV, Markdown, LaTeX, pictures."""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib

from driftseg.errors import InputError
from driftseg.report.bootstrap import Interval, signed
from driftseg.report.comparison import Comparison, Difference
from driftseg.report.comparison_figure import comparison_figure
from driftseg.report.comparison_words import sentences, title_of
from driftseg.report.summary import Spread
from driftseg.report.writing import write_whole

PICTURES = (".svg", ".png", ".pdf")


def write_comparison(comparison: Comparison, path: Path) -> Path:
    """Writes a table (.csv, .md, .tex) or a picture (.svg, .png, .pdf); returns the path.

    Raises:
        InputError: another file ending, or a path that cannot be written.
    """
    ending = path.suffix.lower()
    check_ending(path)
    if ending in PICTURES:
        _picture(comparison, path)
    else:
        write_whole(path, TABLES[ending](comparison), what="the comparison")
    return path


def check_ending(path: Path) -> None:
    """Checks the file ending before runs are read.

    Raises:
        InputError: there is no format with this ending.
    """
    endings = (*TABLES, *PICTURES)
    if path.suffix.lower() not in endings:
        raise InputError(
            f"{path}: expected a file that ends in {', '.join(endings)}, got "
            f"{path.suffix or 'no ending'}. To fix: rename it"
        )


def means_table(comparison: Comparison) -> list[list[str]]:
    """Header and one row per group: mean and standard deviation over seeds."""
    header = ["", *(title_of(name, comparison) for name in comparison.numbers), "seeds"]
    rows = [
        [row.label, *(_mean(_known(row.numbers[name])) for name in comparison.numbers),
         str(len({run.seed for run in row.runs}))]
        for row in comparison.rows
    ]  # fmt: skip
    return [header, *rows]


def differences_table(comparison: Comparison, number: str) -> list[list[str]]:
    """Header and one row per group: difference, pairs, intervals, verdict."""
    found = comparison.of(number)
    several = len({each.against for each in found}) > 1
    frames = any(each.over_frames is not None for each in found)
    header = ["", *(["against"] if several else []), "difference", "pairs", "95 % over seeds",
              *(["95 % over frames"] if frames else []), "verdict"]  # fmt: skip
    rows = [
        [each.label, *([each.against] if several else []),
         signed(each.mean) if each.values else "–", str(len(each.values)), _told(each.over_seeds),
         *([_told(each.over_frames)] if frames else []), each.verdict]
        for each in found
    ]  # fmt: skip
    return [header, *rows]


def differences_title(comparison: Comparison, number: str) -> str:
    """The compared groups in words."""
    stills = list(dict.fromkeys(each.against for each in comparison.of(number)))
    against = f", against {stills[0]}" if len(stills) == 1 else ""
    return f"{title_of(number, comparison)}{against}"


def _mean(spread: Spread) -> str:
    """A mean; without a deviation if all runs are equal."""
    return str(Spread(spread.values[:1]) if len(set(spread.values)) == 1 else spread)


def _known(spread: Spread) -> Spread:
    """The values of runs that have the number."""
    return Spread(tuple(value for value in spread.values if math.isfinite(value)))


def _told(interval: Interval | None) -> str:
    return "–" if interval is None else str(interval)


def _markdown(comparison: Comparison) -> str:
    lines = _markdown_table(means_table(comparison))
    for number in comparison.tested:
        lines += ["", differences_title(comparison, number), ""]
        lines += _markdown_table(differences_table(comparison, number))
    return "\n".join([*lines, "", *(f"* {told}" for told in sentences(comparison))]) + "\n"


def _markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    header, *body = ([cell.replace("|", r"\|") for cell in row] for row in rows)
    rule = ["---", *["---:"] * (len(header) - 1)]
    return [f"| {' | '.join(row)} |" for row in (header, rule, *body)]


def _csv(comparison: Comparison) -> str:
    """One row per group and number; numbers are not rounded, cells without a value are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["group", "number", "runs", "mean", "deviation", "against", "difference", "pairs",
         "over_seeds_low", "over_seeds_high", "over_frames_low", "over_frames_high", "verdict"]
    )  # fmt: skip
    taken = {(each.label, each.number): each for each in comparison.differences}
    for row in comparison.rows:
        for number in comparison.numbers:
            spread = _known(row.numbers[number])
            writer.writerow(
                [row.label, number, len(spread.values), _plain(spread.mean),
                 _plain(spread.deviation if len(spread.values) > 1 else math.nan),
                 *_csv_difference(taken.get((row.label, number)))]
            )  # fmt: skip
    return text.getvalue()


def _csv_difference(each: Difference | None) -> list[object]:
    if each is None:
        return [""] * 8
    bounds = [
        _plain(bound)
        for interval in (each.over_seeds, each.over_frames)
        for bound in ((math.nan,) * 2 if interval is None else (interval.low, interval.high))
    ]
    return [each.against, _plain(each.mean), len(each.values), *bounds, each.verdict]


def _plain(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"


def _latex(comparison: Comparison) -> str:
    """Tables for booktabs: means, then the differences of each number; texts as comments."""
    lines = [r"% needs \usepackage{booktabs}"]
    lines += [f"% {_one_line(told)}" for told in sentences(comparison)]
    lines += _latex_table(means_table(comparison))
    for number in comparison.tested:
        lines += ["", f"% {_one_line(differences_title(comparison, number))}"]
        lines += _latex_table(differences_table(comparison, number))
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    """Without line breaks, and without letters that cannot be seen: TeX refuses some of them."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def _latex_table(rows: Sequence[Sequence[str]]) -> list[str]:
    header, *body = ([escaped(cell) for cell in row] for row in rows)
    return [
        rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        r"\toprule",
        rf"{' & '.join(header)} \\",
        r"\midrule",
        *(rf"{_begun(' & '.join(row))} \\" for row in body),
        r"\bottomrule",
        r"\end{tabular}",
    ]


def _begun(row: str) -> str:
    r"""The line before ends in ``\\``, which would take a star or a bracket for its own."""
    return f"{{}}{row}" if row.startswith(("*", "[")) else row


_SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "±": r"$\pm$", "–": "--",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}  # fmt: skip
_ACCENTS = {"\u0300", "\u0301", "\u0302", "\u0303", "\u0308", "\u030a", "\u0327", "\u030c"}
_LETTERS = "ßæœøåÆŒØÅ"
"""Known to LaTeX without a package, as are ASCII letters with one of these accents."""


def escaped(text: str) -> str:
    """A text as LaTeX shows it; a letter that it may not know is written as its number."""
    apart = re.sub(r"([-'`?!])(?=[-'`])", "\\1\0", _one_line(text))  # no dashes, no quotes
    safe = "".join(_letter(letter) for letter in apart)
    return re.sub(r"(?<!\w)([+-])(?=\d)", r"$\1$", safe)  # a minus, not a hyphen


def _letter(letter: str) -> str:
    if letter == "\0":
        return "{}"
    if letter in _SPECIAL:
        return _SPECIAL[letter]
    plain, *accents = [*unicodedata.normalize("NFD", letter)]
    known = plain.isascii() and letter <= "ſ" and _ACCENTS.issuperset(accents)
    return letter if known or letter in _LETTERS else f"U+{ord(letter):04X}"


TABLES: dict[str, Callable[[Comparison], str]] = {
    ".csv": _csv, ".md": _markdown, ".tex": _latex,
}  # fmt: skip


def _picture(comparison: Comparison, path: Path) -> None:
    figure = comparison_figure(comparison)
    metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with matplotlib.rc_context({"svg.hashsalt": "driftseg"}):  # makes files reproducible
            figure.savefig(path, dpi=150, metadata=metadata)
    except OSError as error:
        raise InputError(
            f"{path}: expected a place where the picture can be written, got an error "
            f"({error.strerror}). To fix: name a file in a folder that you may write to"
        ) from None
