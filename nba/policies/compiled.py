"""The compiled loops of masking, mixing, drawing and keying.

Imported where they are called: who only names a policy does not wait for a compiler. Sums run in the order of
the actions and each row by itself, so a row alone has the bits it has in a batch.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_IV = np.array(
    [
        0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
        0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
    ],
    dtype=np.uint64,
)  # fmt: skip
_SIGMA = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    ],
    dtype=np.int64,
)
_BLOCK = 128


@njit(cache=True, nogil=True, error_model="numpy")
def digests(prefix, blob, ends, head):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """BLAKE2b (RFC 7693), first word of the digest: of ``prefix``, the length of a text, and the text.

    ``head`` are the chaining values that digest size and personal string give.
    """
    out = np.empty(len(ends), dtype=np.uint64)
    message = np.zeros(16, dtype=np.uint64)
    chain = np.zeros(8, dtype=np.uint64)
    start = 0
    for i in range(len(ends)):
        size = ends[i] - start
        total = len(prefix) + 8 + size
        chain[:] = head
        done = 0
        while True:
            upto = min(total, done + _BLOCK)
            message[:] = np.uint64(0)
            for b in range(done, upto):
                if b < len(prefix):
                    byte = np.uint64(prefix[b])
                elif b < len(prefix) + 8:  # the length, big end first
                    byte = np.uint64((size >> (8 * (7 - (b - len(prefix))))) & 255)
                else:
                    byte = np.uint64(blob[start + b - len(prefix) - 8])
                message[(b - done) >> 3] |= byte << np.uint64(8 * ((b - done) & 7))
            last = upto == total
            _compress(chain, message, np.uint64(upto), last)
            if last:
                break
            done = upto
        out[i] = chain[0]
        start = ends[i]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _compress(chain, message, counted, last):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    a0, a1, a2, a3 = chain[0], chain[1], chain[2], chain[3]
    b0, b1, b2, b3 = chain[4], chain[5], chain[6], chain[7]
    c0, c1, c2, c3 = _IV[0], _IV[1], _IV[2], _IV[3]
    d0, d1, d2, d3 = _IV[4] ^ counted, _IV[5], _IV[6], _IV[7]
    if last:
        d2 = ~d2
    for turn in range(12):  # columns, then diagonals, all kept in registers
        order = _SIGMA[turn]
        a0, b0, c0, d0 = _quarter(a0, b0, c0, d0, message[order[0]], message[order[1]])
        a1, b1, c1, d1 = _quarter(a1, b1, c1, d1, message[order[2]], message[order[3]])
        a2, b2, c2, d2 = _quarter(a2, b2, c2, d2, message[order[4]], message[order[5]])
        a3, b3, c3, d3 = _quarter(a3, b3, c3, d3, message[order[6]], message[order[7]])
        a0, b1, c2, d3 = _quarter(a0, b1, c2, d3, message[order[8]], message[order[9]])
        a1, b2, c3, d0 = _quarter(a1, b2, c3, d0, message[order[10]], message[order[11]])
        a2, b3, c0, d1 = _quarter(a2, b3, c0, d1, message[order[12]], message[order[13]])
        a3, b0, c1, d2 = _quarter(a3, b0, c1, d2, message[order[14]], message[order[15]])
    mixed = (a0 ^ c0, a1 ^ c1, a2 ^ c2, a3 ^ c3, b0 ^ d0, b1 ^ d1, b2 ^ d2, b3 ^ d3)
    for j in range(8):
        chain[j] ^= mixed[j]


@njit(cache=True, nogil=True, error_model="numpy")
def _quarter(a, b, c, d, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The mixing function G of RFC 7693."""
    a += b + x
    d ^= a
    d = (d >> np.uint64(32)) | (d << np.uint64(32))
    c += d
    b ^= c
    b = (b >> np.uint64(24)) | (b << np.uint64(40))
    a += b + y
    d ^= a
    d = (d >> np.uint64(16)) | (d << np.uint64(48))
    c += d
    b ^= c
    b = (b >> np.uint64(63)) | (b << np.uint64(1))
    return a, b, c, d


@njit(cache=True, nogil=True, error_model="numpy")
def mask(priorities, eligible, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Priorities with -inf where not eligible; False where a row or a priority cannot be decided with."""
    sound = True
    for i in range(priorities.shape[0]):
        left = False
        for k in range(priorities.shape[1]):
            out[i, k] = -np.inf
            if eligible[i, k]:
                left = True
                out[i, k] = priorities[i, k]
                sound &= math.isfinite(priorities[i, k])
        sound &= left
    return sound


@njit(cache=True, nogil=True, error_model="numpy")
def lower(priorities, eligible, table, pattern, rows, low, open_):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Some rows' priorities less their pattern's prices, never below minus the row's largest."""
    n_actions = priorities.shape[1]
    for i in range(len(rows)):
        row, at = rows[i], pattern[rows[i]]
        largest = 0.0
        for k in range(n_actions):
            open_[i, k] = eligible[row, k]
            if eligible[row, k]:
                largest = max(largest, abs(priorities[row, k]))
        for k in range(n_actions):
            priority = priorities[row, k]
            low[i, k] = priority
            if table[at, k] > 0.0:
                low[i, k] = max(priority - table[at, k], min(-largest, priority))


@njit(cache=True, nogil=True, error_model="numpy")
def thin(probs, eligible, keep, limited, pattern, lost, open_):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Leave each pattern's share of every probability; what each row lost, and what is open for it."""
    for i in range(probs.shape[0]):
        at, total = pattern[i], 0.0
        for k in range(probs.shape[1]):
            total += probs[i, k] * (1.0 - keep[at, k])
            probs[i, k] *= keep[at, k]
            open_[i, k] = eligible[i, k] and not limited[at, k]
        lost[i] = total


@njit(cache=True, nogil=True, error_model="numpy")
def mix(weights, eligible, explore, tolerance, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Weights mixed with the explore share; False where they are no distribution over the eligible."""
    for i in range(weights.shape[0]):
        total, n_eligible = 0.0, 0
        for k in range(weights.shape[1]):
            weight = weights[i, k]
            if not (0.0 <= weight < np.inf) or (weight > 0 and not eligible[i, k]):
                return False
            total += weight
            n_eligible += eligible[i, k]
        if not abs(total - 1.0) <= tolerance:
            return False
        evenly, mixed = explore / n_eligible, 0.0
        for k in range(weights.shape[1]):
            out[i, k] = (1.0 - explore) * (weights[i, k] / total) + evenly if eligible[i, k] else 0.0
            mixed += out[i, k]
        for k in range(weights.shape[1]):
            out[i, k] /= mixed  # x / x is exactly 1: an only eligible action is certain
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def pick(probs, priorities, uniforms, action, selection_prob, explored):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The action whose stretch of the row holds the number; actions lie end to end in their order."""
    for i in range(probs.shape[0]):
        total, highest = 0.0, -np.inf
        for k in range(probs.shape[1]):
            total += probs[i, k]
            highest = max(highest, priorities[i, k])
        # a number of at most 1 - 2**-53 times the sum rounds to below the sum: some action reaches further
        wanted, reach, k = uniforms[i] * total, probs[i, 0], 0
        while reach <= wanted:
            k += 1
            reach += probs[i, k]
        action[i], selection_prob[i] = k, probs[i, k]
        explored[i] = priorities[i, k] < highest


@njit(cache=True, nogil=True, error_model="numpy")
def inverse_gap(priorities, against, slope, rows, responses, lift, eligible, rates, gamma, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Inverse gap weights; ``gamma`` below 0 is the schedule, an empty ``slope`` that of no cost.

    ``against`` are the odds against a response, 1 / p - 1, which ``lift`` divides before gaps are taken.
    Without ``responses`` nothing is lifted, and a row's largest priority is the unit of its gaps.
    """
    n, n_actions = priorities.shape
    hopeful = np.empty(n_actions)
    for i in range(n):
        n_eligible, scale, reach, best, known, met = 0, 0.0, 0.0, -1, 0.0, 0.0
        for k in range(n_actions):
            if not eligible[i, k]:
                continue
            hopeful[k] = priorities[i, k]
            if responses.size:
                met += responses[k]
                odds, more = against[i, k], lift[k]
                if odds < np.inf:  # do_nothing has none, nor what never answers
                    step = abs(slope[i, k]) if slope.size else abs(priorities[i, k]) * (1.0 + odds)
                    reach = max(reach, step)
                    hopeful[k] += step * (odds * (more - 1.0) / ((1.0 + odds) * (more + odds)))
            n_eligible += 1
            known += rows[k]
            scale = max(scale, abs(hopeful[k]))
            if best < 0 or hopeful[k] > hopeful[best]:
                best = k
        steep = gamma
        if gamma < 0.0:
            steep = min(max(rates[0], rates[1] / n_eligible) * known, rates[2] * math.sqrt(known))
        unit = reach * math.sqrt((met + 0.5) / (known + 1.0))
        if not unit > 0.0:
            unit = scale if scale > 0.0 else 1.0
        given = 0.0
        for k in range(n_actions):
            out[i, k] = 0.0
            if eligible[i, k] and k != best:
                out[i, k] = 1.0 / (n_eligible + steep * ((hopeful[best] - hopeful[k]) / unit))
                given += out[i, k]
        out[i, best] = 1.0 - given


@njit(cache=True, nogil=True, error_model="numpy")
def softmax(priorities, eligible, entropy, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Weights exp(beta * priority) whose entropy is that share of the most there can be."""
    n, n_actions = priorities.shape
    for i in range(n):
        highest, lowest, n_eligible = -np.inf, np.inf, 0
        for k in range(n_actions):
            out[i, k] = 0.0
            if eligible[i, k]:
                n_eligible += 1
                highest = max(highest, priorities[i, k])
                lowest = min(lowest, priorities[i, k])
        width = highest - lowest
        if n_eligible == 1 or not width > 0.0 or entropy >= 1.0:
            for k in range(n_actions):
                out[i, k] = 1.0 / n_eligible if eligible[i, k] else 0.0
            continue
        wanted = entropy * math.log(n_eligible)
        low, high, at = -23.0, 23.0, math.log(4.0)  # beta from flat to far beyond the smallest difference
        for _ in range(80):
            beta = math.exp(at)
            total, mean, square = 0.0, 0.0, 0.0
            for k in range(n_actions):
                if eligible[i, k]:
                    t = beta * (priorities[i, k] / width - highest / width)
                    e = math.exp(t)
                    out[i, k] = e
                    total += e
                    mean += e * t
                    square += e * t * t
            mean, square = mean / total, square / total
            found = math.log(total) - mean
            if abs(found - wanted) <= 1e-12 or high - low <= 1e-12:
                break
            if found > wanted:
                low = at
            else:
                high = at
            slope = -(square - mean * mean)
            step = at - (found - wanted) / slope if slope < 0.0 else low
            at = step if low < step < high else 0.5 * (low + high)
        total = 0.0
        for k in range(n_actions):
            total += out[i, k]
        for k in range(n_actions):
            out[i, k] /= total
