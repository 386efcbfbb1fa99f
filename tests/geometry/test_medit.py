"""Medit's binary files: what is written is read again, and a damaged file is refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest

from hemo.geometry.mesh.medit import MeditError, read_surface, read_tetrahedra, write_surface, write_tetrahedra

TAGS = np.array([1, 2, 3], dtype=np.int32)


@pytest.fixture
def written(tmp_path):
    points = np.random.default_rng(1).normal(size=(10, 3))
    path = tmp_path / "a.meshb"
    write_surface(path, points, np.array([[0, 1, 2], [3, 4, 5], [6, 7, 9]]), TAGS)
    return path, points


def test_files_give_back_what_was_written_but_for_loose_vertices(written) -> None:
    path, points = written
    again = read_surface(path)
    np.testing.assert_array_equal(again[0], np.delete(points, 8, axis=0))
    np.testing.assert_array_equal(again[1], [[0, 1, 2], [3, 4, 5], [6, 7, 8]])
    np.testing.assert_array_equal(again[2], TAGS)


@pytest.mark.parametrize("kept", [0, 4, 11, 30, 200, 330])
def test_a_file_cut_short_is_refused(written, kept: int) -> None:
    path, _ = written
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(MeditError):
        read_surface(path)


def test_a_file_of_another_kind_is_refused(tmp_path) -> None:
    (tmp_path / "b.meshb").write_text("MeshVersionFormatted 2\nDimension 3\n")
    with pytest.raises(MeditError, match="no Medit file"):
        read_surface(tmp_path / "b.meshb")


def test_tetrahedra_are_read_as_they_were_written(tmp_path) -> None:
    points, path = np.random.default_rng(1).normal(size=(5, 3)), tmp_path / "c.meshb"
    triangles, cells = np.array([[0, 1, 2], [1, 2, 3], [0, 2, 4]]), np.array([[0, 1, 2, 3], [1, 2, 3, 4]])
    write_tetrahedra(path, points, triangles, TAGS, cells)
    for found, given in zip(read_tetrahedra(path), (points, triangles, TAGS, cells), strict=True):
        np.testing.assert_array_equal(found, given)
    write_surface(path, points, triangles, TAGS)
    with pytest.raises(MeditError, match="no block 8"):
        read_tetrahedra(path)
