"""Kernels for X and Y of three neighbour qubits at once: the usual readouts, in one pass.

States, ``values`` and ``weights`` are laid out as in :mod:`~qrnn_qiskit.engines.cpu.readouts`.

The real parts of the eight amplitudes of three qubits are named a to h and the imaginary parts p to
w, in the order of the bits 000, 001, 010, 011, 100, 101, 110, 111, the last digit being the lowest
qubit. X and Y of one qubit connect the amplitudes that differ in its bit: letters 1, 2 or 4 apart.

    lowest qubit:   (a, b)  (c, d)  (e, f)  (g, h)
    middle qubit:   (a, c)  (b, d)  (e, g)  (f, h)
    highest qubit:  (a, e)  (b, f)  (c, g)  (d, h)

With psi_0 and psi_1 the amplitudes of a pair, bit 0 and bit 1, and z the sum of conj(psi_1) psi_0
over all pairs of a qubit, <X> = 2 Re z and <Y> = -2 Im z.
"""

from __future__ import annotations

from typing import Any

from numba.np.unsafe.ndarray import to_fixed_tuple

from qrnn_qiskit.engines.cpu.lane_vectors import load, splat, store
from qrnn_qiskit.engines.cpu.numba_compiler import inline, kernel
from qrnn_qiskit.engines.cpu.rotations import load_eight
from qrnn_qiskit.engines.program import Window

# A sum over all amplitudes is a sum of partial sums over this many: in one long chain, float32
# would lose a digit for every factor of ten in its length.
TILE = 128
_WINDOW_SIZE = len(Window._fields)


@inline
def _open_window(row: Any) -> Window:
    """Return the fields of a row of ``neighbours``."""
    return Window(*to_fixed_tuple(row, _WINDOW_SIZE))


@inline
def _multiply_conjugate(sums: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Add conj(c + i d) (a + i b) to the complex sum (real part, imaginary part)."""
    return sums[0] + c * a + d * b, sums[1] + c * b - d * a


@kernel
def read_neighbours(psi: Any, num_qubits: int, row: Any, values: Any) -> None:
    """Write <psi|P|psi> of X and Y of three neighbour qubits to ``values``.

    ``row`` holds the fields of a :class:`~qrnn_qiskit.engines.program.Window`.
    """
    window = _open_window(row)
    low = window.low
    far = 2 << low
    zero = (splat(psi, 0.0), splat(psi, 0.0))
    first, second, third = zero, zero, zero
    groups = 1 << (num_qubits - 3)  # of eight amplitudes, which give four pairs per qubit
    for start in range(0, groups, TILE >> 2):
        one, two, three = zero, zero, zero
        for k in range(start, min(start + (TILE >> 2), groups)):
            # Basis state k with three zeros inserted at bit ``low``, times 2 for its real part.
            i = ((k >> low) << (low + 4)) | ((k & ((1 << low) - 1)) << 1)
            a, b, c, d, e, f, g, h = load_eight(psi, i, far)
            p, q, r, s, t, u, v, w = load_eight(psi, i + 1, far)
            one = _multiply_conjugate(one, a, p, b, q)
            one = _multiply_conjugate(one, c, r, d, s)
            one = _multiply_conjugate(one, e, t, f, u)
            one = _multiply_conjugate(one, g, v, h, w)
            two = _multiply_conjugate(two, a, p, c, r)
            two = _multiply_conjugate(two, b, q, d, s)
            two = _multiply_conjugate(two, e, t, g, v)
            two = _multiply_conjugate(two, f, u, h, w)
            three = _multiply_conjugate(three, a, p, e, t)
            three = _multiply_conjugate(three, b, q, f, u)
            three = _multiply_conjugate(three, c, r, g, v)
            three = _multiply_conjugate(three, d, s, h, w)
        first = first[0] + one[0], first[1] + one[1]
        second = second[0] + two[0], second[1] + two[1]
        third = third[0] + three[0], third[1] + three[1]
    _write_pair(first, window.x0, window.y0, values)
    _write_pair(second, window.x1, window.y1, values)
    _write_pair(third, window.x2, window.y2, values)


@kernel
def _write_pair(sums: Any, place_x: int, place_y: int, values: Any) -> None:
    """Write <X> = 2 Re z and <Y> = -2 Im z, each unless its place is -1."""
    if place_x >= 0:
        store(values, place_x, splat(values, 2.0) * sums[0])
    if place_y >= 0:
        store(values, place_y, splat(values, -2.0) * sums[1])


@inline
def _load_weights(weights: Any, place_x: int, place_y: int) -> Any:
    """Return twice the weights of X and Y of a qubit; 0 for the place -1."""
    zero, two = splat(weights, 0.0), splat(weights, 2.0)
    x = two * load(weights, place_x) if place_x >= 0 else zero
    y = two * load(weights, place_y) if place_y >= 0 else zero
    return x, y


@inline
def _pull_three(lam: Any, i: int, one: Any, two: Any, three: Any) -> None:
    """Add the contributions of three amplitudes of psi to one amplitude of ``lam``.

    Each contribution is (x, y, c, d) and adds (x - i y) (c + i d).
    """
    re, im = load(lam, i), load(lam, i + 1)
    for x, y, c, d in (one, two, three):
        re, im = re + x * c + y * d, im + x * d - y * c
    store(lam, i, re)
    store(lam, i + 1, im)


@kernel
def pull_neighbours(psi: Any, lam: Any, num_qubits: int, row: Any, weights: Any) -> None:
    """Add 2 sum_j weights_j P_j psi over X and Y of three neighbour qubits to ``lam``.

    For x X + y Y of one qubit, amplitude 0 of a pair receives (x - i y) psi_1 and amplitude 1
    receives (x + i y) psi_0. The eight lines below are the eight amplitudes, bits 000 to 111. Each
    receives from three partners: its own letter with one bit flipped, 1, 2 and 4 letters away. y
    has a minus where the amplitude's own bit of that qubit is 1, so that the signs of y0, y1 and y2
    in the lines count in binary: +++, -++, +-+, --+, ++-, -+-, +--, ---.
    """
    window = _open_window(row)
    low = window.low
    far = 2 << low
    x0, y0 = _load_weights(weights, window.x0, window.y0)
    x1, y1 = _load_weights(weights, window.x1, window.y1)
    x2, y2 = _load_weights(weights, window.x2, window.y2)
    for n in range(1 << (num_qubits - 3)):
        i = ((n >> low) << (low + 4)) | ((n & ((1 << low) - 1)) << 1)
        a, b, c, d, e, f, g, h = load_eight(psi, i, far)
        p, q, r, s, t, u, v, w = load_eight(psi, i + 1, far)
        _pull_three(lam, i, (x0, y0, b, q), (x1, y1, c, r), (x2, y2, e, t))
        _pull_three(lam, i + far, (x0, -y0, a, p), (x1, y1, d, s), (x2, y2, f, u))
        _pull_three(lam, i + 2 * far, (x0, y0, d, s), (x1, -y1, a, p), (x2, y2, g, v))
        _pull_three(lam, i + 3 * far, (x0, -y0, c, r), (x1, -y1, b, q), (x2, y2, h, w))
        _pull_three(lam, i + 4 * far, (x0, y0, f, u), (x1, y1, g, v), (x2, -y2, a, p))
        _pull_three(lam, i + 5 * far, (x0, -y0, e, t), (x1, y1, h, w), (x2, -y2, b, q))
        _pull_three(lam, i + 6 * far, (x0, y0, h, w), (x1, -y1, e, t), (x2, -y2, c, r))
        _pull_three(lam, i + 7 * far, (x0, -y0, g, v), (x1, -y1, f, u), (x2, -y2, d, s))
