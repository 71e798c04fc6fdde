"""Random numbers that depend on nothing but what they are for: counter-based generators keyed by purpose.

Philox: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, https://doi.org/10.1145/2063384.2063405.
"""

import hashlib

import numpy as np


def random_key(seed: int, *purpose: str) -> int:
    """Return 64 bits for a purpose, such as the noise of a machine."""
    text = "/".join([str(seed), *purpose]).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def generator(key: int, counter: int = 0) -> np.random.Generator:
    """Return the generator of a key and the number of an hour or second."""
    return np.random.Generator(np.random.Philox(key=key + (counter << 64)))
