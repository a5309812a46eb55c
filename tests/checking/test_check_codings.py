"""How label files are stored, looked at by their headers and whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftseg.checking.check import check_dataset
from driftseg.checking.findings import DatasetCheck
from driftseg.scenes.datasets import layouts
from driftseg.scenes.layout import Layout
from layout_trees import TREES, photo, save


def kinds(found: DatasetCheck) -> dict[str, int]:
    return {finding.kind: finding.count for finding in found.findings}


@pytest.mark.parametrize("quick", [False, True])
def test_labels_that_are_not_taken(quick: bool, tmp_path: Path) -> None:
    """A header tells as much as the file does."""
    for i in range(3):
        save(tmp_path / "in" / f"{i}.png", photo(i, 24, 32))
    save(tmp_path / "ids" / "0.png", photo(0, 24, 32))
    save(tmp_path / "ids" / "1.png", np.full((24, 32), 1, np.uint16))
    Image.new("1", (32, 24)).save(tmp_path / "ids" / "2.png")
    found = check_dataset(tmp_path / "in", labels=tmp_path / "ids", headers_only=quick)
    assert found.label_codings == {
        "8-bit colour PNG": 1, "16-bit grey PNG": 1, "1-bit grey PNG": 1,
    }  # fmt: skip
    wrong = {"colour_labels": 1, "sixteen_bit_labels": 1, "refused_labels": 1}
    assert kinds(found) == {**wrong, "mixed_label_coding": 3}


@pytest.mark.parametrize("layout", layouts(), ids=lambda layout: layout.name)
def test_labels_as_their_authors_store_them(layout: Layout, tmp_path: Path) -> None:
    """No layout's own coding is complained of, by headers or by all of the file."""
    TREES[layout.name](tmp_path)
    refused = {"sixteen_bit_labels", "colour_labels", "refused_labels", "lossy_labels"}
    for quick in (True, False):
        assert not refused & set(kinds(check_dataset(tmp_path, headers_only=quick)))


def test_colours_where_a_layout_wants_ids(tmp_path: Path) -> None:
    label = TREES["camvid"](tmp_path).labels[0]
    save(label, photo(0))
    found = check_dataset(tmp_path, headers_only=True).findings[0]
    assert (found.kind, found.count) == ("colour_labels", 1)
    assert found.examples[0].startswith(
        f"{label}: expected 8-bit grey PNG or palette PNG, got 8-bit colour PNG"
    )
