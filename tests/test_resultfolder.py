import os
import threading
import time

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


@pytest.mark.parametrize("record", [None, "", '{"case": "ab'])
def test_a_run_that_was_killed_at_its_birth_is_begun_anew(tmp_path, record):
    work = partial_path(tmp_path / "out")
    work.mkdir()
    if record is not None:
        (work / "inputs.json").write_text(record)
    with working_folder(tmp_path / "out", {"case": "abc"}, fresh=False) as folder:
        (folder / "a").write_text("1")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]


def test_a_folder_without_a_record_that_holds_something_is_left_alone(tmp_path):
    work = partial_path(tmp_path / "out")
    work.mkdir()
    (work / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="unfinished run"), working_folder(tmp_path / "out", {}, fresh=False):
        pass
    assert (work / "thesis.txt").read_text() == "mine"


def test_with_patience_the_second_waits_and_finds_the_result(tmp_path):
    out, order = tmp_path / "out", []

    def second():
        try:
            with working_folder(out, {}, fresh=False, patience=-1.0):
                order.append("worked")
        except InputError as error:
            order.append(str(error))

    with working_folder(out, {}, fresh=False):
        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.3)
        assert order == []
    other.join(timeout=10)
    assert len(order) == 1
    assert "exists already" in order[0]
