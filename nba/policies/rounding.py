"""Compiled dependent rounding: one action an HCP, every cap kept, every marginal as it was.

What HCPs want flows from their rows through the scarce things, nested ones inside one another, to a sink.
Around a cycle of fractional edges flow can be pushed either way without breaking a row or a cap; doing so by
a fair coin keeps every expectation and makes an edge whole (Srinivasan 2001; Gandhi et al. 2006).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_WHOLE = 1e-9


@njit(cache=True, nogil=True)
def masses(probs, leaf, pattern, sink, n_nodes):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """(row, node, mass) of what each row wants of each node; the rest is its sink's."""
    n, n_actions = probs.shape
    row, node = np.empty(n * (n_actions + 1), np.int64), np.empty(n * (n_actions + 1), np.int64)
    mass = np.empty(n * (n_actions + 1))
    wanted, met = np.zeros(n_nodes + 1), np.empty(n_actions, np.int64)
    size = 0
    for i in range(n):
        seen, free = 0, 0.0
        for k in range(n_actions):
            if probs[i, k] <= 0.0:
                continue
            at = leaf[pattern[i], k]
            if at < 0:
                free += probs[i, k]
            else:
                if wanted[at] == 0.0:
                    met[seen] = at
                    seen += 1
                wanted[at] += probs[i, k]
        for j in range(seen):
            row[size], node[size], mass[size] = i, met[j], wanted[met[j]]
            wanted[met[j]] = 0.0
            size += 1
        if free > 0.0:
            row[size], node[size], mass[size] = i, sink[i], free
            size += 1
    return row[:size].copy(), node[:size].copy(), mass[:size].copy()


@njit(cache=True, nogil=True)
def rounded(tail, head, flow, n_rows, n_vertices, seeds, component):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Flows made whole in place; each row's ``component`` says which of the ``seeds`` its coins come from."""
    n_edges = len(tail)
    degree = np.zeros(n_vertices + 1, np.int64)
    for e in range(n_edges):
        if _is_whole(flow[e]):
            flow[e] = np.rint(flow[e])
        else:
            degree[tail[e]] += 1
            degree[head[e]] += 1
    start = np.zeros(n_vertices + 1, np.int64)
    for v in range(n_vertices):
        start[v + 1] = start[v] + degree[v]
    degree[:] = 0
    near = np.empty(start[n_vertices], np.int64)
    place = np.empty((n_edges, 2), np.int64)
    for e in range(n_edges):
        if flow[e] != np.rint(flow[e]):
            for side in range(2):
                v = tail[e] if side == 0 else head[e]
                place[e, side] = degree[v]
                near[start[v] + degree[v]] = e
                degree[v] += 1
    mark = np.full(n_vertices, -1, np.int64)
    vertices, edges = np.zeros(n_vertices + 1, np.int64), np.zeros(n_vertices + 1, np.int64)
    states = seeds.copy()
    for first in range(n_rows):
        while degree[first] > 0:
            vertices[0], length, cycle = first, 0, -1
            mark[first] = 0
            while cycle < 0:
                v = vertices[length]
                e = near[start[v] + degree[v] - 1]
                if length and e == edges[length - 1]:
                    if degree[v] == 1:  # what is left here is the dust of rounded sums
                        flow[e] = np.rint(flow[e])
                        _take_out(e, tail, head, start, degree, near, place)
                        break
                    e = near[start[v] + degree[v] - 2]
                w = head[e] if tail[e] == v else tail[e]
                edges[length] = e
                length += 1
                if mark[w] >= 0:
                    cycle = mark[w]
                else:
                    mark[w] = length
                    vertices[length] = w
                if length == 1 and degree[first] == 1:
                    flow[e] = np.rint(flow[e])
                    _take_out(e, tail, head, start, degree, near, place)
                    break
            if cycle >= 0 and degree[first] > 0:
                up, down = np.inf, np.inf
                for j in range(cycle, length):
                    e = edges[j]
                    above, under = math.ceil(flow[e]) - flow[e], flow[e] - math.floor(flow[e])
                    if tail[e] != vertices[j]:
                        above, under = under, above
                    up, down = min(up, above), min(down, under)
                coin, states[component[first]] = _coin(states[component[first]])
                push = up if coin * (up + down) < down else -down
                for j in range(cycle, length):
                    e = edges[j]
                    flow[e] += push if tail[e] == vertices[j] else -push
                    if _is_whole(flow[e]):
                        flow[e] = np.rint(flow[e])
                        _take_out(e, tail, head, start, degree, near, place)
            for j in range(length + 1):
                mark[vertices[j]] = -1
            mark[first] = -1


@njit(cache=True, nogil=True)
def _is_whole(x):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    return abs(x - np.rint(x)) <= _WHOLE


@njit(cache=True, nogil=True)
def _take_out(e, tail, head, start, degree, near, place):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Remove an edge from the lists of both its ends."""
    for side in range(2):
        v = tail[e] if side == 0 else head[e]
        last = near[start[v] + degree[v] - 1]
        near[start[v] + place[e, side]] = last
        place[last, 0 if tail[last] == v else 1] = place[e, side]
        degree[v] -= 1


@njit(cache=True, nogil=True)
def _coin(state):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """A number in [0, 1) and the next state (SplitMix64; Steele et al. 2014)."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) * 2.0**-53, state
