"""Whether something that is described is a plant, a line, a machine or a component."""

import re
from collections.abc import Iterable

from data_contracts.asset_graph.graph_nodes import LEVELS, Level

_WORDS: dict[Level, tuple[str, ...]] = {
    "plant": ("plant", "site", "factory", "works", "facility"),
    "line": ("line", "area", "hall", "cell", "workcenter", "section"),
    "machine": ("machine", "machinery", "equipment", "robot", "press", "mill", "lathe"),
    "component": ("component", "part", "axis", "spindle", "pump", "motor", "drive", "controller"),
}


def level_in_words(texts: Iterable[str]) -> Level | None:
    """Return the level that the last word of the first telling text names; None if none tells.

    Examples
    --------
    >>> level_in_words(["dtmi:com:example:ProductionLine;1"]), level_in_words(["Pipeline", "X7"])
    ('line', None)
    """
    for text in texts:
        words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).lower().replace("_", " "))
        for level, known in _WORDS.items():
            if words and words[-1] in known:
                return level
    return None


def may_contain(parent: Level, child: Level) -> bool:
    """Return whether something of one level may be part of something of another.

    Examples
    --------
    >>> may_contain("line", "machine"), may_contain("component", "component"), may_contain("machine", "line")
    (True, True, False)
    """
    above, below = LEVELS.index(parent), LEVELS.index(child)
    return above < below or (parent == child and parent in ("line", "component"))
