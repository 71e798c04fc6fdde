"""Lempel-Ziv complexity: the number of distinct words a series is parsed into, left to right.

The series is put into equal bins, and each word is the shortest run of bins that has not been a word yet: the parsing
of LZ78, whose dictionary is a trie.

References
----------
Lempel & Ziv (1976), "On the complexity of finite sequences", IEEE Trans. Inf. Theory 22(1);
Ziv & Lempel (1978), "Compression of individual sequences via variable-rate coding", IEEE Trans. Inf. Theory 24(5).
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.kernels.arithmetic.integers import greatest
from features.kernels.block import Block, BoolArray, FloatArray
from features.kernels.compilation import compiled
from features.kernels.kernel import Kernel, Parameters

Integers = npt.NDArray[np.int64]
Places = npt.NDArray[np.uint64]
Symbols = npt.NDArray[np.uint32]
Nodes = npt.NDArray[np.uint32]

# Tries advanced together: each waits for its own memory, so five take hardly longer than one.
_TOGETHER = 5
# A trie's nodes are numbered by 32 bits, and it has room for one child a bin and word.
_LARGEST_ROOM = 2**30
_LAST_NODE = 2**32 - 1
# The most a thread keeps for its next block: 16 MB.
_KEPT_ROOM = 2**22
_MOST_BINS = 1000
# Samples binned at a time: those left over by vector instructions would take longer than they do.
_WHOLE_VECTORS = 16
# A bin has to be wider than the rounding of its edges, or the quotient below could miss by more than one bin.
_WIDTH_OVER_ROUNDING = 4 * float(np.finfo(np.float64).eps)
_NARROWEST_BIN = 1e-290


class _Tries(threading.local):
    """A thread's tries, kept from block to block: clearing them would cost as much as parsing a series."""

    def __init__(self) -> None:
        self.nodes: Nodes = np.zeros(0, np.uint32)
        self.root: Places = np.zeros(1, np.uint64)

    def of_room(self, room: int) -> tuple[Nodes, Places]:
        """Return the nodes, and the number of the last one used."""
        if self.nodes.size >= room:
            return self.nodes, self.root
        nodes, root = np.zeros(room, np.uint32), np.zeros(1, np.uint64)
        if room <= _KEPT_ROOM:
            self.nodes, self.root = nodes, root
        return nodes, root


_tries = _Tries()


@dataclass(frozen=True)
class _Alphabets:
    """The requested numbers of bins, and the room their tries need."""

    bins: Integers  # (5 * groups,), the last group padded with ones
    rooms: Integers  # (5 * groups,), children in the trie of the most words that fit into the samples
    room: int  # the most that tries parsed together need


def _prepare(parameters: Sequence[Parameters], samples: int) -> _Alphabets:
    bins = [p["bins"] for p in parameters]
    bins += [1] * (-len(bins) % _TOGETHER)
    rooms = np.array([(most_words(each, samples) + 1) * each for each in bins])
    return _Alphabets(np.array(bins), rooms, int(rooms.reshape(-1, _TOGETHER).sum(axis=1).max()))


def most_words(bins: int, samples: int) -> int:
    """Count the shortest distinct words over `bins` symbols that fit into `samples`."""
    words, length = 0, 1
    while samples >= length:
        fitting = min(bins**length, samples // length)
        words, samples, length = words + fitting, samples - fitting * length, length + 1
    return words


def _supports(parameters: Parameters) -> bool:
    return isinstance(parameters["bins"], int) and 1 <= parameters["bins"] <= _MOST_BINS


def lempel_ziv_complexity(block: Block, alphabets: _Alphabets, out: FloatArray) -> BoolArray:
    """Divide the number of LZ78 words of the binned series by n.

    tsfresh: lempel_ziv_complexity(bins), with the bins' edges of ``numpy.linspace`` to the last bit. A step in a trie
    for each sample and number of bins; Ziv & Lempel (1978). Doubtful when the range is a few roundings wide.
    """
    if alphabets.room > _LARGEST_ROOM:
        return np.ones(block.n, dtype=np.bool_)
    nodes, root = _tries.of_room(alphabets.room)
    doubtful = np.empty(block.n, dtype=np.bool_)
    _count_words(
        block.series, block.minimum, block.maximum, alphabets.bins, alphabets.rooms, nodes, root, out, doubtful
    )
    return doubtful


@compiled
def _count_words(
    series: FloatArray,
    lowest: FloatArray,
    highest: FloatArray,
    bins: Integers,
    rooms: Integers,
    tries: Nodes,
    last: Places,
    out: FloatArray,
    doubtful: BoolArray,
) -> None:
    n, samples = series.shape
    room = -(-samples // _WHOLE_VECTORS) * _WHOLE_VECTORS
    x, symbols, words = np.zeros(room), np.empty((_TOGETHER, room), np.uint32), np.empty(_TOGETHER)
    root, most_bins = last[0], greatest(bins)
    for row in range(n):
        doubtful[row] = _has_narrow_bins(lowest[row], highest[row], most_bins)
    for first in range(0, len(bins), _TOGETHER):
        few = bins[first : first + _TOGETHER]
        begins = np.zeros(_TOGETHER + 1, np.uint64)
        for k in range(_TOGETHER):
            begins[k + 1] = begins[k] + rooms[first + k]
        for row in range(n):
            if root + begins[_TOGETHER] > np.uint64(_LAST_NODE):
                tries[:] = 0
                root = np.uint64(0)
            x[:samples] = series[row]
            for k in range(_TOGETHER):
                _put_into_bins(x, lowest[row], highest[row], few[k], symbols[k])
            _parse(symbols, samples, tries, begins, few, root, words)
            root += begins[_TOGETHER]
            for k in range(min(_TOGETHER, len(out) - first)):
                out[first + k, row] = words[k] / samples
    last[0] = root


@compiled
def _has_narrow_bins(lowest: float, highest: float, bins: int) -> bool:
    width = (highest - lowest) / bins
    rounding = _WIDTH_OVER_ROUNDING * max(abs(lowest), abs(highest))
    is_wide = width > rounding and width > _NARROWEST_BIN and np.isfinite(width)
    return not is_wide and lowest != highest


@compiled
def _put_into_bins(x: FloatArray, lowest: float, highest: float, bins: int, symbols: Symbols) -> None:
    # The bin of x is the number of edges under it. The quotient misses that by one at most, and the edges are compared
    # as numpy.linspace rounds them; only its last edge, the highest value, is not, and that is under no sample.
    width = (highest - lowest) / bins
    if not _NARROWEST_BIN < width < np.inf:
        symbols[:] = 0
        return
    per_width = 1.0 / width
    last = bins - 1.0
    for i in range(len(x)):
        guess = np.floor((x[i] - lowest) * per_width)
        under = 1.0 if (guess + 1.0) * width + lowest < x[i] else 0.0
        over = 1.0 if guess * width + lowest >= x[i] else 0.0
        symbols[i] = np.uint32(min(max(guess + under - over, 0.0), last))


@compiled
def _parse(
    symbols: Symbols, samples: int, tries: Nodes, begins: Places, bins: Integers, root: np.uint64, words: FloatArray
) -> None:
    # A node is the root's number plus where its children begin. The five are written out: they have to stay in
    # registers. Unsigned numbers spare the check for an index that counts from the end.
    at0, at1, at2, at3, at4 = begins[0] - root, begins[1] - root, begins[2] - root, begins[3] - root, begins[4] - root
    bins0, bins1, bins2 = np.uint64(bins[0]), np.uint64(bins[1]), np.uint64(bins[2])
    bins3, bins4 = np.uint64(bins[3]), np.uint64(bins[4])
    node0 = node1 = node2 = node3 = node4 = root
    new0, new1, new2, new3, new4 = root + bins0, root + bins1, root + bins2, root + bins3, root + bins4
    symbols0, symbols1, symbols2 = symbols[0], symbols[1], symbols[2]
    symbols3, symbols4 = symbols[3], symbols[4]
    for i in range(samples):
        node0, new0 = _step(tries, at0 + symbols0[i] + node0, root, new0, bins0)
        node1, new1 = _step(tries, at1 + symbols1[i] + node1, root, new1, bins1)
        node2, new2 = _step(tries, at2 + symbols2[i] + node2, root, new2, bins2)
        node3, new3 = _step(tries, at3 + symbols3[i] + node3, root, new3, bins3)
        node4, new4 = _step(tries, at4 + symbols4[i] + node4, root, new4, bins4)
    words[0], words[1], words[2] = (new0 - root) / bins0 - 1, (new1 - root) / bins1 - 1, (new2 - root) / bins2 - 1
    words[3], words[4] = (new3 - root) / bins3 - 1, (new4 - root) / bins4 - 1


@compiled
def _step(
    tries: Nodes, place: np.uint64, root: np.uint64, new: np.uint64, bins: np.uint64
) -> tuple[np.uint64, np.uint64]:
    # Follow the child, or plant it and start again at the root, without a branch: it would be mispredicted at every
    # other word. A third `if known` instead of the larger number makes the compiler branch.
    child = np.uint64(tries[place])
    known = child > root
    tries[place] = child if known else new
    return np.uint64(max(child, root)), (new if known else new + bins)


KERNELS: dict[str, Kernel] = {"lempel_ziv_complexity": Kernel(lempel_ziv_complexity, _prepare, _supports)}
