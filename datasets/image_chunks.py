"""The images of an HDF5 file: each is a chunk, compressed on its own, and read past HDF5.

The filter is HDF5's registered LZ4, so that any program with the plug-in reads the file:
https://github.com/HDFGroup/hdf5_plugins. Here the file is mapped and a chunk found by its place in
two small tables: opening reads no image, a batch reads its own only, and the processes of a machine
share what the system has in memory.
"""

import mmap
import struct
from pathlib import Path
from typing import Any

import h5py
import lz4.block
import numpy as np
from numpy.typing import NDArray

from benchmark.registry import UserError

FILTER = 32_004
HEADER = struct.Struct(">QII")  # of the filter: the image's bytes, the block's, the stored block's
TABLES = ("chunk_start", "chunk_bytes")
ENTRY = 48
"""Bytes at most that a chunk takes beside its image: its header and its places."""

Images = NDArray[np.uint8]


def damaged(path: Path, why: str) -> UserError:
    """Return the error that says what is wrong with a packed file, and what to do."""
    return UserError(f"{path}: damaged: {why}; remove it to have it packed again")


class Chunks:
    """(N, bytes) uint8, read by rows: `chunks[index]` and `chunks[start:stop]` are arrays.

    Attributes:
        shape: (N, bytes).
        nbytes: of all images, not compressed.

    Args:
        path: the file.
        start, length: (N,) where in it the chunks begin, and their bytes.
        size: the bytes of an image.
    """

    def __init__(
        self, path: Path, start: NDArray[np.uint64], length: NDArray[np.uint32], size: int
    ) -> None:
        self.path, self.shape = path, (len(start), size)
        self.nbytes = len(start) * size
        self._first = start.astype(np.int64) + HEADER.size
        self._last = start.astype(np.int64) + length
        with path.open("rb") as file:
            self._file = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: NDArray[np.int64] | slice) -> Images:
        """Return rows (n, bytes).

        Raises:
            UserError: one is damaged.
        """
        first, last = self._first[index].tolist(), self._last[index].tolist()
        rows = np.empty((len(first), self.shape[1]), np.uint8)
        try:
            self._read(rows.reshape(-1).data, first, last)
        except (lz4.block.LZ4BlockError, ValueError) as error:
            raise damaged(self.path, str(error)) from error
        return rows

    def framed(self) -> bool:
        """Return whether each chunk begins as HDF5's filter has it, which `chunks[...]` skips."""
        size, file = self.shape[1], np.asarray(self._file)
        header = np.frombuffer(HEADER.pack(size, size, 0), np.uint8)[: HEADER.size - 4]
        stored = (self._last - self._first).astype(">u4").view(np.uint8).reshape(-1, 4)
        expected = np.hstack([np.broadcast_to(header, (len(self), len(header))), stored])
        found = file[self._first[:, None] + np.arange(-HEADER.size, 0)]
        return bool((found == expected).all())

    def _read(self, rows: memoryview, first: list[int], last: list[int]) -> None:
        file, size, decompress = self._file, self.shape[1], lz4.block.decompress
        for i, (a, b) in enumerate(zip(first, last, strict=True)):
            content = file[a:b]
            if b - a != size:
                content = decompress(content, uncompressed_size=size)
            rows[i * size : (i + 1) * size] = content


def create(file: h5py.File, shape: tuple[int, int]) -> Any:
    """Create the file's dataset `images` of this shape (N, bytes), without images yet."""
    return file.create_dataset(
        "images",
        shape,
        np.uint8,
        chunks=(1, shape[1]),
        compression=FILTER,
        allow_unknown_filter=True,
    )


def write(images: Any, first: int, block: Images) -> None:
    """Write the rows of a block (n, bytes) from the row `first` on."""
    for row, content in enumerate(block, first):
        images.id.write_direct_chunk((row, 0), compressed(content.tobytes()))


def compressed(image: bytes) -> bytes:
    """Return the chunk of an image; what LZ4 would make larger is stored as it is."""
    content: bytes = lz4.block.compress(image, store_size=False)
    if len(content) >= len(image):
        content = image
    return HEADER.pack(len(image), len(image), len(content)) + content


def places(images: Any) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """Return where the chunks of the dataset begin in its file, and their bytes: the `TABLES`."""
    start, length = np.zeros(len(images), np.uint64), np.zeros(len(images), np.uint32)

    def note(chunk: Any) -> None:
        row = chunk.chunk_offset[0]
        start[row], length[row] = chunk.byte_offset, chunk.size

    images.id.chunk_iter(note)
    return start, length
