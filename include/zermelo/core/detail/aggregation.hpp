// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "../config.hpp"
#include "../execution/policy.hpp"
#include "dense_factor.hpp"
#include "laplacian_rows.hpp"
#include "tile_scheduler.hpp"
#include "vector_tiles.hpp"

/// Aggregation multigrid for graph Laplacians.
namespace zermelo::inline v1::detail {

/// One level: its matrix (but for the finest, which is the caller's), the aggregates its vertices fall into, scratch.
struct multigrid_level {
  std::int64_t n = 0;
  std::vector<std::int64_t> offsets;
  std::vector<std::int32_t> columns;
  std::vector<double> weights, shift;
  std::vector<double> inverse_diagonal;

  std::vector<std::int32_t> aggregate;       ///< [n] vertex of the next level, −1 for none
  std::vector<std::int64_t> member_offsets;  ///< [next n + 1]
  std::vector<std::int32_t> members;         ///< vertices by aggregate, ascending inside each

  std::vector<double> rhs, solution, smoothed, scratch;          // of the cycle
  std::vector<double> first, first_image, second, second_image;  // of the two steps between levels
};

struct multigrid_state {
  std::vector<multigrid_level> levels;
  laplacian_factor coarsest;
  std::vector<std::array<double, 3>> partial;
};

inline namespace ZERMELO_ISA {

inline constexpr double strength_threshold = 0.35;  ///< an edge is strong from this part of the vertex's heaviest on
inline constexpr double jacobi_damping = 0.7;       ///< eigenvalues of D⁻¹L lie in [0, 2]
inline constexpr std::int64_t dense_limit = 400;    ///< levels up to this size are solved directly
inline constexpr double least_share = 2;            ///< see aggregate_vertices

inline raw_laplacian matrix_of(const multigrid_level& level) {
  return {level.n, level.offsets.data(), level.columns.data(), level.weights.data(),
          level.shift.empty() ? nullptr : level.shift.data()};
}

/// Cuts the graph into aggregates; returns their number. A vertex is close to a root if the edge between them is strong
/// for the vertex: what it is worth to the root does not matter, and two heavy vertices never meet through a light one.
/// First, a vertex none of whose strong neighbours is taken becomes the root of an aggregate with those close to it;
/// then also one whose free close neighbours have at least the part 1/least_share of the weight of all its edges. What
/// is left joins the aggregate that it has the greatest weight to.
inline std::int64_t aggregate_vertices(const raw_laplacian& l, const std::vector<double>& heaviest,
                                       std::vector<std::int32_t>& aggregate) {
  constexpr std::int32_t none = -1;
  aggregate.assign(static_cast<std::size_t>(l.n), none);
  std::int32_t* const of = aggregate.data();
  const double* const top = heaviest.data();
  std::int32_t count = 0;
  const auto close = [&](std::int64_t e) {
    return l.weights[e] > 0 && l.weights[e] >= strength_threshold * top[l.columns[e]];
  };
  for (int round = 0; round < 2; ++round) {
    for (std::int64_t i = 0; i < l.n; ++i) {
      if (of[i] != none || top[i] == 0) continue;
      double free = 0, all = 0;
      bool blocked = false, any = false;
      for (std::int64_t e = l.offsets[i]; e < l.offsets[i + 1] && !blocked; ++e) {
        const double v = l.weights[e];
        const bool is_free = of[l.columns[e]] == none, is_close = close(e);
        all += v;
        if (is_free && is_close) {
          free += v;
          any = true;
        }
        blocked = round == 0 && !is_free && (is_close || v >= strength_threshold * top[i]);
      }
      if (blocked || !any || (round > 0 && free * least_share < all)) continue;
      of[i] = count;
      for (std::int64_t e = l.offsets[i]; e < l.offsets[i + 1]; ++e)
        if (close(e) && of[l.columns[e]] == none) of[l.columns[e]] = count;
      ++count;
    }
  }
  std::vector<double> mass(static_cast<std::size_t>(count), 0.0);
  const auto nearest = [&](std::int64_t i, double least) {
    std::int32_t best = none;
    for (std::int64_t e = l.offsets[i]; e < l.offsets[i + 1]; ++e) {
      const std::int32_t a = of[l.columns[e]];
      if (a == none) continue;
      double& m = mass[static_cast<std::size_t>(a)];
      m += l.weights[e];
      if (m > least) {
        least = m;
        best = a;
      }
    }
    for (std::int64_t e = l.offsets[i]; e < l.offsets[i + 1]; ++e)
      if (const std::int32_t a = of[l.columns[e]]; a != none) mass[static_cast<std::size_t>(a)] = 0;
    return best;
  };
  std::vector<std::pair<std::int64_t, std::int32_t>> joins;
  for (std::int64_t i = 0; i < l.n; ++i)
    if (of[i] == none)
      if (const std::int32_t a = nearest(i, 0.5 * top[i]); a != none) joins.emplace_back(i, a);
  for (const auto& [i, a] : joins) of[i] = a;
  for (std::int64_t i = 0; i < l.n; ++i)
    if (of[i] == none) of[i] = nearest(i, 0);
  return count;
}

inline void list_members(multigrid_level& level, std::int64_t count) {
  level.member_offsets.assign(static_cast<std::size_t>(count) + 1, 0);
  for (const std::int32_t a : level.aggregate)
    if (a >= 0) ++level.member_offsets[static_cast<std::size_t>(a) + 1];
  for (std::size_t a = 0; a < static_cast<std::size_t>(count); ++a)
    level.member_offsets[a + 1] += level.member_offsets[a];
  std::vector<std::int64_t> next(level.member_offsets.begin(), level.member_offsets.end() - 1);
  level.members.resize(static_cast<std::size_t>(level.member_offsets.back()));
  for (std::int64_t i = 0; i < level.n; ++i)
    if (const std::int32_t a = level.aggregate[static_cast<std::size_t>(i)]; a >= 0)
      level.members[static_cast<std::size_t>(next[static_cast<std::size_t>(a)]++)] = static_cast<std::int32_t>(i);
}

/// How many aggregates one tile of the coarse matrix takes; few tiles, since each has a table of all aggregates.
inline std::int64_t galerkin_tile(std::int64_t coarse) { return (std::max)(std::int64_t{1}, (coarse + 63) / 64); }

/// The coarse matrix PᵀLP: weights between aggregates are added up, those inside vanish. With `structure`, also finds
/// its entries; without, adds new weights to the entries there are, and returns false if the graph has others.
inline bool galerkin(const tile_scheduler& policy, const raw_laplacian& l, const multigrid_level& fine,
                     multigrid_level& coarse, bool structure) {
  const std::int64_t tile = galerkin_tile(coarse.n), tiles = tiles_of(coarse.n, tile);
  struct piece {
    std::vector<std::int32_t> columns;
    std::vector<double> weights;
  };
  std::vector<piece> pieces(static_cast<std::size_t>(structure ? tiles : 0));
  coarse.shift.assign(l.shift ? static_cast<std::size_t>(coarse.n) : 0, 0.0);
  std::vector<char> fits(static_cast<std::size_t>(tiles), 1);
  if (structure) coarse.offsets.assign(static_cast<std::size_t>(coarse.n) + 1, 0);
  const auto one = [&](std::int64_t t) {
    std::vector<std::int64_t> where(static_cast<std::size_t>(coarse.n), -1);
    const std::int64_t last = (std::min)(coarse.n, (t + 1) * tile);
    for (std::int64_t a = t * tile; a < last; ++a) {
      const auto row = static_cast<std::size_t>(a);
      std::vector<std::int32_t>* const columns = structure ? &pieces[static_cast<std::size_t>(t)].columns : nullptr;
      std::vector<double>& weights = structure ? pieces[static_cast<std::size_t>(t)].weights : coarse.weights;
      const auto begin = structure ? static_cast<std::int64_t>(columns->size()) : coarse.offsets[row];
      if (!structure) {
        for (std::int64_t e = begin; e < coarse.offsets[row + 1]; ++e) {
          where[static_cast<std::size_t>(coarse.columns[static_cast<std::size_t>(e)])] = e;
          weights[static_cast<std::size_t>(e)] = 0;
        }
      }
      double ground = 0;
      for (std::int64_t m = fine.member_offsets[row]; m < fine.member_offsets[row + 1]; ++m) {
        const std::int64_t i = fine.members[static_cast<std::size_t>(m)];
        if (l.shift) ground += l.shift[i];
        for (std::int64_t e = l.offsets[i]; e < l.offsets[i + 1]; ++e) {
          const std::int32_t other = fine.aggregate[static_cast<std::size_t>(l.columns[e])];
          if (other == a || other < 0) continue;
          std::int64_t& position = where[static_cast<std::size_t>(other)];
          if (position < begin) {  // not seen in this row yet
            if (!structure) {
              fits[static_cast<std::size_t>(t)] = 0;
              continue;
            }
            position = static_cast<std::int64_t>(columns->size());
            columns->push_back(other);
            weights.push_back(0);
          }
          weights[static_cast<std::size_t>(position)] += l.weights[e];
        }
      }
      if (l.shift) coarse.shift[row] = ground;
      if (structure) coarse.offsets[row + 1] = static_cast<std::int64_t>(columns->size()) - begin;
    }
  };
  for_each_tile(policy, tiles, one);
  if (!structure) return std::find(fits.begin(), fits.end(), 0) == fits.end();
  for (std::size_t a = 0; a < static_cast<std::size_t>(coarse.n); ++a) coarse.offsets[a + 1] += coarse.offsets[a];
  coarse.columns.clear();
  coarse.weights.clear();
  coarse.columns.reserve(static_cast<std::size_t>(coarse.offsets.back()));
  coarse.weights.reserve(static_cast<std::size_t>(coarse.offsets.back()));
  for (const piece& p : pieces) {
    coarse.columns.insert(coarse.columns.end(), p.columns.begin(), p.columns.end());
    coarse.weights.insert(coarse.weights.end(), p.weights.begin(), p.weights.end());
  }
  return true;
}

inline void invert_diagonal(const tile_scheduler& policy, const raw_laplacian& l, std::vector<double>& inverse) {
  inverse.resize(static_cast<std::size_t>(l.n));
  over_tiles(policy, l.n, row_tile,
             [&](std::int64_t first, std::int64_t m) { invert_diagonal_rows(l, inverse.data(), first, m); });
}

inline void factor_coarsest(multigrid_state& state, const raw_laplacian& l) {
  laplacian_factor& f = state.coarsest;
  f.n = l.n;
  f.w.assign(static_cast<std::size_t>(l.n * l.n), 0.0);
  std::vector<double> shift(static_cast<std::size_t>(l.n), 0.0);
  for (std::int64_t i = 0; i < l.n; ++i) {
    if (l.shift) shift[static_cast<std::size_t>(i)] = l.shift[i];
    for (std::int64_t e = l.offsets[i]; e < l.offsets[i + 1]; ++e)
      if (l.columns[e] > i) f.w[static_cast<std::size_t>(i * l.n + l.columns[e])] += l.weights[e];
  }
  eliminate(f, shift);
}

/// Aggregates, coarse matrices and the coarsest factor for `finest`, whose inverse diagonal is in the first level
/// already.
inline void build(const tile_scheduler& policy, multigrid_state& state, const raw_laplacian& finest) {
  state.levels.resize(1);
  state.levels[0].n = finest.n;
  raw_laplacian l = finest;
  for (;;) {
    if (l.n <= dense_limit) break;
    multigrid_level& fine = state.levels.back();
    std::vector<double> heaviest(static_cast<std::size_t>(l.n));
    over_tiles(policy, l.n, row_tile, [&](std::int64_t first, std::int64_t m) {
      for (std::int64_t i = first; i < first + m; ++i) {
        double top = 0;
        for (std::int64_t e = l.offsets[i]; e < l.offsets[i + 1]; ++e) top = (std::max)(top, l.weights[e]);
        heaviest[static_cast<std::size_t>(i)] = top;
      }
    });
    const std::int64_t count = aggregate_vertices(l, heaviest, fine.aggregate);
    if (count == 0 || count > l.n * 9 / 10) {
      fine.aggregate.clear();
      break;
    }
    list_members(fine, count);
    state.levels.emplace_back().n = count;
    galerkin(policy, l, state.levels[state.levels.size() - 2], state.levels.back(), true);
    l = matrix_of(state.levels.back());
    invert_diagonal(policy, l, state.levels.back().inverse_diagonal);
  }
  if (l.n <= dense_limit) factor_coarsest(state, l);
}

/// New weights on the structure that `build` saw; the first level has its new inverse diagonal already. A graph that
/// turns out to have other edges is built anew.
inline void rebuild(const tile_scheduler& policy, multigrid_state& state, const raw_laplacian& finest) {
  raw_laplacian l = finest;
  for (std::size_t k = 0; k + 1 < state.levels.size(); ++k) {
    if (!galerkin(policy, l, state.levels[k], state.levels[k + 1], false)) return build(policy, state, finest);
    l = matrix_of(state.levels[k + 1]);
    invert_diagonal(policy, l, state.levels[k + 1].inverse_diagonal);
  }
  if (l.n <= dense_limit) factor_coarsest(state, l);
}

inline void solve_between(const tile_scheduler& policy, multigrid_state& state, std::size_t k);

/// z ≈ L⁻¹ r on level k: damped Jacobi, correction from the next level, damped Jacobi. Symmetric. z must not be r.
inline void cycle(const tile_scheduler& policy, multigrid_state& state, const raw_laplacian& l, std::size_t k,
                  const double* r, double* z) {
  multigrid_level& level = state.levels[k];
  if (k + 1 == state.levels.size() && l.n <= dense_limit) {
    solve(state.coarsest, r, z);
    return;
  }
  level.smoothed.resize(static_cast<std::size_t>(l.n));
  level.scratch.resize(static_cast<std::size_t>(l.n));
  double *const x = level.smoothed.data(), *const t = level.scratch.data();
  const double* const inverse = level.inverse_diagonal.data();
  over_tiles(policy, l.n, vector_tile, [&](std::int64_t first, std::int64_t m) {
    scale_tile(jacobi_damping, inverse + first, r + first, x + first, m);
  });
  if (k + 1 < state.levels.size()) {
    over_tiles(policy, l.n, row_tile, [&](std::int64_t first, std::int64_t m) { residual_rows(l, x, r, t, first, m); });
    multigrid_level& coarse = state.levels[k + 1];
    coarse.rhs.resize(static_cast<std::size_t>(coarse.n));
    coarse.solution.resize(static_cast<std::size_t>(coarse.n));
    over_tiles(policy, coarse.n, galerkin_tile(coarse.n), [&](std::int64_t first, std::int64_t m) {
      for (std::int64_t a = first; a < first + m; ++a) {
        double sum = 0;
        for (std::int64_t e = level.member_offsets[static_cast<std::size_t>(a)];
             e < level.member_offsets[static_cast<std::size_t>(a) + 1]; ++e)
          sum += t[level.members[static_cast<std::size_t>(e)]];
        coarse.rhs[static_cast<std::size_t>(a)] = sum;
      }
    });
    solve_between(policy, state, k + 1);
    over_tiles(policy, l.n, vector_tile, [&](std::int64_t first, std::int64_t m) {
      const double* const correction = coarse.solution.data();
      const std::int32_t* const of = level.aggregate.data();
      for (std::int64_t i = first; i < first + m; ++i)
        if (of[i] >= 0) x[i] += correction[of[i]];
    });
  }
  over_tiles(policy, l.n, row_tile,
             [&](std::int64_t first, std::int64_t m) { smooth_rows(l, jacobi_damping, inverse, x, r, z, first, m); });
}

/// Level k's solution from its right-hand side: two steps of conjugate gradients with the cycle as preconditioner, one
/// if that does, exact on the coarsest level. Keeps the rate of convergence from falling with the number of levels.
/// Source: Notay & Vassilevski 2008 (the K-cycle).
inline void solve_between(const tile_scheduler& policy, multigrid_state& state, std::size_t k) {
  multigrid_level& level = state.levels[k];
  const raw_laplacian l = matrix_of(level);
  double *const r = level.rhs.data(), *const x = level.solution.data();
  if (k + 1 == state.levels.size()) {
    cycle(policy, state, l, k, r, x);
    return;
  }
  for (auto* v : {&level.first, &level.first_image, &level.second, &level.second_image})
    v->resize(static_cast<std::size_t>(l.n));
  double *const c = level.first.data(), *const v = level.first_image.data(), *const d = level.second.data(),
                *const w = level.second_image.data();
  const auto sum = [&](auto&& f) { return sum_over_tiles(policy, l.n, vector_tile, state.partial, f); };
  cycle(policy, state, l, k, r, c);
  const double cv = multiply(policy, l, c, v, state.partial);
  const double before = sum([&](std::int64_t first, std::int64_t m) { return moments_tile(r + first, m); })[0];
  const double cr = sum([&](std::int64_t first, std::int64_t m) -> sums3 {
    return {dot_tile(c + first, r + first, m), 0, 0};
  })[0];
  if (!(cv > 0)) {
    std::fill(x, x + l.n, 0.0);
    return;
  }
  const double step = cr / cv;
  const double after = sum([&](std::int64_t first, std::int64_t m) -> sums3 {
    add_scaled_tile(-step, v + first, r + first, m);
    return moments_tile(r + first, m);
  })[0];
  double on_first = step, on_second = 0;
  if (after > 0.0625 * before) {
    cycle(policy, state, l, k, r, d);
    const double dw = multiply(policy, l, d, w, state.partial);
    const sums3 dots =
        sum([&](std::int64_t first, std::int64_t m) { return dots_tile(d + first, r + first, v + first, m); });
    const double rest = dw - dots[1] * dots[1] / cv;
    if (rest > 1e-14 * dw) {
      on_second = dots[0] / rest;
      on_first = step - dots[1] * on_second / cv;
    }
  }
  over_tiles(policy, l.n, vector_tile, [&](std::int64_t first, std::int64_t m) {
    if (on_second == 0) std::fill(d + first, d + first + m, 0.0);
    for (std::int64_t i = first; i < first + m; ++i) x[i] = on_first * c[i] + on_second * d[i];
  });
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::detail
