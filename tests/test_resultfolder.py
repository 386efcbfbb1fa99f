import os

import pytest

from hemo.errors import InputError, NotConverged
from hemo.resultfolder import partial_path, working_folder

PRINT = {"case.toml": "abc"}


def test_result_appears_only_when_whole(tmp_path):
    out = tmp_path / "deep" / "out"
    with working_folder(out, PRINT, fresh=False) as work:
        (work / "summary.json").write_text("{}")
        assert not out.exists()
    assert (out / "summary.json").read_text() == "{}"
    assert not partial_path(out).exists()
    assert os.listdir(out) == ["summary.json"]
    with pytest.raises(InputError, match="exists already"), working_folder(out, PRINT, fresh=False):
        pass


def test_unconverged_run_is_kept_and_continued(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(NotConverged), working_folder(out, PRINT, fresh=False) as work:
        (work / "stage").write_text("1")
        raise NotConverged("no")
    assert not out.exists()
    with pytest.raises(InputError, match="--fresh"), working_folder(out, {"case.toml": "other"}, fresh=False):
        pass
    assert (partial_path(out) / "stage").exists()
    with working_folder(out, PRINT, fresh=False) as work:
        assert (work / "stage").read_text() == "1"
    assert out.exists()


def test_fresh_discards_what_was_left(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(NotConverged), working_folder(out, PRINT, fresh=False) as work:
        (work / "stage").write_text("1")
        raise NotConverged("no")
    with working_folder(out, {"case.toml": "other"}, fresh=True) as work:
        assert not (work / "stage").exists()


def test_bad_input_leaves_nothing_behind(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError), working_folder(out, PRINT, fresh=False):
        raise InputError("the surface is open")
    assert os.listdir(tmp_path) == []


def test_two_runs_do_not_share_a_folder(tmp_path):
    out = tmp_path / "out"
    with (
        working_folder(out, PRINT, fresh=False),
        pytest.raises(InputError, match="another hemo run"),
        working_folder(out, PRINT, fresh=False),
    ):
        pass


def test_a_full_disk_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="disk is full"), working_folder(tmp_path / "out", PRINT, fresh=False):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("name", "wanted"), [("LAD", "LAD"), ("../../etc/x", "_.._etc_x"), ("D1 (left)", "D1_left_"), ("...", "_")]
)
def test_a_chosen_name_stays_in_its_folder(name, wanted):
    from hemo.files import file_name

    assert file_name(name) == wanted
