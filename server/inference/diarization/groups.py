"""Embeddings to speakers: agglomerative clustering whose cost does not grow with the square of a recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]
Seconds = NDArray[np.float64]

_MOST = 1200
"""Vectors that are clustered at once: 12 MB of distances."""
_CHUNK = 400
"""Where there are more, so many at a time are brought together first, those that lie closest."""
_TIGHT = 0.5
"""Share of the distance between speakers up to which that is safe."""
_ENOUGH = 0.02
"""Share of all speech that makes a speaker; who has less is somebody else on a bad day."""
_ENOUGH_S = 2.0


def group(vectors: Floats, seconds: Seconds, same: float, fewest: int, most: int) -> Numbers:
    """Which of the speakers 0, 1, … each unit vector (n, dimensions) belongs to, shape (n,).

    `seconds` of speech stand behind each; groups closer than `same` (mean cosine distance) are one speaker, as far
    as there are between `fewest` and `most`.
    """
    members: Numbers = np.arange(len(vectors))
    gathered, weights = vectors, seconds
    while len(gathered) > _MOST:
        labels = _brought_together(gathered, same)
        members = labels[members]
        gathered, weights = centroids_of(gathered, weights, labels), _sums(labels, weights)
    return _settled(gathered, weights, same, fewest, most)[members]


def _brought_together(vectors: Floats, same: float) -> Numbers:
    """Groups of those that lie closest, a chunk at a time; at most half as many as there are vectors."""
    found: list[Numbers] = []
    count = 0
    for first in range(0, len(vectors), _CHUNK):
        chunk = vectors[first : first + _CHUNK]
        labels = _linked(chunk, _TIGHT * same)
        if 2 * (int(labels.max()) + 1) > len(chunk) > 1:
            labels = _counted(chunk, len(chunk) // 2)
        found.append(labels + count)
        count += int(labels.max()) + 1
    return np.concatenate(found)


def _sums(labels: Numbers, seconds: Seconds) -> Seconds:
    sums: Seconds = np.bincount(labels, seconds).astype(np.float64)
    return sums


def centroids_of(vectors: Floats, seconds: Seconds, groups: Numbers) -> Floats:
    """Mean direction of each group, weighted by how much was heard; unit vectors (groups, dimensions)."""
    sums = np.zeros((int(groups.max()) + 1, vectors.shape[1]))
    np.add.at(sums, groups, vectors * np.maximum(seconds, 1e-3)[:, None])
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    unit: Floats = (sums / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit


def assign(local: Sequence[int], vectors: Floats, centroids: Floats) -> dict[int, int]:
    """Local speakers of one window to speakers: different ones where there are enough, together as close as can be."""
    from scipy.optimize import linear_sum_assignment

    distances = 1 - vectors @ centroids.T
    rows, columns = linear_sum_assignment(distances)
    found = {local[row]: int(column) for row, column in zip(rows, columns, strict=True)}
    for row, speaker in enumerate(local):
        found.setdefault(speaker, int(distances[row].argmin()))
    return found


def _settled(vectors: Floats, seconds: Seconds, same: float, fewest: int, most: int) -> Numbers:
    """Groups by distance; those with hardly any speech join the nearest."""
    labels = _linked(vectors, same)
    labels = _without_small(vectors, seconds, labels, fewest)
    count = int(labels.max()) + 1
    if count > most or count < fewest:
        labels = _counted(vectors, min(max(count, fewest), most))
    return labels


def _without_small(vectors: Floats, seconds: Seconds, labels: Numbers, fewest: int) -> Numbers:
    heard = _sums(labels, seconds)
    least = min(max(_ENOUGH * seconds.sum(), _ENOUGH_S), 0.5 * heard.max())
    kept = np.flatnonzero(heard >= least)
    if len(kept) < fewest:
        kept = np.argsort(-heard, kind="stable")[:fewest]
    centroids = centroids_of(vectors, seconds, labels)
    nearest = kept[(centroids @ centroids[kept].T).argmax(axis=1)]
    nearest[kept] = kept
    numbered: Numbers = np.unique(nearest[labels], return_inverse=True)[1].astype(np.int64)
    return numbered


def _linked(vectors: Floats, distance: float) -> Numbers:
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(vectors) == 1:
        return np.zeros(1, np.int64)
    tree = linkage(vectors.astype(np.float64), "average", metric="cosine")
    labels: Numbers = fcluster(tree, distance, "distance").astype(np.int64) - 1
    return labels


def _counted(vectors: Floats, count: int) -> Numbers:
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(vectors) <= count:
        everyone: Numbers = np.arange(len(vectors))
        return everyone
    tree = linkage(vectors.astype(np.float64), "average", metric="cosine")
    labels: Numbers = fcluster(tree, count, "maxclust").astype(np.int64) - 1
    return labels
