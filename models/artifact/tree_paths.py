"""The leaves of a booster's trees with the conditions on their paths, parsed from LightGBM's text.

LightGBM can also dump its trees as nested mappings, but walking those takes ten times as long and holds the interpreter
lock, too long for an endpoint that swaps its model while it serves requests.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from data_contracts.errors import ModelError
from features.kernels.compilation import compiled

Matrix = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_END: Final = "end of trees"
_PROPERTIES: Final = (
    "max_feature_idx",
    "num_leaves",
    "split_feature",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "internal_count",
    "leaf_value",
    "leaf_count",
    "is_linear",
)
# Bits of a node's decision_type: a categorical split, the default direction, and what counts as missing.
_CATEGORICAL, _DEFAULT_LEFT, _MISSING, _MISSING_IS_NAN = 1, 2, 12, 8


@dataclass(frozen=True)
class TreePaths:
    """The leaves of a booster, each with the features on its path.

    On a path each feature occurs once, in the order from the root. It is passed by a value in (above, up_to], and by
    NaN where `nan` is 1; `share` of the training samples pass it.
    """

    n_features: int  # number of features that the booster takes
    values: Matrix  # (n_leaves,): what each leaf adds to the score
    begin: Integers  # (n_leaves + 1,): where each leaf's features begin in the arrays below, of shape (n_entries,)
    feature: Integers
    above: Matrix
    up_to: Matrix
    nan: Integers
    share: Matrix


def read_paths(text: str) -> TreePaths:
    """Read the paths of all trees of a booster in the text of LightGBM 4, tree by tree.

    Categorical features and linear trees are refused.
    """
    trees = _properties(text)
    decisions, threshold = trees["decision_type"].astype(np.int64), trees["threshold"]
    if (decisions & _CATEGORICAL).any() or trees["is_linear"].any():
        found = "a booster with splits by category, or with linear leaves"
        raise ModelError(found, "splits of numbers, and leaves of one value", "Train it with forewarn")
    n_leaves, left, right = (trees[name].astype(np.int64) for name in ("num_leaves", "left_child", "right_child"))
    parent, is_left = _parents(n_leaves, left, right)
    begin, feature, above, up_to, nan, share = _walk(
        parent,
        is_left,
        trees["split_feature"].astype(np.int64),
        threshold,
        _nan_goes_left(decisions, threshold),
        np.concatenate([trees["internal_count"], trees["leaf_count"]]),
    )
    n_features = int(trees["max_feature_idx"][0]) + 1
    return TreePaths(n_features, trees["leaf_value"], begin, feature, above, up_to, nan, share)


def _properties(text: str) -> dict[str, Matrix]:
    """Read each property of all nodes, or of all leaves, one tree after the other."""
    texts: dict[str, list[str]] = {name: [] for name in _PROPERTIES}
    for line in text[: text.index(_END)].splitlines():
        name, _, values = line.partition("=")
        if name in texts:
            texts[name].append(values)
    # The lines of nodes are empty for a tree of a single leaf.
    return {
        name: np.fromstring(" ".join(filter(None, lines)), dtype=np.float64, sep=" ") for name, lines in texts.items()
    }


def _parents(n_leaves: Integers, left: Integers, right: Integers) -> tuple[Integers, npt.NDArray[np.bool_]]:
    """Return the node above each place, and which places are left children. Places are all nodes, then all leaves."""
    n_nodes, n_places, first_leaf = len(left), len(left) + int(n_leaves.sum()), np.cumsum(n_leaves) - n_leaves
    parent, is_left = np.full(n_places, -1), np.zeros(n_places, dtype=np.bool_)
    tree = np.repeat(np.arange(len(n_leaves)), n_leaves - 1)
    # A tree has one node fewer than leaves; a negative child is the leaf -1 - child.
    nodes_before, leaves_before = (first_leaf - np.arange(len(n_leaves)))[tree], first_leaf[tree]
    for children in (left, right):
        places = np.where(children >= 0, nodes_before + children, n_nodes + leaves_before - 1 - children)
        parent[places], is_left[places] = np.arange(n_nodes), children is left
    return parent, is_left


def _nan_goes_left(decisions: Integers, threshold: Matrix) -> npt.NDArray[np.bool_]:
    """Mark the nodes where NaN goes left: by default, or as zero where training saw no NaN."""
    by_default = (decisions & _DEFAULT_LEFT) > 0
    return np.where((decisions & _MISSING) == _MISSING_IS_NAN, by_default, threshold >= 0.0)


@compiled
def _walk(
    parent: Integers,
    is_left: npt.NDArray[np.bool_],
    split: Integers,
    threshold: Matrix,
    nan_left: npt.NDArray[np.bool_],
    count: Matrix,
) -> tuple[Integers, Integers, Matrix, Matrix, Integers, Matrix]:
    """Walk from each leaf up to the root, and record the conditions on the way back."""
    n_nodes, n_leaves = split.shape[0], parent.shape[0] - split.shape[0]
    room, deepest = 0, 0
    for leaf in range(n_leaves):
        depth, place = 0, n_nodes + leaf
        while parent[place] >= 0:
            depth, place = depth + 1, parent[place]
        room += depth
        deepest = depth if depth > deepest else deepest
    begin, path = np.zeros(n_leaves + 1, dtype=np.int64), np.empty(deepest, dtype=np.int64)
    feature, nan = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
    above, up_to, share = np.empty(room), np.empty(room), np.empty(room)
    end = 0
    for leaf in range(n_leaves):
        depth, place = 0, n_nodes + leaf
        while parent[place] >= 0:
            path[depth] = place
            depth, place = depth + 1, parent[place]
        for step in range(depth - 1, -1, -1):
            place = path[step]
            node = parent[place]
            k = begin[leaf]
            while k < end and feature[k] != split[node]:
                k += 1
            if k == end:
                feature[k], above[k], up_to[k], nan[k], share[k] = split[node], -np.inf, np.inf, 1, 1.0
                end += 1
            if is_left[place]:
                up_to[k] = threshold[node] if threshold[node] < up_to[k] else up_to[k]
            else:
                above[k] = threshold[node] if threshold[node] > above[k] else above[k]
            nan[k] = 1 if nan[k] == 1 and nan_left[node] == is_left[place] else 0
            share[k] = share[k] * count[place] / count[node]
        begin[leaf + 1] = end
    return begin, feature[:end].copy(), above[:end].copy(), up_to[:end].copy(), nan[:end].copy(), share[:end].copy()
