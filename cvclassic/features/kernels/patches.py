"""Patches of images, and what is pooled over them."""

import numpy as np

from cvclassic.features.kernels.shared import fast


@fast
def normalized_patches(images, places, scale, regularization, patches):
    """Cut patches out and bring each to mean 0 and, but for `regularization`, variance 1.

    `images` is (n, height, width, channels), `places` (m, 3): image, top, left; `patches` (m, size * size * channels).
    """
    channels = images.shape[3]
    size = round((patches.shape[1] / channels) ** 0.5)
    for m in range(places.shape[0]):
        i, top, left = places[m]
        k = 0
        total = np.float32(0)
        for y in range(top, top + size):
            for x in range(left, left + size):
                for c in range(channels):
                    value = np.float32(images[i, y, x, c]) * scale
                    patches[m, k] = value
                    total += value
                    k += 1
        mean = total / np.float32(k)
        squares = np.float32(0)
        for j in range(k):
            patches[m, j] -= mean
            squares += patches[m, j] * patches[m, j]
        factor = np.float32(1) / np.sqrt(squares / np.float32(k - 1) + regularization)
        for j in range(k):
            patches[m, j] *= factor


@fast
def pool_triangle(products, patch_squares, atom_squares, cells, out):
    """Sum `max(0, mean distance - distance)` to each atom over the patches of each cell.

    `products` (m, atoms) of patches and atoms is overwritten; `out` is (images, cells, atoms), and each image has as
    many patches as `cells` is long.
    """
    per_image, atoms = cells.shape[0], products.shape[1]
    zero = np.float32(0)
    for i in range(out.shape[0]):
        out[i] = 0
        for p in range(per_image):
            m, cell = i * per_image + p, cells[p]
            square, total = patch_squares[m], zero
            for k in range(atoms):
                distance = square + atom_squares[k] - np.float32(2) * products[m, k]
                distance = np.sqrt(distance if distance > zero else zero)
                products[m, k] = distance
                total += distance
            mean = total / np.float32(atoms)
            for k in range(atoms):
                value = mean - products[m, k]
                out[i, cell, k] += value if value > zero else zero


@fast
def pool_threshold(products, threshold, cells, out):
    """Sum what exceeds `threshold`, upwards and downwards by itself; `out` is (images, cells, 2 * atoms)."""
    per_image, atoms = cells.shape[0], products.shape[1]
    zero = np.float32(0)
    for i in range(out.shape[0]):
        out[i] = 0
        for p in range(per_image):
            m, cell = i * per_image + p, cells[p]
            for k in range(atoms):
                up, down = products[m, k] - threshold, -products[m, k] - threshold
                out[i, cell, k] += up if up > zero else zero
                out[i, cell, atoms + k] += down if down > zero else zero
