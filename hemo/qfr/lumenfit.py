r"""Edges by fitting what a detector makes of a tube filled with contrast, all sections of a vessel at once.

A section of a lumen with half-width r, centre c and absorption a per length of equal chord shows, before blurring, the
dose exp(-a 2 sqrt(r^2 - (x - c)^2)) of what comes without it. An ellipse has the same profile: its depth goes into a,
so a is free to vary along the vessel and no absolute densitometry is assumed. The detector blurs the dose, not its
logarithm, by a Gaussian of standard deviation s (focal spot, scintillator and the pixel's own width, 1/12 pixel^2 of
variance, together), so

    log brightness(s, x) = b0 + b1 x + b2 (x - c)^2 + log(1 - P),   P = G_s * (1 - exp(-a 2 sqrt(r^2 - (x - c)^2))),

with G_s both across and along the vessel. On frames that are logarithmic with an unknown factor P is G_s * a 2
sqrt(...) and the last term -P: exact for weak absorption. Edges of half height or steepest rise are biased where 2 r is
not much larger than s; these are not, as the blur is part of what is fitted.

What is sought makes the squared residuals (those of other vessels and branches weighing less and less: Geman and
McClure's weights) and the squared second differences of r, c, b along the vessel and first differences of log a, each
over the square of what is usual (``Priors``), least together: the maximum a posteriori of a Gaussian process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.sparse.linalg import splu

Array = NDArray[Any]

UNKNOWNS = 6  # a section's: c, r, log a, b0, b1, b2
THINNEST = 0.4  # pixels: no half-width below it
ROUNDS = 30
SETTLED = 0.01  # pixels: no half-width moves further in a round
PLAIN_ROUNDS = 3  # before residuals are weighed down
OUTLYING = 3.0  # of the noise: a residual so large weighs a quarter
TELLING = 2.5  # blurs: half-width of a section that tells how wide the blur is
BESIDE = 2.0  # pixels beyond the edges: what lies there widens them
NEARBY = 3.0  # pixels: over which a bend is judged
SHARPEST = 0.015  # of the half-width per pixel^2: no prior is wider than such a bend, or a faint lesion swells
QUADRATURE = 1.3  # of the blur: how far apart the nodes may lie for a trapezoidal sum over a Gaussian (error 1e-5)


@dataclass(frozen=True)
class Priors:
    """Usual sizes (standard deviations) per pixel along the vessel.

    Attributes
    ----------
    bend_radius
        Second differences of r over the vessel's median r: a wide vessel's lesion bends more.
    bend_centre
        Second differences of c, pixels.
    density
        First differences of log a: contrast mixes slowly, a lesion may be elliptic.
    level, slope, curvature
        Second differences of b0, b1 and b2.
    flat
        b2 itself: the background has no valley where the vessel lies.
    blur
        Standard deviation of log s about the first guess, where it is sought.
    """

    bend_radius: float = 0.008
    bend_centre: float = 0.02
    density: float = 0.02
    level: float = 0.005
    slope: float = 0.001
    curvature: float = 0.0001
    flat: float = 0.0005
    blur: float = 0.15


@dataclass(frozen=True)
class LumenFit:
    """What was found, n sections.

    Attributes
    ----------
    centre, radius
        (n,) offset to the left of the line it was sought about, and half-width, pixels.
    density
        (n,) a, 1/pixel.
    background
        (n, 3) b0, b1, b2.
    blur
        s, pixels.
    noise
        Standard deviation of the residuals (from their median size), in log brightness.
    depth
        (n,) by how much the vessel's middle is darker, in log brightness.
    error
        (n,) standard deviation of ``radius`` by noise and priors alone, pixels (the posterior's, linearised).
    weights
        (n, m) of the samples, 0 to 1; 0 outside the window.
    residual
        (n, m) in log brightness; NaN where the picture has none.
    unexplained
        (n,) absorption in and just beside the lumen that is not the vessel's, as the area of lumen that would absorb as
        much, pixel^2: another vessel's, over it or beside it.
    settled
        Whether the half-widths had stopped moving.
    """

    centre: Array
    radius: Array
    density: Array
    background: Array
    blur: float
    noise: float
    depth: Array
    error: Array
    weights: Array
    residual: Array
    unexplained: Array
    settled: bool


def blurred_absorption(
    offsets: Array, radius: Array, density: Array, blur: float, linear: bool = False
) -> tuple[Array, Array, Array, Array, Array]:
    """P of sections (n,) at offsets (n, m) from their centres, blurred across only, and its derivatives.

    Returns P and its derivatives by c, r, log a and log s, (n, m) each. ``linear``: absorption instead of 1 - dose.
    The integral over the chord is a trapezoidal sum over the angle t = cos(theta), whose error falls exponentially with
    the nodes per blur.
    """
    nodes = max(12, int(np.ceil(np.pi * float(radius.max()) / (QUADRATURE * blur))))
    angle = np.pi * np.arange(1, nodes + 1) / (nodes + 1)
    across, height = np.cos(angle), np.sin(angle)
    chord = 2.0 * (density * radius)[:, None] * height
    fading = np.ones_like(chord) if linear else np.exp(-chord)
    held = chord if linear else -np.expm1(-chord)
    part = np.pi / (nodes + 1) * height
    away = (offsets[:, :, None] - radius[:, None, None] * across) / blur
    spread = np.exp(-0.5 * away * away) / (np.sqrt(2.0 * np.pi) * blur)
    weight = held * part * radius[:, None]
    change = chord * fading * part * radius[:, None]
    moved = spread * away
    value = np.einsum("imq,iq->im", spread, weight)
    by_log_density = np.einsum("imq,iq->im", spread, change)
    by_centre = np.einsum("imq,iq->im", moved, weight) / blur
    by_radius = (value + by_log_density) / radius[:, None] + np.einsum("imq,iq->im", moved, weight * across) / blur
    by_log_blur = np.einsum("imq,iq->im", moved * away, weight) - value
    return value, by_centre, by_radius, by_log_density, by_log_blur


def fit_lumen(
    profile: Array,
    offsets: Array,
    centre: Array,
    radius: Array,
    blur: float,
    *,
    seek_blur: bool = False,
    linear: bool = False,
    margin: float = 7.0,
    priors: Priors | None = None,
    rounds: int = ROUNDS,
) -> LumenFit:
    """Fit sections to a vessel laid straight.

    Parameters
    ----------
    profile
        (n, m) log brightness, rows one pixel apart along the vessel; NaN outside the picture.
    offsets
        (m,) pixels to the left, equally spaced.
    centre, radius
        (n,) first guess, pixels.
    blur
        s, pixels.
    seek_blur
        Whether ``blur`` is a first guess. Only sections wider than ``TELLING`` blurs tell: in thinner ones blur, width
        and absorption all but trade places.
    linear
        Whether the frame was logarithmic by a factor that nobody knows.
    margin
        Pixels beyond the edges that are looked at.
    rounds
        Most steps of Gauss and Newton: at least 6.
    """
    priors = priors or Priors()
    known = np.isfinite(profile)
    data = np.where(known, profile, 0.0)
    window = _window(known, offsets, centre, radius, margin)
    state = _first_guess(data, window, offsets, centre, radius, linear)
    prior = _Penalty(priors, len(data))
    guess, settled = np.log(blur), False
    robust = np.ones_like(data)
    for count in range(rounds):
        residual, slopes, by_blur, depth = _linearised(data, offsets, state, blur, linear)
        noise = _noise(residual[window > 0.5])
        if count >= PLAIN_ROUNDS:
            robust = _trust(residual, window)
        weights = window * robust * ((offsets[1] - offsets[0]) / noise**2)
        if settled or count == rounds - 1:
            break
        penalty = prior.about(state[:, 1])
        if seek_blur:
            by_blur = by_blur * (state[:, 1:2] > TELLING * blur)
        moves, widen = _step(residual, slopes, by_blur, weights, penalty, state, guess - np.log(blur), priors.blur)
        if seek_blur:
            blur *= float(np.exp(np.clip(widen[0], -0.2, 0.2)))
            moves = moves - widen[0] * widen[1]
        before = state[:, 1].copy()
        state = _limited(state, moves, float(np.abs(offsets).max()))
        window = _window(known, offsets, state[:, 0], state[:, 1], margin) if count < 10 else window
        settled = count > PLAIN_ROUNDS + 1 and bool(np.max(np.abs(state[:, 1] - before)) < SETTLED)
    error = _radius_error(slopes, weights, prior.about(state[:, 1]))
    return LumenFit(
        state[:, 0],
        state[:, 1],
        np.exp(state[:, 2]),
        state[:, 3:],
        blur,
        noise,
        depth,
        error,
        window * robust,
        np.where(known, residual, np.nan),
        _unexplained(np.where(window > 0.0, residual, 0.0), offsets, state, noise),
        settled,
    )


def _window(known: Array, offsets: Array, centre: Array, radius: Array, margin: float) -> Array:
    """(n, m) 1 up to the margin beyond the edges, then down to 0 over two pixels."""
    beyond = np.abs(offsets - centre[:, None]) - radius[:, None] - margin
    return known * np.clip(1.0 - 0.5 * beyond, 0.0, 1.0)


def _first_guess(data: Array, window: Array, offsets: Array, centre: Array, radius: Array, linear: bool) -> Array:
    """(n, 6) c and r as given; the levels in and beside the vessel give a, b0 and b1."""
    away = (offsets - centre[:, None]) / radius[:, None]
    inside = (np.abs(away) < 0.6) | (np.abs(away) == np.abs(away).min(axis=1, keepdims=True))
    left, right = (window * ((side * away > 1.2) + 1e-9) for side in (1.0, -1.0))
    (high, at_high), (low, at_low) = (
        ((data * part).sum(axis=1) / part.sum(axis=1), (offsets * part).sum(axis=1) / part.sum(axis=1))
        for part in (left, right)
    )
    slope = (high - low) / np.maximum(at_high - at_low, 1.0)
    level = high - slope * at_high
    drop = level + slope * centre - (data * inside).sum(axis=1) / inside.sum(axis=1)
    drop = np.maximum(gaussian_filter1d(drop, 3.0, mode="nearest"), 1e-3 if not linear else 1e-3 * np.ptp(data))
    density = np.median(drop / (2.0 * radius)) * np.ones_like(radius)
    return np.column_stack([centre, np.maximum(radius, 1.0), np.log(density), level, slope, np.zeros_like(slope)])


def _linearised(
    data: Array, offsets: Array, state: Array, blur: float, linear: bool
) -> tuple[Array, Array, Array, Array]:
    """Residual (n, m), the model's derivatives by each section's own unknowns (n, m, 6), by log s (n, m), and depth.

    The residual has the blur along the vessel; derivatives are taken as if unknowns moved with their neighbours, which
    they all but do: that changes the way to the solution and it hardly, and keeps the matrix narrow.
    """
    away = offsets - state[:, :1]
    parts = blurred_absorption(away, state[:, 1], np.exp(state[:, 2]), blur, linear)
    value, by_centre, by_radius, by_density, by_blur = (
        gaussian_filter1d(part, blur, axis=0, mode="nearest") for part in parts
    )
    passed = np.ones_like(value) if linear else np.maximum(1.0 - value, 1e-3)
    shown = -value if linear else np.log(passed)
    background = np.stack([np.ones_like(value), np.broadcast_to(offsets, value.shape), away * away], axis=-1)
    model = np.einsum("imk,ik->im", background, state[:, 3:]) + shown
    darker = np.stack([by_centre, by_radius, by_density], axis=-1) / -passed[..., None]
    slopes = np.concatenate([darker, background], axis=-1)
    depth = -np.take_along_axis(shown, np.argmin(np.abs(away), axis=1)[:, None], axis=1)[:, 0]
    return data - model, slopes, by_blur / -passed, depth


def _noise(residual: Array) -> float:
    return max(1.4826 * float(np.median(np.abs(residual))), 1e-9)


def _trust(residual: Array, window: Array) -> Array:
    """(n, m) weights that fall where it is darker than the model over an area: what else is there is filled as well.

    A lumen thinner than the model so far looks too bright and keeps its weight. Noise is judged after smoothing, where
    structures stand out of it.
    """
    darker = np.maximum(-gaussian_filter(residual * (window > 0.0), 1.0, mode="nearest"), 0.0)
    usual = _noise(gaussian_filter(residual, 1.0, mode="nearest")[window > 0.5])
    return np.asarray((1.0 + np.maximum(darker / (OUTLYING * usual) - 0.5, 0.0) ** 2) ** -2)


def _unexplained(residual: Array, offsets: Array, state: Array, noise: float) -> Array:
    """(n,) absorption beyond the model's in and about the lumen, over what a pixel^2 of the lumen absorbs."""
    step = offsets[1] - offsets[0]
    near = np.abs(offsets - state[:, :1]) <= state[:, 1:2] + BESIDE
    excess = gaussian_filter1d(-(residual * near).sum(axis=1) * step, NEARBY, mode="nearest")
    chance = noise * np.sqrt(near.sum(axis=1) * step / (2.0 * np.sqrt(np.pi) * NEARBY))
    return np.asarray(np.maximum(excess - 2.0 * chance, 0.0) / np.exp(state[:, 2]))


class _Penalty:
    """The priors' matrix, sections by sections, unknowns within.

    A half-width bends as the prior says and as it does about here already, rounded over ``NEARBY``: calibre is smooth
    along most of a vessel and turns sharply in a short lesion, which one number cannot say (a Gaussian mixture of
    scales, as in edge-preserving smoothing).
    """

    def __init__(self, priors: Priors, count: int) -> None:
        self.usual = priors.bend_radius
        first, self.second = (_differences(k, count) for k in (1, 2))
        own = [np.inf] * 5 + [priors.flat]
        bends = [priors.bend_centre, np.inf, np.inf, priors.level, priors.slope, priors.curvature]
        wanders = [np.inf, np.inf, priors.density, np.inf, np.inf, np.inf]
        fixed = sparse.kron(sparse.eye_array(count), _precision(own))
        fixed = fixed + sparse.kron(self.second.T @ self.second, _precision(bends))
        self.fixed = (fixed + sparse.kron(first.T @ first, _precision(wanders))).tocsc()

    def about(self, radius: Array) -> Any:
        """The matrix where half-widths are about these (n,)."""
        here = gaussian_filter1d((self.second @ gaussian_filter1d(radius, NEARBY, mode="nearest")) ** 2, NEARBY)
        typical = np.median(radius)
        scale = ((self.usual * typical) ** 2 + np.minimum(here, (SHARPEST * typical) ** 2)) ** -1.0
        bend = (self.second.T @ sparse.diags_array(scale) @ self.second).tocoo()
        places = tuple(UNKNOWNS * index + 1 for index in bend.coords)
        return self.fixed + sparse.coo_array((bend.data, places), shape=self.fixed.shape).tocsc()


def _differences(order: int, count: int) -> Any:
    stencil = {1: (-1.0, 1.0), 2: (1.0, -2.0, 1.0)}[order]
    return sparse.diags_array([*stencil], offsets=range(order + 1), shape=(count - order, count)).tocsr()


def _precision(sizes: list[float]) -> Any:
    return sparse.diags_array(np.array(sizes) ** -2.0)


def _step(
    residual: Array,
    slopes: Array,
    by_blur: Array,
    weights: Array,
    penalty: Any,
    state: Array,
    off_guess: float,
    blur_prior: float,
) -> tuple[Array, tuple[float, Array]]:
    """Gauss and Newton's step (n, 6), the one of log s, and by how much the others give way to it."""
    factors = splu(_matrix(slopes, weights, penalty), **_NATURAL)
    towards = np.einsum("imp,im->ip", slopes, weights * residual).ravel() - penalty @ state.ravel()
    coupling = np.einsum("imp,im->ip", slopes, weights * by_blur).ravel()
    solved = factors.solve(np.column_stack([towards, coupling]))
    own = float((weights * by_blur * by_blur).sum()) + blur_prior**-2.0 - float(coupling @ solved[:, 1])
    pull = float((weights * by_blur * residual).sum()) + off_guess * blur_prior**-2.0 - float(coupling @ solved[:, 0])
    moves, give = (part.reshape(-1, UNKNOWNS) for part in solved.T)
    return moves, (pull / max(own, 1e-9), give)


_NATURAL: dict[str, Any] = {"permc_spec": "NATURAL", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}


def _matrix(slopes: Array, weights: Array, penalty: Any) -> Any:
    """The normal equations' matrix; its diagonal a little heavier, for sections that nothing tells about."""
    blocks = np.einsum("imp,imq->ipq", slopes * weights[..., None], slopes)
    blocks += 1e-6 * np.einsum("ipp->ip", blocks)[:, :, None] * np.eye(UNKNOWNS) + 1e-9 * np.eye(UNKNOWNS)
    return sparse.bsr_array((blocks, np.arange(len(blocks)), np.arange(len(blocks) + 1))).tocsc() + penalty


def _radius_error(slopes: Array, weights: Array, penalty: Any) -> Array:
    count = len(slopes)
    sides = np.zeros((count * UNKNOWNS, count))
    sides[np.arange(count) * UNKNOWNS + 1, np.arange(count)] = 1.0
    solved = splu(_matrix(slopes, weights, penalty), **_NATURAL).solve(sides)
    return np.sqrt(np.maximum(np.diagonal(solved[1::UNKNOWNS]), 0.0))


def _limited(state: Array, moves: Array, reach: float) -> Array:
    """The state moved, edges by at most a pixel and a half and log a by a half, within what was sampled."""
    moves = moves.copy()
    moves[:, :2] = np.clip(moves[:, :2], -1.5, 1.5)
    moves[:, 2] = np.clip(moves[:, 2], -0.5, 0.5)
    state = state + moves
    state[:, 1] = np.clip(state[:, 1], THINNEST, reach)
    state[:, 0] = np.clip(state[:, 0], -reach, reach)
    return state
