// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/value.hpp"
#include "matrix_game.hpp"

/// Linear programmes of mechanism design and of games in sequence form, in any ordered field: a dense simplex method.
namespace zermelo::inline v1::game {

enum class relation : std::uint8_t { at_most, equal, at_least };

/// maximise  cᵀx  subject to rows  aᵢᵀx ≤, =, ≥ bᵢ,  and xⱼ ≥ 0 unless it is free.
///
///     linear_program<> p(2);
///     p.objective = {3, 2};
///     const auto r = p.add_row(relation::at_most, 4);
///     p(r, 0) = p(r, 1) = 1;
template <ordered_field F = double>
struct linear_program {
  std::int64_t variables = 0;
  std::vector<F> objective = {};         ///< [n] c
  std::vector<std::uint8_t> free = {};   ///< [n] whether a variable may be negative
  std::vector<F> coefficients = {};      ///< [m, n]
  std::vector<F> limits = {};            ///< [m] b
  std::vector<relation> relations = {};  ///< [m]

  ZERMELO_INLINE explicit linear_program(std::int64_t n) : variables(n) {
    if (n < 1) throw shape_error("variables", "at least one, not " + std::to_string(n));
    objective.assign(static_cast<std::size_t>(n), F(0));
    free.assign(static_cast<std::size_t>(n), 0);
  }
  ZERMELO_INLINE std::int64_t rows() const { return static_cast<std::int64_t>(limits.size()); }
  /// A row of zeros; returns its number.
  ZERMELO_INLINE std::int64_t add_row(relation r, F limit) {
    coefficients.resize(coefficients.size() + static_cast<std::size_t>(variables), F(0));
    limits.push_back(std::move(limit));
    relations.push_back(r);
    return rows() - 1;
  }
  ZERMELO_INLINE F& operator()(std::int64_t row, std::int64_t j) {
    return coefficients[static_cast<std::size_t>(row * variables + j)];
  }
  ZERMELO_INLINE const F& operator()(std::int64_t row, std::int64_t j) const {
    return coefficients[static_cast<std::size_t>(row * variables + j)];
  }
};

enum class program_outcome : std::uint8_t {
  optimal,
  infeasible,  ///< no x meets the rows
  unbounded,   ///< cᵀx has no maximum
  stalled      ///< rounding, or the limit of pivots, left a certificate that does not hold
};

/// An optimum, and what proves it.
template <class F = double>
struct program_solution {
  program_outcome outcome = program_outcome::stalled;
  F value = F(0);
  std::vector<F> x = {};            ///< [n]
  std::vector<F> multipliers = {};  ///< [m] what the value gains by a unit more of bᵢ; ≥ 0 for ≤, ≤ 0 for ≥
  F primal_error = F(0);            ///< how far x violates a row or a sign at most
  F dual_error = F(0);  ///< how far (multipliersᵀA)ⱼ falls short of cⱼ, or, free, differs from it, at most
  F gap = F(0);         ///< |bᵀ multipliers − cᵀx|
  std::int64_t pivots = 0;
};

namespace detail::inline ZERMELO_ISA {

/// A condensed tableau with a largest-coefficient rule that falls back to Bland's while nothing is gained.
template <class F>
struct program_tableau {
  condensed_tableau<F> t;
  std::vector<std::uint8_t> banned;  // columns that may not enter
  std::int64_t constraints;          // rows that may leave
  F smallest_pivot = F(0), slack = F(0);
  std::int64_t pivots = 0, idle = 0;

  std::int64_t entering(std::int64_t objective) {
    const F* row = t.row(objective);
    const bool cautious = idle > 40;
    std::int64_t best = -1;
    for (std::int64_t j = 0; j < t.columns; ++j) {
      const auto e = static_cast<std::size_t>(j);
      if (banned[e] || !(row[j] < F(-t.tolerance))) continue;
      if (best < 0 || (cautious ? t.nonbasic[e] < t.nonbasic[static_cast<std::size_t>(best)] : row[j] < row[best]))
        best = j;
    }
    return best;
  }

  /// Harris's two passes: how far the column may go if basic values may fall below zero by what rounding makes of zero, and
  /// of the rows that stop it by then the one with the largest pivot. Exact fields know ties alone.
  std::int64_t leaving(std::int64_t c) {
    const bool cautious = idle > 40;
    F farthest = F(0), largest = F(0);
    bool bounded = false;
    for (std::int64_t i = 0; i < constraints; ++i) {
      const F* r = t.row(i);
      if (!(smallest_pivot < r[c])) continue;
      F ratio = ((r[t.columns] < F(0) ? F(0) : r[t.columns]) + slack) / r[c];
      if (!bounded || ratio < farthest) farthest = std::move(ratio), bounded = true;
    }
    std::int64_t best = -1;
    for (std::int64_t i = 0; i < constraints; ++i) {
      const F* r = t.row(i);
      if (!(smallest_pivot < r[c]) || farthest * r[c] < r[t.columns]) continue;
      if (largest < r[c]) {
        largest = r[c];
        if (!cautious || best < 0) best = i;
      }
    }
    if (!cautious || best < 0) return best;
    const F enough = rounds<F> ? F(largest / F(16)) : F(0);  // Bland's rule, but for pivots that rounding would spoil
    best = -1;
    for (std::int64_t i = 0; i < constraints; ++i) {
      const F* r = t.row(i);
      if (!(smallest_pivot < r[c]) || r[c] < enough || farthest * r[c] < r[t.columns]) continue;
      if (best < 0 || t.basic[static_cast<std::size_t>(i)] < t.basic[static_cast<std::size_t>(best)]) best = i;
    }
    return best;
  }

  void pivot(std::int64_t r, std::int64_t c) {
    t.pivot(r, c);
    ++pivots;
  }

  /// Whether an optimum was reached; `unbounded` says why not.
  bool optimise(std::int64_t objective, std::int64_t limit, bool& unbounded) {
    idle = 0;
    while (pivots < limit) {
      const std::int64_t c = entering(objective);
      if (c < 0) return true;
      const std::int64_t r = leaving(c);
      if (r < 0) {
        unbounded = true;
        return false;
      }
      const bool gains = F(0) < t.row(r)[t.columns];
      pivot(r, c);
      idle = gains ? 0 : idle + 1;
    }
    return false;
  }
};

template <class F>
void certify(const linear_program<F>& p, program_solution<F>& s) {
  const auto worst = [](F& to, const F& x) {
    if (to < x) to = x;
  };
  F primal = F(0), dual = F(0);
  for (std::int64_t i = 0; i < p.rows(); ++i) {
    F sum = F(0);
    for (std::int64_t j = 0; j < p.variables; ++j) sum += p(i, j) * s.x[static_cast<std::size_t>(j)];
    const F excess = sum - p.limits[static_cast<std::size_t>(i)];
    const relation r = p.relations[static_cast<std::size_t>(i)];
    worst(s.primal_error, r == relation::at_most ? excess : r == relation::at_least ? F(-excess) : magnitude(excess));
    const F& y = s.multipliers[static_cast<std::size_t>(i)];
    if (r != relation::equal) worst(s.dual_error, r == relation::at_most ? F(-y) : y);
    dual += y * p.limits[static_cast<std::size_t>(i)];
  }
  for (std::int64_t j = 0; j < p.variables; ++j) {
    const auto e = static_cast<std::size_t>(j);
    F price = F(-p.objective[e]);
    for (std::int64_t i = 0; i < p.rows(); ++i) price += s.multipliers[static_cast<std::size_t>(i)] * p(i, j);
    worst(s.dual_error, p.free[e] ? magnitude(price) : F(-price));
    if (!p.free[e]) worst(s.primal_error, F(-s.x[e]));
    primal += p.objective[e] * s.x[e];
  }
  s.value = primal;
  s.gap = magnitude(F(dual - primal));
}

/// The simplex method on a programme whose numbers are of the order of one, or exact.
template <class F>
program_solution<F> pivot_to_optimum(const linear_program<F>& program) {
  const std::int64_t n = program.variables, m = program.rows();
  program_solution<F> s;

  // Rows a x ≤ b alone, columns x ≥ 0 alone.
  struct signed_index {
    std::int64_t index;
    bool negative;
  };
  std::vector<signed_index> rows, columns;
  for (std::int64_t i = 0; i < m; ++i) {
    const relation r = program.relations[static_cast<std::size_t>(i)];
    if (r != relation::at_least) rows.push_back({i, false});
    if (r != relation::at_most) rows.push_back({i, true});
  }
  for (std::int64_t j = 0; j < n; ++j) {
    columns.push_back({j, false});
    if (program.free[static_cast<std::size_t>(j)]) columns.push_back({j, true});
  }
  const auto height = static_cast<std::int64_t>(rows.size()), width = static_cast<std::int64_t>(columns.size());
  const auto with_sign = [](const F& x, bool negative) { return negative ? F(-x) : x; };
  bool feasible = true;
  for (const signed_index r : rows)
    feasible = feasible && !(with_sign(program.limits[static_cast<std::size_t>(r.index)], r.negative) < F(0));

  // Variables: x, then slacks, then the one of the first phase, which every row may lean on. The objective is a row that
  // never leaves; below it stands that of the first phase.
  const std::int64_t all = width + (feasible ? 0 : 1), objective = height;
  program_tableau<F> p{.t = {.rows = height + (feasible ? 0 : 1),
                             .columns = all,
                             .entries = {},
                             .basic = {},
                             .nonbasic = {},
                             .tolerance = F(0)},
                       .banned = std::vector<std::uint8_t>(static_cast<std::size_t>(all), 0),
                       .constraints = height};
  if constexpr (rounds<F>) {
    p.t.tolerance = F(4500) * std::numeric_limits<F>::epsilon();  // 1e-12 in double
    p.smallest_pivot = 1000 * p.t.tolerance;
    p.slack = p.t.tolerance;
  }
  p.t.entries.assign(static_cast<std::size_t>((p.t.rows + 1) * (all + 1)), F(0));
  for (std::int64_t i = 0; i < height; ++i) {
    const signed_index r = rows[static_cast<std::size_t>(i)];
    F* const to = p.t.row(i);
    for (std::int64_t j = 0; j < width; ++j) {
      const signed_index c = columns[static_cast<std::size_t>(j)];
      to[j] = with_sign(program(r.index, c.index), r.negative != c.negative);
    }
    if (!feasible) to[width] = F(-1);
    to[all] = with_sign(program.limits[static_cast<std::size_t>(r.index)], r.negative);
    p.t.basic.push_back(width + i);
  }
  for (std::int64_t j = 0; j < width; ++j) {
    const signed_index c = columns[static_cast<std::size_t>(j)];
    p.t.row(objective)[j] = with_sign(program.objective[static_cast<std::size_t>(c.index)], !c.negative);
    p.t.nonbasic.push_back(j);
  }
  const std::int64_t limit = rounds<F> ? 50 * (height + width + 20) : (std::numeric_limits<std::int64_t>::max)();
  bool unbounded = false;
  s.x.assign(static_cast<std::size_t>(n), F(0));
  s.multipliers.assign(static_cast<std::size_t>(m), F(0));
  if (!feasible) {
    const std::int64_t helper = width + height, below = height + 1;
    p.t.basic.push_back(helper + 1);  // of the objective's row: never looked at
    p.t.nonbasic.push_back(helper);
    p.t.row(below)[width] = F(1);  // maximise −helper
    std::int64_t worst = 0;
    for (std::int64_t i = 1; i < height; ++i)
      if (p.t.row(i)[all] < p.t.row(worst)[all]) worst = i;
    p.pivot(worst, width);
    p.optimise(below, limit, unbounded);
    unbounded = false;
    const F lack = F(-p.t.row(below)[all]);
    F allowed = F(0);
    if constexpr (rounds<F>) allowed = F(1e-9);
    s.pivots = p.pivots;
    if (allowed < lack) {
      s.outcome = program_outcome::infeasible;
      return s;
    }
    for (std::int64_t i = 0; i < height; ++i) {  // the helper is zero: out of the basis with it
      if (p.t.basic[static_cast<std::size_t>(i)] != helper) continue;
      std::int64_t best = 0;
      for (std::int64_t j = 1; j < all; ++j)
        if (magnitude(p.t.row(i)[best]) < magnitude(p.t.row(i)[j])) best = j;
      if (p.t.tolerance < magnitude(p.t.row(i)[best])) p.pivot(i, best);  // else the row says 0 = 0
    }
    for (std::int64_t j = 0; j < all; ++j)
      p.banned[static_cast<std::size_t>(j)] = p.t.nonbasic[static_cast<std::size_t>(j)] == helper;
    p.t.rows = height;  // the objective's row is the last
    p.t.basic.pop_back();
  }
  const bool finished = p.optimise(objective, limit, unbounded);
  s.pivots = p.pivots;
  if (unbounded) {
    s.outcome = program_outcome::unbounded;
    return s;
  }
  for (std::int64_t i = 0; i < height; ++i) {
    const std::int64_t v = p.t.basic[static_cast<std::size_t>(i)];
    if (v >= width) continue;
    const signed_index c = columns[static_cast<std::size_t>(v)];
    s.x[static_cast<std::size_t>(c.index)] += with_sign(p.t.row(i)[all], c.negative);
  }
  for (std::int64_t j = 0; j < all; ++j) {
    const std::int64_t v = p.t.nonbasic[static_cast<std::size_t>(j)] - width;
    if (v < 0 || v >= height) continue;
    const signed_index r = rows[static_cast<std::size_t>(v)];
    s.multipliers[static_cast<std::size_t>(r.index)] += with_sign(p.t.row(objective)[j], r.negative);
  }
  certify(program, s);
  F fine = F(0);
  if constexpr (rounds<F>) {
    fine = F(1);
    for (const F& x : s.x)
      if (fine < magnitude(x)) fine = magnitude(x);
    for (const F& y : s.multipliers)
      if (fine < magnitude(y)) fine = magnitude(y);
    fine *= std::is_same_v<F, double> ? F(1e-10) : F(1e-8);  // doubles have a second try
  }
  const bool holds = !(fine < s.primal_error) && !(fine < s.dual_error) && !(fine < s.gap);
  s.outcome = finished && holds ? program_outcome::optimal : program_outcome::stalled;
  return s;
}

/// The power of two by which the largest of some numbers becomes one to two; 1 of zeros.
template <class F>
F towards_one(const F& largest) {
  if constexpr (std::is_floating_point_v<F>)
    return largest > 0 ? std::ldexp(F(1), -std::ilogb(largest)) : F(1);
  else
    return F(1);
}

/// The same in floating point, of a programme whose rows, columns, limits and objective are brought to a size first, exactly:
/// rᵢ aᵢⱼ cⱼ, rᵢ bᵢ/β, o cⱼ;  x = β c x′, multipliers y = r y′/o.
template <class F>
program_solution<F> simplex_of(const linear_program<F>& program) {
  if constexpr (!std::is_floating_point_v<F>) {
    return pivot_to_optimum(program);
  } else {
    const auto look = [](const std::vector<F>& v, const char* name) {
      F largest = F(0);
      for (std::size_t k = 0; k < v.size(); ++k) {
        if (!is_finite(static_cast<double>(v[k])))
          throw domain_error(name, static_cast<std::int64_t>(k), "is not a finite number");
        largest = (std::max)(largest, magnitude(v[k]));
      }
      return largest;
    };
    look(program.coefficients, "coefficients");
    look(program.limits, "limits");
    look(program.objective, "objective");
    linear_program<F> p = program;
    const std::int64_t n = p.variables, m = p.rows();
    std::vector<F> r(static_cast<std::size_t>(m), F(1)), c(static_cast<std::size_t>(n), F(1));
    for (std::int64_t i = 0; i < m; ++i) {
      F largest = F(0);
      for (std::int64_t j = 0; j < n; ++j) largest = (std::max)(largest, magnitude(p(i, j)));
      F& scale = r[static_cast<std::size_t>(i)];
      scale = towards_one(largest);
      for (std::int64_t j = 0; j < n; ++j) p(i, j) *= scale;
      p.limits[static_cast<std::size_t>(i)] *= scale;
    }
    for (std::int64_t j = 0; j < n; ++j) {
      F largest = F(0);
      for (std::int64_t i = 0; i < m; ++i) largest = (std::max)(largest, magnitude(p(i, j)));
      F& scale = c[static_cast<std::size_t>(j)];
      scale = towards_one(largest);
      for (std::int64_t i = 0; i < m; ++i) p(i, j) *= scale;
      p.objective[static_cast<std::size_t>(j)] *= scale;
    }
    const F shrink = towards_one(look(p.limits, "limits")), o = towards_one(look(p.objective, "objective"));
    for (F& b : p.limits) b *= shrink;
    for (F& x : p.objective) x *= o;
    program_solution<F> s = pivot_to_optimum(p);
    for (std::int64_t j = 0; j < n; ++j) s.x[static_cast<std::size_t>(j)] *= c[static_cast<std::size_t>(j)] / shrink;
    for (std::int64_t i = 0; i < m; ++i)
      s.multipliers[static_cast<std::size_t>(i)] *= r[static_cast<std::size_t>(i)] / o;
    s.primal_error = s.dual_error = F(0);
    if (s.outcome == program_outcome::optimal || s.outcome == program_outcome::stalled) certify(program, s);
    return s;
  }
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Solves a linear programme by the simplex method, in two phases where zero is not feasible.
///
/// The largest coefficient enters; while pivots gain nothing, Bland's rule takes over, so that degenerate programmes end. In
/// floating point rows and columns are scaled by powers of two, the certificate is computed from the programme itself, and an
/// optimum whose errors exceed 1e-8 at that scale is `stalled`. Doubles are tried again with eleven bits more where errors exceed
/// 1e-10. In exact arithmetic all three errors are zero.
/// Errors: domain_error for a number that is not finite.
/// Cost: m·n a pivot, m + n of them as a rule; equalities count twice as rows, free variables as columns.
template <ordered_field F>
program_solution<F> solve_linear_program(const linear_program<F>& program) {
  program_solution<F> s = detail::simplex_of(program);
  if constexpr (std::is_same_v<F, double>) {
    if (s.outcome != program_outcome::stalled) return s;
    const auto widened = [](const std::vector<double>& v) { return std::vector<long double>(v.begin(), v.end()); };
    linear_program<long double> wide(program.variables);
    wide.objective = widened(program.objective);
    wide.coefficients = widened(program.coefficients);
    wide.limits = widened(program.limits);
    wide.relations = program.relations;
    wide.free = program.free;
    const auto w = detail::simplex_of(wide);
    program_solution<double> again{.outcome = w.outcome, .x = {}, .multipliers = {}, .pivots = s.pivots + w.pivots};
    for (const long double x : w.x) again.x.push_back(static_cast<double>(x));
    for (const long double y : w.multipliers) again.multipliers.push_back(static_cast<double>(y));
    if (w.outcome == program_outcome::optimal || w.outcome == program_outcome::stalled) detail::certify(program, again);
    return again;
  }
  return s;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
