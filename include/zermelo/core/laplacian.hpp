// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "certificate.hpp"
#include "config.hpp"
#include "detail/vector_tiles.hpp"
#include "error.hpp"
#include "execution/policy.hpp"
#include "optimize.hpp"

/// Weighted graph Laplacians in compressed rows, and linear systems in them.
namespace zermelo::inline v1 {

/// (L x)_i = Σ_j v_ij (x_i − x_j) + s_i x_i,   v_ij = v_ji ≥ 0,  s_i ≥ 0
///
/// Every pair of neighbours is stored in both rows; there are no diagonal entries. Without `shift`, the constants are
/// in the kernel of L and everything is taken modulo them: right-hand sides are centred and solutions have Σx = 0.
struct laplacian_view {
  std::span<const std::int64_t> offsets;  ///< [n+1], row i holds positions offsets[i] ≤ e < offsets[i+1]
  std::span<const std::int32_t> columns;  ///< [entries], neighbours
  std::span<const double> weights;        ///< [entries], v
  std::span<const double> shift = {};     ///< [n], s; empty for none

  ZERMELO_INLINE std::int64_t size() const {
    return offsets.empty() ? 0 : static_cast<std::int64_t>(offsets.size()) - 1;
  }
};

enum class laplacian_preconditioner : std::uint8_t {
  automatic,  ///< jacobi, then multigrid when conjugate gradients crawl
  jacobi,     ///< the diagonal
  multigrid   ///< aggregation multigrid
};

struct laplacian_parameters {
  double tolerance = 1e-10;         ///< stop at ‖b − L x‖ ≤ tolerance · ‖b‖ (2-norms)
  std::int64_t max_iterations = 0;  ///< conjugate-gradient steps in all; 0: ten for every unknown, at least 100
  laplacian_preconditioner preconditioner = laplacian_preconditioner::automatic;
  bool verify = true;  ///< recompute b − L x before reporting convergence
};

struct laplacian_solution {
  zermelo::convergence convergence;  ///< all steps together, and ‖b − L x‖ / ‖b‖
  laplacian_preconditioner preconditioner = laplacian_preconditioner::jacobi;  ///< the one that finished
};

namespace detail::inline ZERMELO_ISA {

inline constexpr std::int64_t row_tile = 2048;

/// y = L x on rows [first, first + m), and Σ x_i y_i over them.
[[gnu::noinline]] inline double laplacian_rows(const laplacian_view& l, const double* __restrict__ x,
                                               double* __restrict__ y, std::int64_t first, std::int64_t m) {
  const std::int64_t* const offsets = l.offsets.data();
  const std::int32_t* const columns = l.columns.data();
  const double* const weights = l.weights.data();
  const double* const shift = l.shift.empty() ? nullptr : l.shift.data();
  double energy = 0;
  for (std::int64_t i = first; i < first + m; ++i) {
    const double xi = x[i];
    const std::int64_t end = offsets[i + 1];
    double s[4] = {shift ? shift[i] * xi : 0, 0, 0, 0};
    std::int64_t e = offsets[i];
    for (; e + 4 <= end; e += 4)
      for (int k = 0; k < 4; ++k) s[k] += weights[e + k] * (xi - x[columns[e + k]]);
    for (; e < end; ++e) s[0] += weights[e] * (xi - x[columns[e]]);
    const double yi = (s[0] + s[1]) + (s[2] + s[3]);
    y[i] = yi;
    energy += xi * yi;
  }
  return energy;
}

/// The diagonal of L on rows [first, first + m); checks the rows, and returns the first bad position or −1.
[[gnu::noinline]] inline std::int64_t diagonal_rows(const laplacian_view& l, double* __restrict__ diagonal,
                                                    std::int64_t first, std::int64_t m) {
  const std::int64_t n = l.size();
  constexpr double largest = (std::numeric_limits<double>::max)();
  for (std::int64_t i = first; i < first + m; ++i) {
    const auto row = static_cast<std::size_t>(i);
    double s[4] = {l.shift.empty() ? 0 : l.shift[row], 0, 0, 0};
    bool good = true;
    for (std::int64_t e = l.offsets[row]; e < l.offsets[row + 1]; ++e) {
      const double v = l.weights[static_cast<std::size_t>(e)];
      const std::int64_t j = l.columns[static_cast<std::size_t>(e)];
      good = good & (v >= 0) & (v <= largest) & (j >= 0) & (j < n) & (j != i);
      s[e & 3] += v;
    }
    if (!good) return i;
    diagonal[i] = (s[0] + s[1]) + (s[2] + s[3]);
  }
  return -1;
}

[[noreturn]] inline void refuse_row(const laplacian_view& l, std::int64_t i) {
  const std::int64_t n = l.size();
  for (std::int64_t e = l.offsets[static_cast<std::size_t>(i)]; e < l.offsets[static_cast<std::size_t>(i) + 1]; ++e) {
    const double v = l.weights[static_cast<std::size_t>(e)];
    const std::int64_t j = l.columns[static_cast<std::size_t>(e)];
    if (j < 0 || j >= n)
      throw domain_error("columns", e, "vertex " + std::to_string(j) + " of a graph with " + std::to_string(n));
    if (j == i) throw domain_error("columns", e, "row " + std::to_string(i) + " has a diagonal entry");
    if (!(v >= 0 && v <= (std::numeric_limits<double>::max)()))
      throw domain_error("weights", e, "a weight is finite and not negative, this one is " + text(v));
  }
  throw domain_error("weights", i, "the row cannot be read");
}

inline void check_shapes(const laplacian_view& l) {
  const std::int64_t entries = l.offsets.empty() ? 0 : l.offsets.back();
  if (static_cast<std::int64_t>(l.columns.size()) != entries)
    throw shape_error("columns",
                      std::to_string(l.columns.size()) + " entries, but the rows end at " + std::to_string(entries));
  if (l.weights.size() != l.columns.size())
    throw shape_error(
        "weights", std::to_string(l.weights.size()) + " weights for " + std::to_string(l.columns.size()) + " entries");
  if (!l.shift.empty() && static_cast<std::int64_t>(l.shift.size()) != l.size())
    throw shape_error("shift", std::to_string(l.shift.size()) + " numbers for " + std::to_string(l.size()) + " rows");
  std::int64_t before = 0;
  for (std::size_t i = 0; i < l.offsets.size(); ++i) {
    if (l.offsets[i] < before || (i == 0 && l.offsets[i] != 0))
      throw domain_error("offsets", static_cast<std::int64_t>(i), "offsets ascend from 0");
    before = l.offsets[i];
  }
  for (std::size_t i = 0; i < l.shift.size(); ++i)
    if (!(l.shift[i] >= 0 && l.shift[i] <= (std::numeric_limits<double>::max)()))
      throw domain_error("shift", static_cast<std::int64_t>(i),
                         "a shift is finite and not negative, this one is " + text(l.shift[i]));
}

/// The diagonal of L, checking everything.
template <host_policy P>
void checked_diagonal(P&& policy, const laplacian_view& l, std::vector<double>& diagonal) {
  check_shapes(l);
  diagonal.resize(static_cast<std::size_t>(l.size()));
  over_tiles(policy, l.size(), row_tile, [&](std::int64_t first, std::int64_t m) {
    if (const std::int64_t bad = diagonal_rows(l, diagonal.data(), first, m); bad >= 0) refuse_row(l, bad);
  });
}

template <host_policy P>
double laplacian_multiply(P&& policy, const laplacian_view& l, const double* x, double* y, tile_sums& partial) {
  return sum_over_tiles(policy, l.size(), row_tile, partial, [&](std::int64_t first, std::int64_t m) -> sums3 {
    return {laplacian_rows(l, x, y, first, m), 0, 0};
  })[0];
}

/// z = D⁻¹ r; a vertex without weights keeps 0.
[[gnu::noinline]] inline void scale_tile(const double* __restrict__ inverse, const double* __restrict__ r,
                                         double* __restrict__ z, std::int64_t n) {
  for_each_lane(n, [&](std::int64_t i, int) { z[i] = inverse[i] * r[i]; });
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// y = L x, in the form Σ_j v_ij (x_i − x_j), which loses nothing where neighbours are close. Returns xᵀ L x.
/// x, y [n], not overlapping; the view is not checked.   Cost: one pass over the entries, by tiles of rows.
template <host_policy P>
double multiply(P&& policy, const laplacian_view& l, std::span<const double> x, std::span<double> y) {
  detail::tile_sums partial;
  return detail::laplacian_multiply(policy, l, x.data(), y.data(), partial);
}

inline double multiply(const laplacian_view& l, std::span<const double> x, std::span<double> y) {
  return multiply(simd{}, l, x, y);
}

}  // namespace ZERMELO_ISA

/// Solves many systems in Laplacians that share a structure. Keeps its vectors, and what it learnt: once conjugate
/// gradients crawled, later solves begin with multigrid, on the same aggregates with the new weights.
class laplacian_solver {
 public:
  template <host_policy P>
  ZERMELO_INLINE laplacian_solution solve(P&& policy, const laplacian_view& l, std::span<const double> b,
                                          std::span<double> x, const laplacian_parameters& parameters = {});

 private:
  std::vector<double> inverse_diagonal_;
  conjugate_gradient_workspace work_;
  std::vector<std::array<double, 3>> partial_;
};

template <host_policy P>
ZERMELO_INLINE laplacian_solution laplacian_solver::solve(P&& policy, const laplacian_view& l,
                                                          std::span<const double> b, std::span<double> x,
                                                          const laplacian_parameters& parameters) {
  const std::int64_t n = l.size();
  if (static_cast<std::int64_t>(b.size()) != n)
    throw shape_error("b", std::to_string(b.size()) + " numbers for " + std::to_string(n) + " rows");
  if (x.size() != b.size())
    throw shape_error("x", std::to_string(x.size()) + " numbers for " + std::to_string(n) + " rows");
  detail::checked_diagonal(policy, l, inverse_diagonal_);
  for (double& d : inverse_diagonal_) d = d > 0 ? 1 / d : 0;
  const auto apply = [&](std::span<const double> v, std::span<double> y) {
    return detail::laplacian_multiply(policy, l, v.data(), y.data(), partial_);
  };
  const auto jacobi = [&](std::span<const double> r, std::span<double> z) {
    detail::over_tiles(policy, n, detail::vector_tile, [&](std::int64_t first, std::int64_t m) {
      detail::scale_tile(inverse_diagonal_.data() + first, r.data() + first, z.data() + first, m);
    });
  };
  conjugate_gradient_parameters cg{.tolerance = parameters.tolerance,
                                   .max_iterations = parameters.max_iterations,
                                   .project = l.shift.empty(),
                                   .verify = parameters.verify};
  laplacian_solution solution;
  solution.convergence = detail::run_conjugate_gradients(
      policy, apply, jacobi, [](std::int64_t, double) { return true; }, b, x, cg, work_);
  return solution;
}

inline namespace ZERMELO_ISA {

/// Solves L x = b by preconditioned conjugate gradients.
/// b [n]; x [n] the start, overwritten.
/// Errors: shape_error; domain_error for a weight or shift that is negative or not finite, and for a column that is out
/// of range or on the diagonal. That v is symmetric is not checked.
template <host_policy P>
laplacian_solution solve_laplacian(P&& policy, const laplacian_view& l, std::span<const double> b, std::span<double> x,
                                   const laplacian_parameters& parameters = {}) {
  laplacian_solver solver;
  return solver.solve(policy, l, b, x, parameters);
}

inline laplacian_solution solve_laplacian(const laplacian_view& l, std::span<const double> b, std::span<double> x,
                                          const laplacian_parameters& parameters = {}) {
  return solve_laplacian(simd{}, l, b, x, parameters);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1
