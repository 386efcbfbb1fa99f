import pytest

from hemo.case import check_case, read_case, resolve_path
from hemo.errors import InputError
from hemo.units import MMHG

GOOD = """
[case]
name = "x"
[geometry]
label_map = "lumen.nii.gz"
[patient]
systolic = "128 mmHg"
diastolic = "76 mmHg"
"""


def test_a_case_becomes_si(tmp_path):
    file = tmp_path / "case.toml"
    file.write_text(GOOD + '[flow]\nexponent = 2.7\n[blood]\nviscosity = "4 mPa*s"\n')
    case = read_case(file)
    assert case.physiology().systolic == pytest.approx(128 * MMHG)
    assert case.physiology().exponent == 2.7
    assert case.physiology().resistance_reserve is None  # the territory's default
    assert case.fluid().viscosity == pytest.approx(4e-3)
    assert case.geometry.minimal_outlet_diameter == pytest.approx(1.5e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "[pateint]\n", "pateint is unknown; did you mean 'patient'"),
        (GOOD + 'hart_rate = "66 /min"\n', "patient.hart_rate is unknown; did you mean 'heart_rate'"),
        (GOOD.replace("128 mmHg", "128"), "patient.systolic.*no unit"),
        (GOOD.replace('"128 mmHg"', "128"), "patient.systolic"),
        (GOOD.replace("128 mmHg", "128 kg"), "patient.systolic"),
        (GOOD.replace('label_map = "lumen.nii.gz"', ""), "exactly one"),
        (GOOD.replace('"lumen.nii.gz"', '"a.nii"\nsurface = "b.stl"'), "exactly one"),
        (GOOD.replace('name = "x"', ""), "case.name is missing"),
        (GOOD + "[fem]\ncells_per_diameter = 1000\n", "fem.cells_per_diameter"),
        (GOOD + '[flow]\nstate = "sleep"\n', "flow.state"),
        ("= nonsense", "not valid TOML"),
    ],
)
def test_bad_cases_name_the_key(tmp_path, text, message):
    file = tmp_path / "case.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_case(file)
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read_case(tmp_path / "none.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        read_case(tmp_path / "b.toml")


def test_paths_are_relative_to_the_case_and_expand_variables(tmp_path, monkeypatch):
    monkeypatch.setenv("SOMEWHERE", str(tmp_path / "data"))
    case = tmp_path / "a" / "case.toml"
    assert resolve_path(case, "x.stl") == (tmp_path / "a" / "x.stl").resolve()
    assert resolve_path(case, "$SOMEWHERE/x.stl") == (tmp_path / "data" / "x.stl").resolve()
    monkeypatch.delenv("SOMEWHERE")
    with pytest.raises(InputError, match="SOMEWHERE, which is not set"):
        resolve_path(case, "$SOMEWHERE/x.stl")


def test_default_fluid_refuses_absurd_units():
    with pytest.raises(InputError, match="density"):
        check_case(
            {
                "case": {"name": "x"},
                "geometry": {"surface": "a.stl"},
                "blood": {"density": "1.06 kg/m^3"},
            },
            "case.toml",
        ).fluid()
