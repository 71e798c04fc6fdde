"""The average of several LightGBM boosters, as one booster.

A booster's score is the sum of the leaves that a row falls into. With every leaf divided by the number of boosters, the
trees of all of them sum to the mean of their scores. The average is therefore a LightGBM model like any other: it is
stored, opened and explained as one, and its contributions (Tree SHAP) are the means of theirs.

The average is of raw scores: hours of remaining life, or log-odds of a failure. The mean of log-odds is the geometric
mean of the odds. Log loss is convex in the log-odds, so the average loses no more than its members do on average.

References
----------
Jensen's inequality; Breiman, "Bagging predictors", Machine Learning 24 (1996), doi:10.1007/BF00058655 (averaging
learners whose draws differ).
"""

import re
from collections.abc import Sequence
from typing import Final

import lightgbm

_TREE: Final = re.compile(r"^Tree=\d+$", re.MULTILINE)
_END: Final = "end of trees"
_VALUES: Final = re.compile(r"^(leaf_value|internal_value)=(.*)$", re.MULTILINE)
# Set for a random forest: its score is the mean of its trees, no longer their sum.
_MEAN_OF_TREES: Final = "average_output\n"
# Where each tree ends; LightGBM parses the trees one by one without it.
_SIZES: Final = re.compile(r"^tree_sizes=.*\n", re.MULTILINE)


def average_boosters(texts: Sequence[str]) -> str:
    """Merge LightGBM texts into the text of one booster that scores the mean of their scores.

    At least one text, all fitted to the same columns with the same objective; the parameters are those of the first.
    """
    if len(texts) == 1:
        return texts[0]
    trees = [tree for text in texts for tree in _shrunk_trees(text, len(texts))]
    head, tail = _SIZES.sub("", texts[0][: _first_tree(texts[0])]), texts[0][texts[0].index(_END) :]
    numbered = (f"Tree={number}{tree}" for number, tree in enumerate(trees))
    merged = head.replace(_MEAN_OF_TREES, "") + "".join(numbered) + tail
    # Written again by LightGBM, so that it holds the importances of all trees.
    return str(lightgbm.Booster(model_str=merged).model_to_string())


def _shrunk_trees(text: str, n_boosters: int) -> list[str]:
    """Return a booster's trees, each without its number and with its values divided."""
    first = _first_tree(text)
    trees = _TREE.split(text[first : text.index(_END)])[1:]
    divisor = n_boosters * (len(trees) if _MEAN_OF_TREES in text[:first] else 1)
    return [_VALUES.sub(lambda line: f"{line[1]}={_divided(line[2], divisor)}", tree) for tree in trees]


def _divided(values: str, divisor: int) -> str:
    return " ".join(repr(float(value) / divisor) for value in values.split())


def _first_tree(text: str) -> int:
    match = _TREE.search(text)
    return match.start() if match else text.index(_END)
