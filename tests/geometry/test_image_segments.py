"""Which labels are the aorta and which the coronaries: names from files, numbers, and what is refused."""

import gzip
import json
import logging

import numpy as np
import pytest
import SimpleITK as sitk

from hemo.errors import InputError
from hemo.geometry.image.labelimage import AORTA, CORONARY, read_labels

SPACING = (0.5, 0.5, 0.5)


def three():
    """1 aorta, 2 left, 3 right."""
    array = np.zeros((16, 16, 30), dtype=np.uint8)  # z, y, x
    array[2:14, 3:13, 2:10] = 1
    array[4:7, 6:9, 10:28] = 2
    array[9:12, 6:9, 10:26] = 3
    return array


LEFT, RIGHT = 3 * 3 * 18, 3 * 3 * 16


def write(path, array):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING)
    sitk.WriteImage(image, str(path), useCompression=True)
    return path


def slicer_nrrd(path, array, names, layers=None, tags=()):
    """A .seg.nrrd as 3D Slicer writes it: layers (nz, ny, nx, n) where segments overlap."""
    sizes, kinds, directions = array.shape[2::-1], ["domain"] * 3, "(0.5,0,0) (0,0.5,0) (0,0,0.5)"
    if array.ndim == 4:
        sizes, kinds, directions = (array.shape[3], *sizes), ["list", *kinds], "none " + directions
    lines = [
        "NRRD0004",
        "type: unsigned char",
        f"dimension: {len(sizes)}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, sizes))}",
        f"space directions: {directions}",
        f"kinds: {' '.join(kinds)}",
        "encoding: gzip",
        "space origin: (1,2,3)",
    ]
    for number, name in enumerate(names):
        value, layer = (number + 1, 0) if layers is None else layers[number]
        lines += [f"Segment{number}_Name:={name}", f"Segment{number}_ID:=Segment_{number}"]
        lines += [f"Segment{number}_LabelValue:={value}", f"Segment{number}_Layer:={layer}"]
    lines += [f"Segment{number}_Tags:={tag}" for number, tag in enumerate(tags)]
    path.write_bytes("\n".join(lines).encode() + b"\n\n" + gzip.compress(array.tobytes()))
    return path


def counts(image):
    return np.count_nonzero(image.labels == AORTA), np.count_nonzero(image.labels == CORONARY)


def test_coronaries_of_several_labels(tmp_path):
    path = write(tmp_path / "a.nrrd", three())
    assert counts(read_labels(path, {"aorta": 1, "coronary": [2, 3]})) == (960, LEFT + RIGHT)
    assert counts(read_labels(path, {"aorta": [1], "coronary": 3})) == (960, RIGHT)


def test_names_of_a_slicer_segmentation(tmp_path):
    path = slicer_nrrd(tmp_path / "lumen.seg.nrrd", three(), ["Aortic root", "Left tree", "RCA"])
    labels = {"aorta": "aortic_root", "coronary": ["left tree", "RCA"]}
    image = read_labels(path, labels)
    assert counts(image) == (960, LEFT + RIGHT)
    first = np.argwhere(image.labels == AORTA)[0, ::-1].astype(float)
    assert 1e3 * image.to_points(first[None])[0] == pytest.approx([1 + 0.5 * 2, 2 + 0.5 * 3, 3 + 0.5 * 2])
    with pytest.raises(
        InputError, match=r"holds 1 \(Aortic root\), 2 \(Left tree\), 3 \(RCA\); did you mean 'Left tree'"
    ):
        read_labels(path, {"coronary": "Left three"})


def test_overlapping_layers_of_a_slicer_segmentation(tmp_path):
    array = three()
    layers = np.stack([(array == 1) | (array == 3) * 2, array > 0, array * 0], axis=-1).astype(np.uint8)
    path = slicer_nrrd(
        tmp_path / "lumen.seg.nrrd", layers, ["Aorta", "LCA", "RCA", "old"], [(1, 0), (1, 1), (2, 0), (1, 2)]
    )
    assert counts(read_labels(path, {"aorta": "Aorta", "coronary": ["LCA", "RCA"]})) == (960, LEFT + RIGHT)
    with pytest.raises(InputError, match="2 overlapping segments have the value 1; state their names"):
        read_labels(path, {"aorta": 1, "coronary": "LCA"})
    with pytest.raises(InputError, match="no segment is called 'old'"):  # it is empty
        read_labels(path, {"aorta": "Aorta", "coronary": "old"})


def test_terms_of_a_slicer_segmentation(tmp_path):
    tag = "TerminologyEntry:list~SCT^91723000^Structure~SCT^51114001^Artery~^^~regions~SCT^41801008^Coronary artery~^^|"
    path = slicer_nrrd(tmp_path / "a.seg.nrrd", three(), ["Segment_1", "Segment_2", "Segment_3"], tags=["", tag, tag])
    assert counts(read_labels(path, {"aorta": 1, "coronary": "coronary artery"})) == (960, LEFT + RIGHT)


def test_names_of_an_itksnap_description(tmp_path, caplog):
    path = write(tmp_path / "lumen.nii.gz", three())
    lines = ["# ITK-SnAP Label Description File", '    0     0    0    0        0  0  0    "Clear Label"']
    lines += [
        f'    {n}   255    0    0        1  1  1    "{name}"' for n, name in enumerate(("Ao", "LCA", "RCA"), start=1)
    ]
    (tmp_path / "lumen.txt").write_text("\n".join(lines))
    with caplog.at_level(logging.INFO):
        assert counts(read_labels(path, {"aorta": "ao", "coronary": ["LCA", "RCA"]})) == (960, LEFT + RIGHT)
    assert "names of the labels from lumen.txt" in caplog.text


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("labelsTr/../dataset.json", {"background": 0, "aorta": 1, "lca": 2, "rca": 3}),
        ("labelsTr/lumen.json", {"0": "background", "1": "aorta", "2": "lca", "3": "rca"}),
    ],
)
def test_names_of_a_json_file(tmp_path, name, labels):
    (tmp_path / "labelsTr").mkdir()
    path = write(tmp_path / "labelsTr" / "lumen.nii.gz", three())
    (tmp_path / name).write_text(json.dumps({"name": "x", "labels": labels}))
    assert counts(read_labels(path, {"aorta": "Aorta", "coronary": ["LCA", "RCA"]})) == (960, LEFT + RIGHT)
    assert counts(read_labels(path)) == (960, LEFT + RIGHT)  # the usual names


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"labels": 3}', '{"labels": {"a": null}}', "\0\xff", "[" * 100_000])
def test_a_file_beside_that_gives_no_names(tmp_path, text):
    path = write(tmp_path / "lumen.nii.gz", three())
    (tmp_path / "lumen.json").write_text(text)
    (tmp_path / "lumen.txt").write_text(text)
    with pytest.raises(InputError, match="names none of its segments"):
        read_labels(path, {"aorta": "Aorta", "coronary": 2})


def test_one_label_is_the_lumen(tmp_path, caplog):
    path = write(tmp_path / "a.mha", (three() > 0).astype(np.int16) * 255)
    with caplog.at_level(logging.INFO):
        assert counts(read_labels(path)) == (0, 960 + LEFT + RIGHT)
    assert "holds one label, 255: it is taken as the whole lumen" in caplog.text


def test_labels_one_and_two_need_no_stating(tmp_path):
    assert counts(read_labels(write(tmp_path / "a.nrrd", np.minimum(three(), 2)))) == (960, LEFT + RIGHT)


def named(*names):
    return lambda path: slicer_nrrd(path.with_suffix(".seg.nrrd"), three(), names)


def plain(array):
    return lambda path: write(path, array)


@pytest.mark.parametrize(
    ("make", "labels", "words"),
    [
        (plain(three()), None, r"holds 1, 2, 3; state which they are"),
        (plain(three() * 2), None, r"holds 2, 4, 6; state"),
        (
            named("heart", "liver", "coronary sinus"),
            None,
            r"holds 1 \(heart\), 2 \(liver\), 3 \(coronary sinus\); state",
        ),
        (
            plain(three()),
            {"aorta": 1, "coronary": [2, 33]},
            "no voxel has the coronary label 33; the file holds 1, 2, 3",
        ),
        (plain(three()), {"aorta": 1, "coronary": [1, 2]}, "both as aorta and as coronary"),
        (plain(three()), {"aorta": 1, "coronary": []}, "no label is given for the coronary"),
        (plain(three()), {"aorta": 1, "coronary": "LCA"}, "names none of its segments"),
        (plain(three()), {"aorta": 1, "vessel": 2}, "the names are aorta and coronary"),
        (plain(three() * 0), None, "empty"),
        (
            plain((three() * 500.0 - 1024).astype(np.int16)),
            {"aorta": 1, "coronary": 2},
            "from -1024 to 476.*not the CT",
        ),
        (plain(np.arange(7680).reshape(16, 16, 30).astype(np.int16)), {"coronary": 2}, "not the CT image"),
        (plain(three() / 3.0), {"coronary": 1}, "a probability map; threshold"),
        (plain(np.where(three(), np.nan, 0.0)), None, "not numbers"),
        (plain(three() * 1.5), None, "no labels"),
    ],
)
def test_what_is_refused(tmp_path, make, labels, words):
    path = make(tmp_path / "a.nrrd")
    with pytest.raises(InputError, match=words) as caught:
        read_labels(path, labels)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_whole_numbers_in_floats_are_labels(tmp_path):
    assert counts(read_labels(write(tmp_path / "a.nrrd", np.minimum(three(), 2).astype(np.float32)))) == (
        960,
        LEFT + RIGHT,
    )
