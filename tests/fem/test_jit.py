"""The cache of compiled forms, after processes that were killed."""

from hemo.fem.jit import clear_stale


def test_what_a_killed_compilation_left_is_removed(tmp_path):
    """A source without its mark would be waited for; a mark without its source would be stumbled over."""
    whole = ("a.c", "a.c.cached", "a.so")
    for name in (*whole, "b.c", "d.c.cached"):
        (tmp_path / name).touch()
    assert sorted(path.name for path in clear_stale(tmp_path)) == ["b.c", "d.c.cached"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(whole)
