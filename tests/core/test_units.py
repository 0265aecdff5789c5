"""Sizes and days as people write them."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatgate import units


@pytest.mark.parametrize(
    "text, octets",
    [
        ("0", 0),
        ("500000", 500_000),
        ("200M", 200_000_000),
        (" 1.5 g ", 1_500_000_000),
        ("2GB", 2_000_000_000),
        ("7b", 7),
        ("1T", 10**12),
        (str(units.MOST), units.MOST),
    ],
)
def test_sizes(text, octets):
    assert units.octets(text) == octets


@pytest.mark.parametrize("text", ["", "B", "M", "-1", "-0.1K", "nan", "inf", "1e30", "5 P", "1 M M", "5000000000 T"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError):
        units.octets(text)


@given(st.text())
def test_any_text_is_a_size_that_a_store_can_count_or_none(text):
    try:
        assert 0 <= units.octets(text) <= units.MOST
    except ValueError:
        pass


def test_days():
    assert units.iso_day(0) is None
    assert units.iso_day(1) == "1970-01-02"
    assert units.iso_day(20850) == "2027-02-01"


def test_free_space_is_what_we_may_write_not_what_root_may(monkeypatch):
    class Disk:
        f_bavail, f_bfree, f_frsize, f_bsize = 3, 1000, 512, 4096

    asked = []
    monkeypatch.setattr(os, "statvfs", lambda folder: asked.append(folder) or Disk)
    assert units.free_octets(Path("/data")) == 3 * 512 and asked == [Path("/data")]
    monkeypatch.undo()
    with pytest.raises(OSError):
        units.free_octets(Path("/nothing/of/this/name"))
