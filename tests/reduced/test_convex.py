"""Flows of trees of elements, small and large, one and many at once."""

import numpy as np
import pytest

from hemo.reduced.convex import minimise, respond_by_sweeps
from hemo.reduced.elements import DENSE, elements
from hemo.reduced.terms import ONSET, Losses, Term, power


def random_tree(stretches, seed=0, chain=False):
    """Each stretch behind a random earlier one (or the last one); a bed behind every one that nothing follows."""
    rng = np.random.default_rng(seed)
    upstream = np.array([-1] + [i - 1 if chain else int(rng.integers(max(0, i - 4), i)) for i in range(1, stretches)])
    ends = np.arange(stretches) if chain else np.setdiff1d(np.arange(stretches), upstream)
    return elements(upstream, ends)


def random_losses(tree, seed=1, quadratic=1e14, shape=()):
    rng = np.random.default_rng(seed)
    n = len(tree.parent)
    losses = Losses(rng.uniform(1e8, 1e9, (n, *shape)), rng.uniform(0.0, quadratic, (n, *shape)))
    losses.linear[tree.beds] = rng.uniform(3e10, 1e11, (len(tree.beds), *shape))
    return losses


def balance(tree, losses, out):
    """(k,) total pressure lost on the way through each bed, walked element by element."""
    flow = np.zeros(len(tree.parent))
    flow[tree.beds] = out
    for element in range(len(flow) - 1, -1, -1):
        if tree.parent[element] >= 0:
            flow[tree.parent[element]] += flow[element]
    loss = losses.linear * flow + losses.quadratic * np.abs(flow) * flow
    lost = []
    for element in tree.beds:
        here = 0.0
        while element >= 0:
            here += loss[element]
            element = tree.parent[element]
        lost.append(here)
    return np.array(lost)


@pytest.mark.parametrize(("stretches", "chain"), [(1, False), (7, False), (60, False), (900, False), (300, True)])
def test_pressure_is_balanced_to_every_bed(stretches, chain):
    tree = random_tree(stretches, chain=chain)
    losses = random_losses(tree)
    drive = np.random.default_rng(2).uniform(9000.0, 12000.0, len(tree.beds))
    found = minimise(tree, losses, drive)
    assert found.converged
    assert balance(tree, losses, found.out) == pytest.approx(drive, rel=1e-9)
    assert (tree.feeds is None) == (len(tree.parent) * len(tree.beds) > DENSE)


def test_a_prescribed_flow_takes_the_pressure_that_drives_it():
    tree = random_tree(40)
    losses, drive = random_losses(tree), np.full(len(tree.beds), 11000.0)
    driven = minimise(tree, losses, drive)
    prescribed = minimise(tree, losses, np.zeros_like(drive), driven.out.sum())
    assert prescribed.out == pytest.approx(driven.out, rel=1e-8)
    assert prescribed.ostium == pytest.approx(11000.0, rel=1e-8)


def test_sweeps_and_the_dense_matrix_are_one():
    tree = random_tree(40)
    rng = np.random.default_rng(3)
    slope, push = rng.uniform(1e8, 1e12, len(tree.parent)), rng.normal(size=len(tree.beds))
    hessian = tree.feeds.T @ (slope[:, None] * tree.feeds)
    step, even = respond_by_sweeps(tree, slope, push)
    assert step == pytest.approx(np.linalg.solve(hessian, push), rel=1e-9)
    assert even == pytest.approx(np.linalg.solve(hessian, np.ones_like(push)), rel=1e-9)


def test_impedances_that_are_infinite_let_nothing_through():
    tree = random_tree(12)
    slope = np.full(len(tree.parent), 1e9 + 1e8j)
    slope[tree.beds[0]] = np.inf
    step, even = respond_by_sweeps(tree, slope, np.ones(len(tree.beds), dtype=complex))
    assert step[0] == even[0] == 0.0
    assert np.isfinite(step).all()
    assert np.abs(even[1:]).min() > 0.0


def test_many_problems_at_once_are_those_one_by_one():
    tree = random_tree(30)
    losses = random_losses(tree, shape=(5,), quadratic=1e16)
    drive = np.linspace(8000.0, 14000.0, 5) * np.ones((len(tree.beds), 1))
    found = minimise(tree, losses, drive)
    assert found.converged.all()
    for i in range(5):
        alone = minimise(tree, Losses(losses.linear[:, i], losses.quadratic[:, i]), drive[:, i])
        assert found.out[:, i] == pytest.approx(alone.out, rel=1e-8)


@pytest.mark.parametrize("quadratic", [1e14, 1e18, 1e22, 1e26])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_any_quadratic_loss_converges_also_backwards(quadratic, sign):
    """Up to losses 10^12 times the linear ones."""
    tree = random_tree(50)
    losses = random_losses(tree, quadratic=quadratic)
    drive = np.full(len(tree.beds), sign * 11000.0)
    found = minimise(tree, losses, drive)
    assert found.converged
    assert balance(tree, losses, found.out) == pytest.approx(drive, rel=1e-9)


def test_flow_may_turn_back_through_a_bed():
    tree = random_tree(20)
    losses = random_losses(tree)
    drive = np.full(len(tree.beds), 5000.0)
    drive[0] = -9000.0
    found = minimise(tree, losses, drive)
    assert found.out[0] < 0.0
    assert balance(tree, losses, found.out) == pytest.approx(drive, rel=1e-9)


@pytest.mark.parametrize("shape", [power(1.0), power(1.5), power(2.0), ONSET])
def test_shapes_rise_and_go_with_their_derivative_and_integral(shape):
    x = np.concatenate([[0.0], np.geomspace(1e-5, 1e4, 400)])
    assert shape.value(x[:1]) == 0.0
    assert (np.diff(shape.value(x)) > 0.0).all()
    h = 1e-5 * x[1:]
    assert (shape.value(x[1:] + h) - shape.value(x[1:] - h)) / (2 * h) == pytest.approx(shape.slope(x[1:]), rel=1e-7)
    risen = (shape.integral(x[1:] + h) - shape.integral(x[1:] - h)) / (2 * h)
    assert risen == pytest.approx(shape.value(x[1:]), rel=2e-4)


def test_terms_of_places_are_put_together_by_what_they_belong_to():
    term = Term(ONSET, np.array([0, 1, 2, 2]), np.array([0, 0, 0, 1]), np.array([1.0, 2.0, 4.0, 8.0]), np.full(4, 1e-6))
    whole = term.onto(np.array([5, 5, 7]))
    assert whole.at.tolist() == [5, 7, 7]
    assert whole.coefficient.tolist() == [3.0, 4.0, 8.0]
    places = Losses(np.zeros(3), np.zeros(3), (term,)).loss(np.full(3, -2e-6))
    owners = Losses(np.zeros(8), np.zeros(8), (whole,)).loss(np.full(8, -2e-6))
    assert places.sum() == pytest.approx(owners.sum())
    assert places.sum() < 0.0


def test_terms_take_their_part_in_the_balance():
    tree = random_tree(30)
    plain = random_losses(tree)
    at = np.array([0, 3, 3])
    term = Term(power(1.5), at, np.array([0, 0, 1]), np.array([800.0, 300.0, 200.0]), np.full(3, 1e-6))
    losses = Losses(plain.linear, plain.quadratic, (term,))
    drive = np.full(len(tree.beds), 11000.0)
    found = minimise(tree, losses, drive)
    assert found.converged
    flow = tree.flows(found.out)
    extra = np.zeros_like(flow)
    np.add.at(extra, at, term.coefficient * (flow[at] / 1e-6) ** 1.5)
    assert balance(tree, plain, found.out) == pytest.approx(drive - tree.to_beds(extra), rel=1e-8)
