"""The compiled integral behind Thompson sampling.

Each continuous action has priority ``a * sigmoid(m + s z) + b`` with z standard normal. With F its
distribution function, its chance to be the highest is the integral of its density times the product of all
other F. Panels of the priority are laid from the top down so that no distribution spans more than ``_SPAN``
standard deviations in one; Gauss-Legendre does the rest. Measured error: up to 1e-6, mostly below 1e-7.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_FAR = 6.0  # standard deviations; 1e-9 of a distribution lies beyond
_SPAN = 3.2
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_TO = 8.0  # what lies beyond so many standard deviations is as if it were there
_TINY = 1e-12
_NEGLIGIBLE = 1e-10  # whoever is highest is below where the product is so small as rarely
_LEAST, _MOST = 1e-300, 1.0 - 1e-16  # shares of a curve's height that are told apart

# Straight-line forms of log, exp and the normal distribution: the compiler runs them four actions at a time.
_ROOT = math.sqrt(2.0)
_LN2, _PER_LN2 = math.log(2.0), 1.0 / math.log(2.0)
_PER_ROOT_TAU = 1.0 / math.sqrt(2.0 * math.pi)
_WHOLE = 2.0**52  # a whole number added to it stands in its last bits
_MAGIC = np.uint64(0x4330000000000000)  # the bits of _WHOLE
_ONE, _FRACTION = np.uint64(0x3FF0000000000000), np.uint64(0x000FFFFFFFFFFFFF)
_SHIFT = np.uint64(52)
_LOG = np.array([1.0 / odd for odd in range(1, 19, 2)])  # of artanh
_EXP = np.array([1.0 / math.factorial(power) for power in range(11)])
_MILLS_AT = 0.3
_MILLS = np.array(
    [
        -3.1929867931102e-05, 0.300742833106825, 0.292195871368747, 0.321897953791645,
        0.0159593253956203, 0.731438477571107, -1.13042132381033, 1.71658397111802,
        -1.69484466176952, 0.947122435457666, -0.283187696413138, 0.0358588813771887,
    ]
)  # fmt: skip
"""The normal tail over the density, as a polynomial in 1 / (1 + 0.3 z) up to 8: the tail's error is 4e-12."""


@njit(cache=True, nogil=True, error_model="numpy")
def chances_of_the_best(priorities, margin, spread, slope, eligible, scale, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """(n, K) chances, written into ``out``; an empty ``slope`` stands for that of no cost."""
    n, n_actions = priorities.shape
    width = (n_actions + 3) // 4 * 4
    law = np.ones((6, width))  # a, b, m, s, 1 / a and 1 / s of each continuous action in play
    who = np.empty(n_actions, np.int64)
    still = np.empty(n_actions, np.bool_)  # without spread: an atom
    top = np.empty(n_actions)
    below, steep = np.ones(width), np.zeros(width)
    work, gained = np.ones((3, width)), np.empty(width)
    bits = work.view(np.uint64)
    for i in range(n):
        out[i, :] = 0.0
        size = 0.0
        for k in range(n_actions):
            if eligible[i, k]:
                size = max(size, abs(priorities[i, k]))
        atom, n_atoms, floor, played = -np.inf, 0, -np.inf, 0
        still[:] = False
        for k in range(n_actions):
            if not eligible[i, k]:
                continue
            priority, m, s = priorities[i, k], margin[i, k], scale * spread[i, k]
            p = 1.0 / (1.0 + math.exp(-m))
            a = slope[i, k] if slope.size else (abs(priority) / p if p > 0.0 else 0.0)
            if not abs(a) * p * (1.0 - p) * s > _TINY * size:
                if priority > atom:
                    atom, n_atoms = priority, 0
                n_atoms += priority == atom
                floor = max(floor, priority)
                still[k] = True
                continue
            b = priority - a * p
            if a < 0.0:  # a falling curve is a rising one mirrored
                a, b, m = -a, b + a, -m
            who[played] = k
            law[0, played], law[1, played], law[2, played], law[3, played] = a, b, m, s
            floor = max(floor, b + a / (1.0 + math.exp(_FAR * s - m)))
            top[played] = b + a / (1.0 + math.exp(-_FAR * s - m))
            played += 1
        kept = 0
        for j in range(played):  # the farthest reaching first: a panel looks at the first few alone
            if top[j] > floor:
                reach, k = top[j], who[j]
                a, b, m, s = law[0, j], law[1, j], law[2, j], law[3, j]
                place = kept
                while place and top[place - 1] < reach:
                    top[place], who[place] = top[place - 1], who[place - 1]
                    for part in range(4):
                        law[part, place] = law[part, place - 1]
                    place -= 1
                top[place], who[place] = reach, k
                law[0, place], law[1, place], law[2, place], law[3, place] = a, b, m, s
                kept += 1
        for j in range(kept):
            law[4, j], law[5, j] = 1.0 / law[0, j], 1.0 / law[3, j]
            gained[j] = 0.0
        total = 0.0
        if n_atoms and atom >= floor:
            _laws_at(atom, law, kept, below, steep, work, bits)
            win = 1.0
            for j in range(kept):
                win *= below[j]
            for k in range(n_actions):
                if still[k] and priorities[i, k] == atom:
                    out[i, k] = win / n_atoms
            total = win
        high, playing = top[0] if kept else floor, 0
        while high > floor:  # panels from the top down
            low = floor
            for j in range(kept):
                if top[j] <= low:
                    break
                reached = min(_z(law, j, high), _FAR) if top[j] > high else _FAR
                if reached > _SPAN - _FAR:
                    margin_there = law[2, j] + law[3, j] * (reached - _SPAN)
                    step = law[1, j] + law[0, j] / (1.0 + math.exp(-margin_there))
                    # a distribution much narrower than what lies above it gets panels of its own
                    low = max(low, top[j] if high - top[j] > top[j] - step else step)
            if not low < high:
                break  # too narrow for numbers to tell
            while playing < kept and top[playing] > low:
                playing += 1
            middle = 0.5 * (low + high)
            half = 0.5 * (high - low)
            highest = 0.0
            for node in range(len(_NODES)):
                _laws_at(middle + half * _NODES[node], law, playing, below, steep, work, bits)
                product = 1.0
                for j in range(playing):
                    product *= below[j]
                highest = max(highest, product)
                if product < _NEGLIGIBLE:
                    continue
                product *= half * _WEIGHTS[node]
                for j in range(playing):
                    gained[j] += product / below[j] * steep[j]
            if highest < _NEGLIGIBLE:
                break  # nobody is the best so low
            high = low
        for j in range(kept):
            out[i, who[j]] = gained[j]
            total += gained[j]
        for k in range(n_actions):
            out[i, k] /= total


@njit(cache=True, nogil=True, error_model="numpy")
def _z(law, j, x):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """How many standard deviations of the margin a priority stands above the median."""
    share = (x - law[1, j]) / law[0, j]
    if share <= 0.0:
        return -2.0 * _TO
    if share >= 1.0:
        return 2.0 * _TO
    return (math.log(share / (1.0 - share)) - law[2, j]) / law[3, j]


@njit(cache=True, nogil=True, error_model="numpy")
def _laws_at(x, law, n, below, steep, work, bits):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Distribution function and density of the first ``n`` actions' priorities at ``x``."""
    wide = (n + 3) // 4 * 4
    for j in range(wide):
        share = min(max((x - law[1, j]) * law[4, j], _LEAST), _MOST)
        work[0, j] = share / (1.0 - share)
        steep[j] = law[4, j] * law[5, j] / (share * (1.0 - share))
    for j in range(wide):  # the bits of 2 ** exponent * fraction
        bits[1, j] = (bits[0, j] >> _SHIFT) | _MAGIC
        bits[2, j] = (bits[0, j] & _FRACTION) | _ONE
    for j in range(wide):
        is_upper = work[2, j] > _ROOT
        f = 0.5 * work[2, j] if is_upper else work[2, j]
        exponent = work[1, j] - (_WHOLE + 1023.0) + (1.0 if is_upper else 0.0)
        t = (f - 1.0) / (f + 1.0)
        q = t * t
        series = 0.0
        for power in range(len(_LOG) - 1, -1, -1):
            series = series * q + _LOG[power]
        z = (exponent * _LN2 + 2.0 * t * series - law[2, j]) * law[5, j]
        z = min(max(z, -_TO), _TO)
        y = -0.5 * z * z
        n_twos = np.floor(y * _PER_LN2 + 0.5)
        r = y - n_twos * _LN2
        e = 0.0
        for power in range(len(_EXP) - 1, -1, -1):
            e = e * r + _EXP[power]
        work[0, j] = e * _PER_ROOT_TAU
        work[1, j] = n_twos + (_WHOLE + 1023.0)
        work[2, j] = z
    for j in range(wide):
        bits[1, j] = bits[1, j] << _SHIFT
    for j in range(wide):
        z, density = work[2, j], work[0, j] * work[1, j]
        t = 1.0 / (1.0 + _MILLS_AT * abs(z))
        ratio = 0.0
        for power in range(len(_MILLS) - 1, -1, -1):
            ratio = ratio * t + _MILLS[power]
        tail = density * ratio
        below[j] = tail if z < 0.0 else 1.0 - tail
        steep[j] = steep[j] * density if abs(z) < _FAR else 0.0
