"""All kernels, by tsfresh's calculator name.

To add one: write it in its family's file, add it to that file's ``KERNELS``, and give the parity tests its parameters
if it has any. A calculator without a kernel is computed by tsfresh itself.
"""

from features.kernels import (
    autoregression,
    benford,
    change_quantiles,
    changes,
    correlation,
    counts,
    dynamics,
    energy,
    histogram_entropy,
    lempel_ziv,
    moments,
    order_statistics,
    permutation_entropy,
    power_density,
    sample_entropy,
    spectrum,
    trends,
    unit_root,
    wavelet_peaks,
    wavelets,
)
from features.kernels.kernel import Kernel

KERNELS: dict[str, Kernel] = {
    **moments.KERNELS,
    **order_statistics.KERNELS,
    **changes.KERNELS,
    **change_quantiles.KERNELS,
    **counts.KERNELS,
    **energy.KERNELS,
    **benford.KERNELS,
    **correlation.KERNELS,
    **autoregression.KERNELS,
    **trends.KERNELS,
    **unit_root.KERNELS,
    **dynamics.KERNELS,
    **spectrum.KERNELS,
    **power_density.KERNELS,
    **wavelet_peaks.KERNELS,
    **wavelets.KERNELS,
    **histogram_entropy.KERNELS,
    **permutation_entropy.KERNELS,
    **lempel_ziv.KERNELS,
    **sample_entropy.KERNELS,
}
