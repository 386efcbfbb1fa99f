"""The cohort's table and the site's profile: what is read, and what is refused in one sentence."""

import pytest

from hemo.batch.cohort import given_of, read_cohort
from hemo.batch.profile import read_profile
from hemo.errors import InputError


def table(folder, text):
    path = folder / "cohort.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_rows_are_read_with_what_their_jobs_ask_for(tmp_path):
    text = "\ufeffid,case,method,ranks,memory,time,sex\na_1,x/case.toml,fem,8,16 GB,2 h,f\nb-2,tree.json,,,,,m\n\n"
    first, second = read_cohort(table(tmp_path, text), ["sex"])
    assert (first.id, first.method, first.kind, first.ranks) == ("a_1", "fem", "fem", 8)
    assert first.memory == pytest.approx(16000.0)
    assert first.time == pytest.approx(7200.0)
    assert first.path == tmp_path / "x/case.toml"
    assert first.kept == {"sex": "f"}
    assert (second.number, second.kind, second.is_tree, second.ranks) == (3, "reduced", True, None)


def test_a_tree_takes_the_options_of_hemo_reduced(tmp_path):
    text = "id,case,systolic,diastolic,resistance_reserve\na,tree.json,128 mmHg,76 mmHg,2.5\n"
    (row,) = read_cohort(table(tmp_path, text))
    given = given_of(row.patient)
    assert given["systolic"] == "128 mmHg"
    assert given["resistance_reserve"] == 2.5
    assert (given["state"], given["dominance"], given["rest_flow"]) == ("hyperaemia", "right", None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no column 'id'"),
        ("id,case\n", "holds no case"),
        ("id\na\n", "no column 'case'"),
        ("id,case\na b,c.toml\n", "row 2: the id must be"),
        ("id,case\nx;rm,c.toml\n", "row 2: the id must be"),
        ("id,case\n../x,c.toml\n", "row 2: the id must be"),
        ("id,case\n" + 65 * "x" + ",c.toml\n", "row 2: the id must be"),
        ("id,case\nM\u00fcller,c.toml\n", "row 2: the id must be"),
        ("id,case\na,c.toml\nb,c.toml\na,c.toml\n", "row 4: its id stands in row 2"),
        ("id,case\na,\n", "row 2: the column case is empty"),
        ("id,case\na,c.nii\n", "neither a case file"),
        ("id,case\na\n", "row 2: has 1 cells"),
        ("id,case,method\na,c.toml,cfd\n", "method 'cfd' is not one of"),
        ("id,case,method\na,t.json,fem\n", "a tree goes by the method reduced"),
        ("id,case,ranks\na,c.toml,0\n", "ranks '0'"),
        ("id,case,ranks\na,c.toml,many\n", "ranks 'many'"),
        ("id,case,memory\na,c.toml,4\n", "row 2: memory: '4' has no unit"),
        ("id,case,memory\na,c.toml,4 mmHg\n", "row 2: memory"),
        ("id,case,memory\na,c.toml,nan GB\n", "out of range"),
        ("id,case,time\na,c.toml,-1 h\n", "out of range"),
        ("id,case,memroy\na,c.toml,4 GB\n", "did you mean 'memory'"),
        ("id,case,patient_name\na,c.toml,x\n", "the column 'patient_name' is unknown"),
        ("id,case,id\na,c.toml,b\n", "stands there twice"),
        ("id,case,systolic\na,c.toml,120 mmHg\n", "belongs into the case file"),
        ("id,case,systolic\na,t.json,120\n", "row 2: systolic"),
        ("id,case,state\na,t.json,asleep\n", "is not one of rest, hyperaemia"),
        ("id,case,resistance_reserve\na,t.json,nan\n", "not a number from 1 to 20"),
        (b"id,case\n\xff\xfe,c.toml\n", "is not UTF-8"),
        ('id,case\n"a,c.toml\n', "is no CSV table"),
        ("id,case\na\0,c.toml\n", ""),
    ],
)
def test_damaged_tables_are_refused_by_row(tmp_path, text, sentence):
    with pytest.raises(InputError) as error:
        read_cohort(table(tmp_path, text))
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_table_and_a_column_to_keep_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read_cohort(tmp_path / "none.csv")
    path = table(tmp_path, "id,case\na,c.toml\n")
    for name, sentence in (("sex", "has no such column"), ("case", "means something to hemo")):
        with pytest.raises(InputError, match=sentence):
            read_cohort(path, [name])


def test_a_profile_is_read_in_its_units(tmp_path):
    path = tmp_path / "site.toml"
    path.write_text(
        '[slurm]\npartition = "long"\naccount = "heart"\n[fem]\nranks = 16\nmemory = "32 GB"\ntime = "1 day"\n'
    )
    found = read_profile(path)
    assert (found.slurm.partition, found.slurm.account, found.fem.ranks) == ("long", "heart", 16)
    assert found.fem.memory == pytest.approx(32000.0)
    assert found.fem.time == pytest.approx(86400.0)
    assert found.reduced == read_profile(None).reduced


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[slurm]\npassword = "x"\n', "slurm.password is unknown"),
        ('token = "x"\n', "token is unknown"),
        ('[slurm]\npartition = "a; rm -rf"\n', "slurm.partition"),
        ('[fem]\nmemory = "4"\n', "fem.memory"),
        ("[fem]\nranks = 0\n", "fem.ranks"),
        ("[fem\n", "not valid TOML"),
        (b"\xff\xfe\x00", "not a text file"),
    ],
)
def test_damaged_profiles_are_refused(tmp_path, text, sentence):
    path = tmp_path / "site.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=sentence) as error:
        read_profile(path)
    assert "\n" not in str(error.value)
