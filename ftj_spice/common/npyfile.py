"""Arrays of real numbers from the user's .npy files: mapped, not read, so that their size can be judged first."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import DataError

_LARGEST = 2**53  # elements, beyond what any file holds


def open_npy(path: str | Path, what: str) -> NDArray[Any]:
    """Returns the array of a .npy file, mapped from the disk.

    Args:
        path: The file.
        what: What it holds, for an error's sentence, e.g. `weights`.

    Raises:
        DataError: It can't be read, is not a whole .npy file, or holds no plain real numbers.
    """
    try:
        with Path(path).open("rb") as file:
            version = np.lib.format.read_magic(file)
            first = version == (1, 0)
            shape, _, dtype = (
                np.lib.format.read_array_header_1_0(file) if first else np.lib.format.read_array_header_2_0(file)
            )
        if dtype.kind not in "fiu" or dtype.itemsize > 8:
            raise DataError(f"{path}: {what} must be real numbers, not of type {dtype}")
        if any(side < 0 for side in shape) or float(np.prod(np.array(shape, float))) > _LARGEST:
            raise DataError(f"{path} says that it holds an array of shape {shape}, which no file does")
        if 0 in shape:  # nothing to map
            return np.zeros(shape, dtype)
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise DataError(f"can't read {what} from {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, SyntaxError, MemoryError, OverflowError, RecursionError, TypeError):
        raise DataError(f"{path} is not a whole .npy file with numbers; write it with numpy.save") from None
