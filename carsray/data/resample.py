"""Bilinear sampling on the processor, from bytes to normalised floats in one pass; grid_sample is several times slower.

Compiled by Numba once per machine and kept. Runs without the GIL and on one thread; who calls it shares the work out.
"""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def resample(images: np.ndarray, planes: np.ndarray, scale: np.ndarray, shift: np.ndarray, out: np.ndarray) -> None:
    """Into out float32 (B, s, s, 3) samples of images uint8 (B, S, S, 3), times scale (3,), plus shift (3,).

    Planes float32 (B, 4, 3) hold a, b, c of a * x + b * y + c at an output pixel's centre, x and y from -1 to 1: where
    it lies across and down the picture, in pixels, and across and down the crop, again from -1 to 1. A place outside
    the picture takes the nearest pixel; outside the crop it is black, with an edge one output pixel wide.
    """
    size = out.shape[1]
    centres = ((2 * np.arange(size) + 1) / size - 1).astype(np.float32)
    # Row by row: first where and how much, which the compiler does for several pixels at a time, then the sums.
    corners, weights = np.empty((4, size), np.int32), np.empty((4, size), np.float32)
    for n in range(len(images)):
        picture = images[n].reshape(-1)
        for i in range(size):
            _places(planes[n], centres, i, images.shape[1], corners, weights)
            _blend(picture, corners, weights, scale, shift, out[n, i])


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _places(
    planes: np.ndarray, centres: np.ndarray, i: int, side: int, corners: np.ndarray, weights: np.ndarray
) -> None:
    """For row i, where the four pixels around each place begin in the picture's bytes, and what each of them counts."""
    zero, one, last = np.float32(0), np.float32(1), np.int32(side - 1)
    half = np.float32(len(centres) / 2)
    edge = half + np.float32(0.5)
    across_step, down_step, u_step, v_step = planes[0, 0], planes[1, 0], planes[2, 0], planes[3, 0]
    across, down = planes[0, 1] * centres[i] + planes[0, 2], planes[1, 1] * centres[i] + planes[1, 2]
    u, v = planes[2, 1] * centres[i] + planes[2, 2], planes[3, 1] * centres[i] + planes[3, 2]
    for j in range(len(centres)):
        x = min(max(across_step * centres[j] + across, zero), np.float32(last))
        y = min(max(down_step * centres[j] + down, zero), np.float32(last))
        left, top = np.int32(x), np.int32(y)
        right, bottom = min(left + np.int32(1), last), min(top + np.int32(1), last)
        beside, below = x - np.float32(left), y - np.float32(top)
        cover = min(max(edge - half * abs(u_step * centres[j] + u), zero), one)
        cover *= min(max(edge - half * abs(v_step * centres[j] + v), zero), one)
        low = below * cover
        high = cover - low
        weights[1, j], weights[3, j] = high * beside, low * beside
        weights[0, j], weights[2, j] = high - weights[1, j], low - weights[3, j]
        upper, lower = top * np.int32(side), bottom * np.int32(side)
        corners[0, j], corners[1, j] = (upper + left) * np.int32(3), (upper + right) * np.int32(3)
        corners[2, j], corners[3, j] = (lower + left) * np.int32(3), (lower + right) * np.int32(3)


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _blend(
    picture: np.ndarray, corners: np.ndarray, weights: np.ndarray, scale: np.ndarray, shift: np.ndarray, row: np.ndarray
) -> None:
    """Into row (s, 3) the weighted sums of four pixels."""
    for j in range(len(row)):
        a, b, c, d = weights[0, j], weights[1, j], weights[2, j], weights[3, j]
        # Unsigned, or each index would be looked at for counting from the end.
        p, q = np.uintp(corners[0, j]), np.uintp(corners[1, j])
        r, s = np.uintp(corners[2, j]), np.uintp(corners[3, j])
        for k in (np.uintp(0), np.uintp(1), np.uintp(2)):
            upper = a * np.float32(picture[p + k]) + b * np.float32(picture[q + k])
            lower = c * np.float32(picture[r + k]) + d * np.float32(picture[s + k])
            row[j, k] = (upper + lower) * scale[k] + shift[k]
