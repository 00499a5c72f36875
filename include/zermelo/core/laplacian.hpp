// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "certificate.hpp"
#include "config.hpp"
#include "detail/aggregation.hpp"
#include "detail/laplacian_rows.hpp"
#include "detail/tile_scheduler.hpp"
#include "detail/vector_tiles.hpp"
#include "error.hpp"
#include "execution/policy.hpp"
#include "optimize.hpp"
#include "value.hpp"

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

inline raw_laplacian raw(const laplacian_view& l) {
  return {l.size(), l.offsets.data(), l.columns.data(), l.weights.data(), l.shift.empty() ? nullptr : l.shift.data()};
}

[[noreturn]] inline void refuse_row(const laplacian_view& l, std::int64_t i) {
  const std::int64_t n = l.size();
  for (std::int64_t e = l.offsets[static_cast<std::size_t>(i)]; e < l.offsets[static_cast<std::size_t>(i) + 1]; ++e) {
    const double v = l.weights[static_cast<std::size_t>(e)];
    const std::int64_t j = l.columns[static_cast<std::size_t>(e)];
    if (j < 0 || j >= n)
      throw domain_error("columns", e, "vertex " + std::to_string(j) + " of a graph with " + std::to_string(n));
    if (j == i) throw domain_error("columns", e, "row " + std::to_string(i) + " has a diagonal entry");
    if (!is_finite(v) || v < 0)
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
    if (!is_finite(l.shift[i]) || l.shift[i] < 0)
      throw domain_error("shift", static_cast<std::int64_t>(i),
                         "a shift is finite and not negative, this one is " + text(l.shift[i]));
}

/// 1 / diagonal of L, checking everything.
inline void checked_inverse_diagonal(const tile_scheduler& policy, const laplacian_view& l,
                                     std::vector<double>& inverse) {
  check_shapes(l);
  inverse.resize(static_cast<std::size_t>(l.size()));
  const raw_laplacian rows = raw(l);
  over_tiles(policy, l.size(), row_tile, [&](std::int64_t first, std::int64_t m) {
    if (const std::int64_t bad = invert_diagonal_rows(rows, inverse.data(), first, m); bad >= 0) refuse_row(l, bad);
  });
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// y = L x, in the form Σ_j v_ij (x_i − x_j), which loses nothing where neighbours are close. Returns xᵀ L x.
/// x, y [n], not overlapping; the view is not checked.   Cost: one pass over the entries, by tiles of rows.
template <host_policy P>
double multiply(P&& policy, const laplacian_view& l, std::span<const double> x, std::span<double> y) {
  detail::tile_sums partial;
  return detail::multiply(detail::schedule_on(policy), detail::raw(l), x.data(), y.data(), partial);
}

inline double multiply(const laplacian_view& l, std::span<const double> x, std::span<double> y) {
  return multiply(simd{}, l, x, y);
}

}  // namespace ZERMELO_ISA

namespace detail {

struct laplacian_solver_state {
  multigrid_state hierarchy;  // its first level exists always, and holds the inverse diagonal
  conjugate_gradient_workspace work;
  bool crawls = false, built = false;
  double usual_rate =
      0;  // steps for each factor e of accuracy, in the solve that followed the making of the aggregates
};

inline namespace ZERMELO_ISA {

/// Whether conjugate gradients that came to `residual` in so many steps will be done soon at this rate.
inline bool worth_waiting(std::int64_t iterations, double residual, double tolerance) {
  constexpr std::int64_t trial = 60, patience = 150;
  if (iterations < trial) return true;
  if (residual >= 1 || iterations >= 2 * patience) return false;
  return std::log(tolerance) / std::log(residual) * static_cast<double>(iterations) < patience;
}

inline laplacian_solution solve(const tile_scheduler& policy, laplacian_solver_state& state, const laplacian_view& l,
                                std::span<const double> b, std::span<double> x,
                                const laplacian_parameters& parameters) {
  const std::int64_t n = l.size();
  if (static_cast<std::int64_t>(b.size()) != n)
    throw shape_error("b", std::to_string(b.size()) + " numbers for " + std::to_string(n) + " rows");
  if (x.size() != b.size())
    throw shape_error("x", std::to_string(x.size()) + " numbers for " + std::to_string(n) + " rows");
  multigrid_state& hierarchy = state.hierarchy;
  if (hierarchy.levels.empty()) hierarchy.levels.emplace_back();
  if (hierarchy.levels[0].n != n) state.built = state.crawls = false;
  std::vector<double>& inverse = hierarchy.levels[0].inverse_diagonal;
  checked_inverse_diagonal(policy, l, inverse);
  const raw_laplacian rows = raw(l);
  const auto apply = [&](std::span<const double> v, std::span<double> y) {
    return multiply(policy, rows, v.data(), y.data(), hierarchy.partial);
  };
  conjugate_gradient_parameters cg{.tolerance = parameters.tolerance,
                                   .max_iterations = parameters.max_iterations,
                                   .project = l.shift.empty(),
                                   .verify = parameters.verify};
  const std::int64_t limit =
      parameters.max_iterations > 0 ? parameters.max_iterations : (std::max)(std::int64_t{100}, 10 * n);
  cg.max_iterations = limit;

  laplacian_solution solution;
  const bool automatic = parameters.preconditioner == laplacian_preconditioner::automatic;
  if (parameters.preconditioner == laplacian_preconditioner::jacobi || (automatic && !state.crawls)) {
    const auto jacobi = [&](std::span<const double> r, std::span<double> z) {
      over_tiles(policy, n, vector_tile, [&](std::int64_t first, std::int64_t m) {
        scale_tile(1, inverse.data() + first, r.data() + first, z.data() + first, m);
      });
    };
    bool crawling = false;
    const auto keep_going = [&](std::int64_t iterations, double residual) {
      crawling = automatic && !worth_waiting(iterations, residual, parameters.tolerance);
      return !crawling;
    };
    solution.convergence = run_conjugate_gradients(policy, apply, jacobi, keep_going, b, x, cg, state.work);
    if (!crawling) return solution;
    state.crawls = true;
  }
  const auto multigrid = [&](std::span<const double> r, std::span<double> z) {
    cycle(policy, hierarchy, rows, 0, r.data(), z.data());
  };
  std::int64_t before = solution.convergence.iterations;
  const double digits = (std::max)(-std::log((std::max)(1e-16, parameters.tolerance)), 1.0);
  for (bool again = false;; again = true) {
    const bool fresh = again || !state.built;
    if (fresh)
      build(policy, hierarchy, rows);
    else
      rebuild(policy, hierarchy, rows);
    state.built = true;
    // Aggregates that the edges have moved away from show in the number of steps; then new ones are made.
    const auto most = static_cast<std::int64_t>(2 * state.usual_rate * digits) + 20;
    bool aged = false;
    const auto keep_going = [&](std::int64_t iterations, double) {
      aged = !fresh && iterations >= most;
      return !aged;
    };
    cg.max_iterations = limit - before;
    solution.convergence = run_conjugate_gradients(policy, apply, multigrid, keep_going, b, x, cg, state.work);
    if (fresh && !again) state.usual_rate = static_cast<double>(solution.convergence.iterations) / digits;
    before += solution.convergence.iterations;
    if (!aged) break;
  }
  solution.convergence.iterations = before;
  solution.preconditioner = laplacian_preconditioner::multigrid;
  return solution;
}

}  // namespace ZERMELO_ISA
}  // namespace detail

/// A hierarchy of coarser Laplacians, and its cycle as a preconditioner. Aggregates follow strong edges; between
/// levels, two steps of conjugate gradients keep the rate of convergence independent of the size. Where the heaviest
/// edges stay the heaviest, new weights need no new aggregates. Cost: a cycle reads the entries twice, and the coarser
/// levels' a few times.
class aggregation_multigrid {
 public:
  /// Aggregates, coarse matrices, and the factor of the coarsest. Errors: as solve_laplacian.
  template <host_policy P>
  ZERMELO_INLINE void build(P&& policy, const laplacian_view& l) {
    state_.levels.resize(1);
    detail::checked_inverse_diagonal(detail::schedule_on(policy), l, state_.levels[0].inverse_diagonal);
    detail::build(detail::schedule_on(policy), state_, detail::raw(l));
  }
  /// New weights on the structure of the last `build`; where edges were added, the same as `build`.
  /// Errors: also shape_error if the number of vertices is another.
  template <host_policy P>
  ZERMELO_INLINE void rebuild(P&& policy, const laplacian_view& l) {
    if (state_.levels.empty() || state_.levels[0].n != l.size())
      throw shape_error("l", "the hierarchy was built from another structure");
    detail::checked_inverse_diagonal(detail::schedule_on(policy), l, state_.levels[0].inverse_diagonal);
    detail::rebuild(detail::schedule_on(policy), state_, detail::raw(l));
  }
  /// z ≈ L⁻¹ r, in a way that is symmetric and nearly linear in r. l is what the hierarchy was (re)built from; r and z
  /// must not overlap. Errors: shape_error.
  template <host_policy P>
  ZERMELO_INLINE void apply(P&& policy, const laplacian_view& l, std::span<const double> r, std::span<double> z) {
    const std::int64_t n = state_.levels.empty() ? -1 : state_.levels[0].n;
    if (l.size() != n) throw shape_error("l", "the hierarchy was built from another structure");
    if (static_cast<std::int64_t>(r.size()) != n || r.size() != z.size())
      throw shape_error("r", "r and z have one number for every vertex");
    detail::cycle(detail::schedule_on(policy), state_, detail::raw(l), 0, r.data(), z.data());
  }
  /// Vertices of every level, the finest first.
  ZERMELO_INLINE std::vector<std::int64_t> sizes() const {
    std::vector<std::int64_t> result;
    for (const auto& level : state_.levels) result.push_back(level.n);
    return result;
  }
  /// Entries of all coarse matrices together.
  ZERMELO_INLINE std::int64_t coarse_entries() const {
    std::int64_t sum = 0;
    for (const auto& level : state_.levels) sum += static_cast<std::int64_t>(level.columns.size());
    return sum;
  }

 private:
  detail::multigrid_state state_;
};

/// Solves many systems in Laplacians that share a structure. Keeps its vectors, and what it learnt: once conjugate
/// gradients crawled, later solves begin with multigrid, on the same aggregates with the new weights, until these no
/// longer fit. Other graphs may follow, but nothing is kept for them.
class laplacian_solver {
 public:
  /// See solve_laplacian.
  template <host_policy P>
  ZERMELO_INLINE laplacian_solution solve(P&& policy, const laplacian_view& l, std::span<const double> b,
                                          std::span<double> x, const laplacian_parameters& parameters = {}) {
    return detail::solve(detail::schedule_on(policy), state_, l, b, x, parameters);
  }

 private:
  detail::laplacian_solver_state state_;
};

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
