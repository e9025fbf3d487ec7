"""Types of arrays, by what is in them. Shapes are told where they are used."""

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.floating]
type Ints = NDArray[np.integer]
type Bools = NDArray[np.bool_]
type Vectors = NDArray[np.float32]
"""Shape (n, dimensions), each row of length 1."""
