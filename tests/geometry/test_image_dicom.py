"""DICOM segmentations, written by highdicom, against a lumen known by formula."""

import logging

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import HTJ2KLossless, RTStructureSetStorage
from scipy.spatial import cKDTree

from hemo.errors import InputError
from hemo.geometry.image.labelimage import AORTA, CORONARY, label_file, read_labels
from tests.geometry.segmentations import OBLIQUE, ORIGIN, SECRETS, SPACING, ct_series, lumen_at, places, segmentation

LABELS = {"aorta": "Aorta", "coronary": ["LCA", "RCA"]}


@pytest.fixture(scope="module")
def lumen():
    return lumen_at(places())


def labelled(image, label):
    """(n, 3) LPS mm of the voxels with a label."""
    return 1e3 * image.to_points(np.argwhere(image.labels == label)[:, ::-1].astype(float))


def farthest(a, b):
    """Hausdorff distance of two sets of points, which must be as many."""
    assert len(a) == len(b) > 100
    return max(cKDTree(a).query(b)[0].max(), cKDTree(b).query(a)[0].max())


def saved(path, dataset):
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_voxels_lie_where_the_formula_and_a_nifti_have_them(tmp_path, lumen, kind):
    image = read_labels(saved(tmp_path / "seg.dcm", segmentation(lumen, kind)), LABELS)
    assert farthest(labelled(image, AORTA), places()[lumen == 1]) < 1e-6
    assert farthest(labelled(image, CORONARY), places()[lumen > 1]) < 1e-6
    nifti = sitk.GetImageFromArray(lumen)
    nifti.SetSpacing(SPACING.tolist())
    nifti.SetOrigin(ORIGIN.tolist())
    nifti.SetDirection(OBLIQUE.ravel().tolist())
    sitk.WriteImage(nifti, str(tmp_path / "lumen.nii.gz"))
    same = read_labels(tmp_path / "lumen.nii.gz", {"aorta": 1, "coronary": [2, 3]})
    assert farthest(labelled(image, CORONARY), labelled(same, CORONARY)) < 1e-6
    assert 1e3 * image.spacing == pytest.approx(SPACING, abs=1e-9)


def test_stack_stored_from_head_to_feet_and_left_handed_rows(tmp_path, lumen):
    """The same patient with slices listed downwards, and with rows read from the right."""
    source = ct_series()[::-1]
    image = read_labels(saved(tmp_path / "down.dcm", segmentation(lumen[::-1], source=source)), LABELS)
    assert farthest(labelled(image, CORONARY), places()[lumen > 1]) < 1e-6
    mirrored = OBLIQUE * np.array([-1.0, 1.0, 1.0])
    start = ORIGIN + (lumen.shape[2] - 1) * SPACING[0] * OBLIQUE[:, 0]
    source = ct_series(origin=start, direction=mirrored)
    image = read_labels(saved(tmp_path / "mirror.dcm", segmentation(lumen[:, :, ::-1], source=source)), LABELS)
    assert farthest(labelled(image, CORONARY), places()[lumen > 1]) < 1e-6


def shuffled(dataset, order):
    """The same segmentation with its frames in another order, or with some left out."""
    pixels = dataset.pixel_array[order]
    dataset.PerFrameFunctionalGroupsSequence = Sequence(dataset.PerFrameFunctionalGroupsSequence[k] for k in order)
    dataset.NumberOfFrames = len(order)
    dataset.PixelData = np.packbits(pixels.ravel(), bitorder="little").tobytes()
    dataset.PixelData += b"\0" * (len(dataset.PixelData) % 2)
    return dataset


def test_frames_in_any_order_and_missing(tmp_path, lumen, caplog):
    saved(tmp_path / "seg.dcm", segmentation(lumen))
    dataset = dcmread(tmp_path / "seg.dcm")
    order = np.random.default_rng(0).permutation(dataset.NumberOfFrames)
    image = read_labels(saved(tmp_path / "any.dcm", shuffled(dataset, order)), LABELS)
    assert farthest(labelled(image, CORONARY), places()[lumen > 1]) < 1e-6
    # No frame of any segment on the planes 15 and 16, between the two vessels where only the aorta is.
    dataset = dcmread(tmp_path / "seg.dcm")
    frames = dataset.PerFrameFunctionalGroupsSequence
    height = [OBLIQUE[:, 2] @ frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames]
    plane = np.rint((np.array(height) - ORIGIN @ OBLIQUE[:, 2]) / SPACING[2])
    with caplog.at_level(logging.INFO):
        image = read_labels(
            saved(tmp_path / "sparse.dcm", shuffled(dataset, np.flatnonzero((plane != 15) & (plane != 16)))), LABELS
        )
    assert "2 planes without a frame" in caplog.text
    kept = lumen.copy()
    kept[15:17] = 0
    assert farthest(labelled(image, CORONARY), places()[kept > 1]) < 1e-6
    assert farthest(labelled(image, AORTA), places()[kept == 1]) < 1e-6


def test_fractions_count_from_half(tmp_path, lumen, caplog):
    share = np.stack([np.where(lumen == number, 0.6, 0.4) for number in (1, 2, 3)], axis=-1)
    path = saved(tmp_path / "seg.dcm", segmentation(share, "FRACTIONAL", max_fractional_value=100))
    with caplog.at_level(logging.INFO):
        image = read_labels(path, LABELS)
    assert "0.5 of the maximum" in caplog.text
    assert farthest(labelled(image, CORONARY), places()[lumen > 1]) < 1e-6


@pytest.mark.parametrize(
    "labels",
    [
        {"aorta": 1, "coronary": [2, 3]},
        {"aorta": "aorta", "coronary": "Coronary artery"},  # the meaning of the anatomic region, shared by two segments
        {"aorta": "15825003", "coronary": "41801008"},  # SNOMED codes
        {"aorta": "AORTA", "coronary": ["lca", 3]},
        None,  # by their usual names
    ],
)
def test_segments_by_number_label_meaning_and_code(tmp_path, lumen, labels):
    image = read_labels(saved(tmp_path / "seg.dcm", segmentation(lumen)), labels)
    assert np.count_nonzero(image.labels == AORTA) == np.count_nonzero(lumen == 1)
    assert np.count_nonzero(image.labels == CORONARY) == np.count_nonzero(lumen > 1)


def test_unknown_name_says_what_there_is(tmp_path, lumen):
    path = saved(tmp_path / "seg.dcm", segmentation(lumen))
    with pytest.raises(InputError, match=r"'LCAA'; the file holds 1 \(Aorta\), 2 \(LCA\), 3 \(RCA\); .* 'LCA'\?"):
        read_labels(path, {"aorta": "Aorta", "coronary": "LCAA"})


def test_overlapping_segments_keep_the_aorta(tmp_path, lumen):
    share = np.stack([lumen == 1, lumen > 0, lumen == 3], axis=-1).astype(np.uint8)
    image = read_labels(saved(tmp_path / "seg.dcm", segmentation(share)), LABELS)
    assert np.count_nonzero(image.labels == AORTA) == np.count_nonzero(lumen == 1)


def test_folder_with_the_ct_beside_it(tmp_path, lumen):
    for k, ct in enumerate(ct_series()[:4]):
        ct.save_as(tmp_path / f"ct{k}", enforce_file_format=True)
    with pytest.raises(InputError, match="4 CT Image"):
        read_labels(tmp_path, LABELS)
    (tmp_path / "seg").mkdir()
    saved(tmp_path / "seg" / "1.2.3", segmentation(lumen))
    assert label_file(tmp_path) == tmp_path / "seg" / "1.2.3"
    assert read_labels(tmp_path, LABELS).has_aorta
    saved(tmp_path / "second.dcm", segmentation(lumen))
    with pytest.raises(InputError, match="holds 2 DICOM segmentations"):
        read_labels(tmp_path, LABELS)


def uneven(dataset):
    frame = dataset.PerFrameFunctionalGroupsSequence[-1]
    frame.PlanePositionSequence[0].ImagePositionPatient = list(ORIGIN + 22.4 * SPACING[2] * OBLIQUE[:, 2])


def tilted(dataset):
    for k, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        place = np.array(frame.PlanePositionSequence[0].ImagePositionPatient) + 0.02 * k * OBLIQUE[:, 1]
        frame.PlanePositionSequence[0].ImagePositionPatient = [f"{value:.6f}" for value in place]


def turned(dataset):
    frame = dataset.PerFrameFunctionalGroupsSequence[3]
    frame.PlaneOrientationSequence = Sequence([type(frame)()])
    frame.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]


def other_class(dataset):
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage


def without_place(dataset):
    del dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence


def without_pixels(dataset):
    del dataset.PixelData


def split(dataset):
    dataset.InConcatenationTotalNumber = 3


def in_metres(dataset):
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.PixelSpacing = [0.0005, 0.000375]


def compressed(dataset):
    dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
    dataset.PixelData = encapsulate([b"12"])
    dataset["PixelData"].is_undefined_length = True


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (uneven, "mm apart"),
        (tilted, "shifted sideways"),
        (turned, "differ in orientation"),
        (other_class, "RT Structure Set"),
        (without_place, "does not say where"),
        (without_pixels, "no frame"),
        (split, "several files"),
        (compressed, "compressed"),
        (in_metres, "correct the spacing"),
    ],
)
def test_what_is_no_straight_segmentation_is_refused(tmp_path, lumen, change, words):
    dataset = dcmread(saved(tmp_path / "seg.dcm", segmentation(lumen)))
    change(dataset)
    with pytest.raises(InputError, match=words) as caught:
        read_labels(saved(tmp_path / "bad.dcm", dataset), LABELS)
    assert "\n" not in str(caught.value)


def test_ct_slice_is_named(tmp_path):
    ct_series()[0].save_as(tmp_path / "ct.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match="CT Image"):
        read_labels(tmp_path / "ct.dcm", LABELS)


def test_nothing_of_the_patient_leaves_the_file(tmp_path, lumen, caplog, recwarn, capfd):
    dataset = segmentation(lumen)
    path = saved(tmp_path / "seg.dcm", dataset)
    # A value that pydicom would quote in a warning, and damage that it would quote in an error.
    damaged = path.read_bytes().replace(b"19500102", b"Doe^1950").replace(b"20200304", b"Doe^2020")
    (tmp_path / "odd.dcm").write_bytes(damaged)
    messages = []
    with caplog.at_level(logging.DEBUG):
        read_labels(tmp_path / "odd.dcm", LABELS)
        for cut in range(200, len(damaged), 4999):
            (tmp_path / "cut.dcm").write_bytes(damaged[:cut])
            with pytest.raises(InputError) as caught:
                read_labels(tmp_path / "cut.dcm", LABELS)
            assert caught.value.__cause__ is None
            messages.append(str(caught.value))
    told = "\n".join([caplog.text, *messages, *(str(item.message) for item in recwarn), *capfd.readouterr()])
    for secret in (*SECRETS.values(), "Doe"):
        assert secret not in told
