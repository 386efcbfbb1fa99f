"""A job's cases: each kept at once, those that fail or kill their process alone, nothing computed twice."""

import json
from pathlib import Path

import pytest

from hemo.batch import warm
from hemo.batch.chunk import run_chunk
from hemo.batch.cohort import read_cohort
from hemo.batch.cohortrun import BatchOptions, plan
from hemo.batch.engine import EngineOptions
from hemo.batch.outcome import outcome_of_result, read_outcome, state_of
from hemo.batch.planning import write_plan
from hemo.batch.profile import Profile
from hemo.batch.tables import exit_code, gather
from hemo.batch.warm import WarmProcess
from tests.batch.cohorts import journal, read_csv, trees, write_case, write_table, write_tree


@pytest.fixture
def in_process(monkeypatch):
    """Cases computed by this process, where a test is not about another."""
    monkeypatch.setattr(WarmProcess, "ask", lambda self, item: warm.compute(self.folder, item))


def planned(folder: Path, rows, chunk=100, again=False):
    """The jobs that a cohort's folder is left with."""
    work = folder / "work"
    work.mkdir(exist_ok=True)
    cohort = read_cohort(write_table(folder / "cohort.csv", rows))
    options = BatchOptions(folder / "out", EngineOptions(), chunk, again)
    keys, _, jobs = plan(work, cohort, options, Profile())
    write_plan(work, cohort, keys, jobs, {"hemo": "hemo", "setup": "", "resources": {}})
    return work, jobs


def compute(work, jobs):
    return [
        one
        for job in jobs
        for one in run_chunk(work / "chunks" / f"{job.name}.json", work / "chunks" / f"{job.name}.done")
    ]


def made(result):
    """When a result's files were written."""
    return sorted(path.stat().st_mtime_ns for path in result.rglob("*"))


def test_trees_and_cases_are_computed_and_gathered(tmp_path):
    write_case(tmp_path / "case.toml")
    rows = [*trees(tmp_path, 3), {"id": "c", "case": "case.toml"}, {"id": "gone", "case": "gone.toml"}]
    work, jobs = planned(tmp_path, rows, chunk=2)
    assert [len(job.items) for job in jobs] == [2, 2, 1]
    assert compute(work, jobs) == []
    assert all((work / "chunks" / f"{job.name}.done").exists() for job in jobs)
    told = gather(work)
    assert told["status"] == {"bad input": 1, "done": 4}
    assert told["exit_code"] == 2
    table = read_csv(work / "cohort.csv")
    assert "cannot read the case file" in table["gone"]["reason"]
    assert table["gone"]["exit_code"] == "2"
    stored = json.loads((work / "cases/t1/reduced.json").read_text())["trees"][0]
    assert float(table["t1"]["ffr_LAD_reduced"]) == stored["branches"][0]["ffr"]
    lesion = stored["lesions"][0]
    assert float(table["t1"][f"ffr_distal_{lesion['id']}_reduced"]) == lesion["ffr_distal"]
    assert float(table["t1"]["lowest_ffr_reduced"]) == min(stored["branches"][0]["ffr"], lesion["ffr_distal"])
    summary = json.loads((work / "cases/c/summary.json").read_text())
    assert float(table["c"]["lowest_ffr_reduced"]) <= summary["trees"][0]["branches"][0]["reduced"]["ffr"]
    lesions = read_csv(work / "lesions.csv")
    assert float(lesions["t1"]["ffr_distal_reduced"]) == lesion["ffr_distal"]
    assert set(read_csv(work / "vessels.csv")) == {"t0", "t1", "t2", "c"}


def test_only_what_changed_is_computed_again(tmp_path, in_process):
    write_case(tmp_path / "b.toml")
    rows = [*trees(tmp_path, 2), {"id": "b", "case": "b.toml"}]
    work, jobs = planned(tmp_path, rows)
    compute(work, jobs)
    before = {name: made(work / "cases" / name) for name in ("t0", "t1", "b")}
    assert planned(tmp_path, rows)[1] == []
    write_case(tmp_path / "b.toml", severity=0.6)
    rows[1]["mean_pressure"] = "80 mmHg"
    work, jobs = planned(tmp_path, rows)
    assert [item["id"] for job in jobs for item in job.items] == ["t1", "b"]
    compute(work, jobs)
    after = {name: made(work / "cases" / name) for name in before}
    assert [name for name in before if before[name] != after[name]] == ["t1", "b"]
    write_tree(tmp_path / "tree.json", 1.4)
    assert [len(job.items) for job in planned(tmp_path, rows)[1]] == [2]


def test_a_case_that_kills_its_process_leaves_the_others_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(WarmProcess, "module", "tests.batch.deadly")
    rows = trees(tmp_path, 4)
    rows[1]["id"], rows[2]["id"] = "killer", "hungry"
    work, jobs = planned(tmp_path, rows)
    left = compute(work, jobs)
    assert [(one.id, one.status) for one in left] == [("killer", "killed"), ("hungry", "killed")]
    assert "SIGKILL" in left[0].reason
    assert not list(work.glob("chunks/*.done"))
    told = gather(work)
    assert told["status"] == {"done": 2, "killed": 2}
    assert told["exit_code"] == 130
    # The next attempt takes what is left, and nothing that was done.
    monkeypatch.setattr(WarmProcess, "module", "hemo.batch.warm")
    work, jobs = planned(tmp_path, rows)
    assert [item["id"] for job in jobs for item in job.items] == ["killer", "hungry"]
    assert compute(work, jobs) == []
    assert gather(work)["exit_code"] == 0
    events = journal(work)
    assert [name for name, event in events if event == "done"] == ["t0", "t3", "killer", "hungry"]
    assert sum(event == "begun" for _, event in events) == 6


def test_a_result_whose_record_was_not_written_is_taken_up(tmp_path, in_process):
    work, jobs = planned(tmp_path, trees(tmp_path, 1))
    compute(work, jobs)
    key = jobs[0].items[0]["key"]
    (work / "outcomes/t0.json").write_text("{")
    assert read_outcome(work, "t0") is None
    assert state_of(work, "t0", key).status == "done"
    assert outcome_of_result(work / "cases/t0", "another") is None
    assert planned(tmp_path, trees(tmp_path, 1))[1] == []


def test_a_result_that_was_deleted_is_computed_again(tmp_path, in_process):
    work, jobs = planned(tmp_path, trees(tmp_path, 1))
    compute(work, jobs)
    (work / "cases/t0/reduced.json").unlink()
    (work / "cases/t0").rmdir()
    assert len(planned(tmp_path, trees(tmp_path, 1))[1]) == 1


def test_what_failed_is_computed_again_on_demand_or_with_other_input(tmp_path, in_process):
    rows = [{"id": "x", "case": "x.json"}]
    work, jobs = planned(tmp_path, rows)
    compute(work, jobs)
    assert planned(tmp_path, rows)[1] == []
    assert len(planned(tmp_path, rows, again=True)[1]) == 1
    compute(work, planned(tmp_path, rows, again=True)[1])
    write_tree(tmp_path / "x.json")
    rows[0] |= {"mean_pressure": "93 mmHg", "inlet_flow": "100 mL/min"}
    work, jobs = planned(tmp_path, rows)
    compute(work, jobs)
    assert gather(work)["status"] == {"done": 1}


def test_jobs_ask_for_what_their_cases_do(tmp_path):
    rows = [
        {"id": "a", "case": "a.toml", "memory": "3 GB", "time": "10 min"},
        {"id": "b", "case": "b.toml", "time": "20 min"},
        {"id": "c", "case": "c.toml", "method": "both", "ranks": "6", "memory": "20 GB", "time": "5 h"},
        {"id": "d", "case": "d.toml", "method": "fem"},
    ]
    _, jobs = planned(tmp_path, rows)
    asked = [(job.kind, job.threads, job.memory, job.minutes) for job in jobs]
    assert asked == [("reduced", 1, 3000, 30), ("fem", 6, 20000, 300), ("fem", 2, 8000, 720)]


@pytest.mark.parametrize(
    ("counts", "code"),
    [
        ({"done": 3}, 0),
        ({"done": 3, "bad input": 1}, 2),
        ({"bad input": 1, "not converged": 1}, 3),
        ({"done": 1, "failed": 1}, 3),
        ({"environment": 1, "failed": 1}, 4),
        ({"killed": 1, "environment": 1}, 130),
        ({"interrupted": 1}, 130),
    ],
)
def test_exit_codes(counts, code):
    assert exit_code(counts) == code
