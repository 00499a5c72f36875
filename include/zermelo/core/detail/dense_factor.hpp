// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../config.hpp"
#include "../value.hpp"
#include "vector_tiles.hpp"

/// Small dense symmetric systems, row-major, without another library.
namespace zermelo::inline v1::detail {

/// Elimination in a dense graph Laplacian that never subtracts: taking vertex k out joins its neighbours i, j by
/// w_ki w_kj / d_k, where d_k, the sum of the weights still at k, takes the place of the pivot. Every number keeps its
/// relative accuracy, however far apart the weights are, and the last vertex of an island has the pivot 0, exactly; its
/// solution is put to 0. Source: Grassmann, Taksar & Heyman 1985; O'Cinneide 1993.
struct laplacian_factor {
  std::int64_t n = 0;
  std::vector<double> w;        ///< [n, n], upper triangle: weights at the time of elimination
  std::vector<double> inverse;  ///< [n], 1 / d_k, or 0
};

inline namespace ZERMELO_ISA {

/// A = C Cᵀ for a symmetric positive definite A [n, n]: the lower triangle of `a` becomes C; what lies above the
/// diagonal is neither read nor written. Returns −1, or the first row whose pivot is not positive (the rows before it
/// are done). Cost: n³/3 flops in row-by-row dot products.
inline std::int64_t cholesky_factor(std::span<double> a, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    double* const row = a.data() + i * n;
    for (std::int64_t j = 0; j < i; ++j) {
      const double* const other = a.data() + j * n;
      row[j] = (row[j] - dot_tile(row, other, j)) / other[j];
    }
    const double pivot = row[i] - dot_tile(row, row, i);
    if (!(pivot > 0)) return i;
    row[i] = std::sqrt(pivot);
  }
  return -1;
}

/// Overwrites x [n] by A⁻¹ x, given the C of `cholesky_factor`.
inline void cholesky_solve(std::span<const double> c, std::int64_t n, std::span<double> x) {
  double* const v = x.data();
  for (std::int64_t i = 0; i < n; ++i) {
    const double* const row = c.data() + i * n;
    v[i] = (v[i] - dot_tile(row, v, i)) / row[i];
  }
  for (std::int64_t i = n - 1; i >= 0; --i) {
    const double* const row = c.data() + i * n;
    v[i] /= row[i];
    add_scaled_tile(-v[i], row, v, i);
  }
}

/// weights [n, n] row-major in factor.w (upper triangle), shift [n]; both are overwritten.
inline void eliminate(laplacian_factor& factor, std::span<double> shift) {
  const std::int64_t n = factor.n;
  factor.inverse.assign(static_cast<std::size_t>(n), 0.0);
  for (std::int64_t k = 0; k < n; ++k) {
    const double* const row = factor.w.data() + k * n;
    const std::int64_t rest = n - k - 1;
    const double d = moments_tile(row + k + 1, rest)[1] + shift[static_cast<std::size_t>(k)];
    const double inverse = d > 0 ? 1 / d : 0;
    if (!is_finite(inverse)) continue;  // weights of denormal size: as good as an island
    factor.inverse[static_cast<std::size_t>(k)] = inverse;
    for (std::int64_t i = k + 1; i < n; ++i) {
      const double share = row[i] * inverse;
      if (share == 0) continue;
      shift[static_cast<std::size_t>(i)] += share * shift[static_cast<std::size_t>(k)];
      add_scaled_tile(share, row + i + 1, factor.w.data() + i * n + i + 1, n - i - 1);
    }
  }
}

/// x = L⁺ b up to a constant on every island without shift, where b has to sum to zero.
inline void solve(const laplacian_factor& factor, const double* b, double* x) {
  const std::int64_t n = factor.n;
  for (std::int64_t k = 0; k < n; ++k) x[k] = b[k];
  for (std::int64_t k = 0; k < n; ++k)
    add_scaled_tile(x[k] * factor.inverse[static_cast<std::size_t>(k)], factor.w.data() + k * n + k + 1, x + k + 1,
                    n - k - 1);
  for (std::int64_t k = n - 1; k >= 0; --k)
    x[k] = (x[k] + dot_tile(factor.w.data() + k * n + k + 1, x + k + 1, n - k - 1)) *
           factor.inverse[static_cast<std::size_t>(k)];
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::detail
