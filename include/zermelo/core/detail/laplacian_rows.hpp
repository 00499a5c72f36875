// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "../config.hpp"
#include "../value.hpp"
#include "tile_scheduler.hpp"
#include "vector_tiles.hpp"

/// Passes over the rows of a graph Laplacian, (L x)_i = Σ_j v_ij (x_i − x_j) + s_i x_i.
namespace zermelo::inline v1::detail::inline ZERMELO_ISA {

inline constexpr std::int64_t row_tile = 2048;

struct raw_laplacian {
  std::int64_t n;
  const std::int64_t* offsets;
  const std::int32_t* columns;
  const double* weights;
  const double* shift;  ///< null for none
};

ZERMELO_INLINE double laplacian_row(const raw_laplacian& l, const double* x, std::int64_t i) {
  const double xi = x[i];
  const std::int64_t end = l.offsets[i + 1];
  double s[4] = {l.shift ? l.shift[i] * xi : 0, 0, 0, 0};
  std::int64_t e = l.offsets[i];
  for (; e + 4 <= end; e += 4)
    for (int k = 0; k < 4; ++k) s[k] += l.weights[e + k] * (xi - x[l.columns[e + k]]);
  for (; e < end; ++e) s[0] += l.weights[e] * (xi - x[l.columns[e]]);
  return (s[0] + s[1]) + (s[2] + s[3]);
}

/// y = L x on rows [first, first + m), and Σ x_i y_i over them.
[[gnu::noinline]] inline double multiply_rows(const raw_laplacian& l, const double* __restrict__ x,
                                              double* __restrict__ y, std::int64_t first, std::int64_t m) {
  double energy = 0;
  for (std::int64_t i = first; i < first + m; ++i) {
    const double yi = laplacian_row(l, x, i);
    y[i] = yi;
    energy += x[i] * yi;
  }
  return energy;
}

/// t = r − L x on rows [first, first + m)
[[gnu::noinline]] inline void residual_rows(const raw_laplacian& l, const double* __restrict__ x,
                                            const double* __restrict__ r, double* __restrict__ t, std::int64_t first,
                                            std::int64_t m) {
  for (std::int64_t i = first; i < first + m; ++i) t[i] = r[i] - laplacian_row(l, x, i);
}

/// y = x + ω D⁻¹ (r − L x) on rows [first, first + m)
[[gnu::noinline]] inline void smooth_rows(const raw_laplacian& l, double omega, const double* __restrict__ inverse,
                                          const double* __restrict__ x, const double* __restrict__ r,
                                          double* __restrict__ y, std::int64_t first, std::int64_t m) {
  for (std::int64_t i = first; i < first + m; ++i) y[i] = x[i] + omega * inverse[i] * (r[i] - laplacian_row(l, x, i));
}

/// z = c D⁻¹ r
[[gnu::noinline]] inline void scale_tile(double c, const double* __restrict__ inverse, const double* __restrict__ r,
                                         double* __restrict__ z, std::int64_t n) {
  for_each_lane(n, [&](std::int64_t i, int) { z[i] = c * inverse[i] * r[i]; });
}

/// 1 / diagonal of L on rows [first, first + m), 0 where it is not finite. Checks the rows: returns the first row with
/// a weight that is not finite and ≥ 0, or a column that is out of range or its own; −1 if there is none.
[[gnu::noinline]] inline std::int64_t invert_diagonal_rows(const raw_laplacian& l, double* __restrict__ inverse,
                                                           std::int64_t first, std::int64_t m) {
  for (std::int64_t i = first; i < first + m; ++i) {
    double s[4] = {l.shift ? l.shift[i] : 0, 0, 0, 0};
    bool good = true;
    for (std::int64_t e = l.offsets[i]; e < l.offsets[i + 1]; ++e) {
      const double v = l.weights[e];
      const std::int64_t j = l.columns[e];
      good = good & is_finite(v) & (v >= 0) & (j >= 0) & (j < l.n) & (j != i);
      s[e & 3] += v;
    }
    if (!good) return i;
    const double d = 1 / ((s[0] + s[1]) + (s[2] + s[3]));
    inverse[i] = is_finite(d) ? d : 0;
  }
  return -1;
}

inline double multiply(const tile_scheduler& policy, const raw_laplacian& l, const double* x, double* y,
                       tile_sums& partial) {
  return sum_over_tiles(policy, l.n, row_tile, partial, [&](std::int64_t first, std::int64_t m) -> sums3 {
    return {multiply_rows(l, x, y, first, m), 0, 0};
  })[0];
}

}  // namespace zermelo::inline v1::detail::inline ZERMELO_ISA
