// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/certificate.hpp"
#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/policy.hpp"
#include "../core/lanes.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "preference_operator.hpp"

/// Minimax strategies of matrix games, by linear programming over any ordered field: exact in rationals, certified in double.
///
/// Source: von Neumann 1928; the simplex form without a first phase: Dantzig 1951; termination: Bland 1977.
namespace zermelo::inline v1::game {

/// Numbers that a linear programme can be solved in: double, long double, boost::multiprecision::cpp_rational, ….
template <class F>
concept ordered_field = std::constructible_from<F, int> && requires(F a, const F& b) {
  { a < b } -> std::convertible_to<bool>;
  a += b;
  a -= b;
  a *= b;
  a /= b;
  F(-a);
};

/// Strategies of both players, and what proves that they are optimal.
template <class F = double>
struct matrix_game_solution {
  F value = F(0);                       ///< what the row player gets
  std::vector<F> row_strategy = {};     ///< maximises the least of the columns
  std::vector<F> column_strategy = {};  ///< minimises the largest of the rows
  F gap = F(
      0);  ///< maxᵢ (M q)ᵢ − minⱼ (Mᵀ p)ⱼ of the strategies returned: zero at an equilibrium, exactly zero in rationals
  std::int64_t pivots = 0;
  /// `stalled` if rounding left a gap above 1e-9 of the range of payoffs.
  zermelo::status status = zermelo::status::converged;
};

/// A strategy that no other beats.
template <class F = double>
struct nash_solution {
  std::vector<F> policy = {};
  F exploitability = F(0);  ///< maxᵧ (P p)ᵧ − ½
  /// Whether no other policy is Nash: all items outside the support lose, and P is of full rank, less one, inside. Decided
  /// exactly in rationals, up to 1e-9 of the range in floating point.
  bool unique = false;
  std::int64_t pivots = 0;
  zermelo::status status = zermelo::status::converged;
};

namespace detail::inline ZERMELO_ISA {

template <class F>
inline constexpr bool rounds = std::is_floating_point_v<F>;

template <class F>
F magnitude(const F& x) {
  return x < F(0) ? F(-x) : x;
}

/// to ← to − factor·from
template <class F>
ZERMELO_INLINE void subtract_multiple(F* to, const F* from, const F& factor, std::int64_t n) {
  std::int64_t j = 0;
  if constexpr (std::is_same_v<F, double>) {
    using V = value_of<simd, double>;
    const V times = V(-factor);
    for (; j + lanes<V> <= n; j += lanes<V>) store(to + j, multiply_add(times, load<V>(from + j), load<V>(to + j)));
  }
  for (; j < n; ++j) to[j] -= factor * from[j];
}

/// maximise Σy subject to B y ≤ 1, y ≥ 0, for a matrix B > 0: a tableau of basic rows and nonbasic columns, from the slacks.
/// Variables are y first, then the slacks; the smallest index enters, and the smallest leaves a tie.
template <class F>
struct condensed_tableau {
  std::int64_t rows, columns;
  std::vector<F>
      entries;  ///< (rows + 1) × (columns + 1): the last row is the objective, the last column the basic values
  std::vector<std::int64_t> basic, nonbasic;
  F tolerance;

  ZERMELO_INLINE F* row(std::int64_t i) { return entries.data() + i * (columns + 1); }

  /// The nonbasic column that enters, or −1.
  std::int64_t entering() {
    const F* objective = row(rows);
    std::int64_t best = -1;
    for (std::int64_t j = 0; j < columns; ++j)
      if (objective[j] < F(-tolerance) &&
          (best < 0 || nonbasic[static_cast<std::size_t>(j)] < nonbasic[static_cast<std::size_t>(best)]))
        best = j;
    return best;
  }

  /// The basic row that leaves for column c, or −1 where rounding has left none.
  std::int64_t leaving(std::int64_t c) {
    std::int64_t best = -1;
    F least = F(0);
    for (std::int64_t i = 0; i < rows; ++i) {
      const F* r = row(i);
      if (!(tolerance < r[c])) continue;
      const F ratio = r[columns] / r[c];
      if (best < 0 || ratio < least ||
          (!(least < ratio) && basic[static_cast<std::size_t>(i)] < basic[static_cast<std::size_t>(best)])) {
        best = i;
        least = ratio;
      }
    }
    return best;
  }

  void pivot(std::int64_t r, std::int64_t c) {
    F* from = row(r);
    const F inverse = F(1) / from[c];
    for (std::int64_t j = 0; j <= columns; ++j)
      if (j != c) from[j] *= inverse;
    from[c] = inverse;
    for (std::int64_t i = 0; i <= rows; ++i) {
      if (i == r) continue;
      F* to = row(i);
      const F factor = to[c];
      if (factor == F(0)) continue;
      to[c] = F(0);
      subtract_multiple(to, from, factor, columns + 1);
    }
    std::swap(basic[static_cast<std::size_t>(r)], nonbasic[static_cast<std::size_t>(c)]);
  }
};

/// How much the payoffs are multiplied by, a power of two, so that differences of payoffs and the shift to positive ones
/// are of a size; one in exact arithmetic.
template <class F>
F payoff_scale(const F& range) {
  F scale = F(1);
  if constexpr (rounds<F>) {
    if (range > F(0)) {
      while (scale * range < F(0.0625)) scale *= F(2);
      while (scale * range > F(16)) scale /= F(2);
    }
  }
  return scale;
}

/// Payoffs of all rows against a column strategy, and of all columns against a row strategy: the gap.
template <class F>
F gap_of(const F* m, std::int64_t rows, std::int64_t columns, const std::vector<F>& p, const std::vector<F>& q) {
  F most = F(0), least = F(0);
  for (std::int64_t i = 0; i < rows; ++i) {
    F sum = F(0);
    for (std::int64_t j = 0; j < columns; ++j) sum += m[i * columns + j] * q[static_cast<std::size_t>(j)];
    if (i == 0 || most < sum) most = sum;
  }
  std::vector<F> sums(static_cast<std::size_t>(columns), F(0));
  for (std::int64_t i = 0; i < rows; ++i) {
    const F& weight = p[static_cast<std::size_t>(i)];
    if (weight == F(0)) continue;
    for (std::int64_t j = 0; j < columns; ++j) sums[static_cast<std::size_t>(j)] += weight * m[i * columns + j];
  }
  for (std::int64_t j = 0; j < columns; ++j)
    if (j == 0 || sums[static_cast<std::size_t>(j)] < least) least = sums[static_cast<std::size_t>(j)];
  return F(most - least);
}

/// Clears what rounding left below zero, and scales to 1.
template <class F>
void tidy(std::vector<F>& p) {
  F sum = F(0);
  for (F& x : p) {
    if (x < F(0)) x = F(0);
    sum += x;
  }
  for (F& x : p) x /= sum;
}

/// a x = b for a dense k×k system, by elimination with row exchanges. False if it is singular.
template <class F>
bool eliminate(std::vector<F>& a, std::vector<F>& b, std::int64_t k) {
  const auto at = [&](std::int64_t i, std::int64_t j) -> F& { return a[static_cast<std::size_t>(i * k + j)]; };
  for (std::int64_t c = 0; c < k; ++c) {
    std::int64_t best = c;
    for (std::int64_t i = c + 1; i < k; ++i)
      if (magnitude(at(best, c)) < magnitude(at(i, c))) best = i;
    if (at(best, c) == F(0)) return false;
    if (best != c) {
      for (std::int64_t j = c; j < k; ++j) std::swap(at(best, j), at(c, j));
      std::swap(b[static_cast<std::size_t>(best)], b[static_cast<std::size_t>(c)]);
    }
    for (std::int64_t i = c + 1; i < k; ++i) {
      const F factor = at(i, c) / at(c, c);
      if (factor == F(0)) continue;
      for (std::int64_t j = c + 1; j < k; ++j) at(i, j) -= factor * at(c, j);
      b[static_cast<std::size_t>(i)] -= factor * b[static_cast<std::size_t>(c)];
    }
  }
  for (std::int64_t i = k; i-- > 0;) {
    for (std::int64_t j = i + 1; j < k; ++j)
      b[static_cast<std::size_t>(i)] -= at(i, j) * b[static_cast<std::size_t>(j)];
    b[static_cast<std::size_t>(i)] /= at(i, i);
  }
  return true;
}

template <class F>
matrix_game_solution<F> simplex(const F* m, std::int64_t rows, std::int64_t columns) {
  F low = m[0], high = m[0];
  for (std::int64_t k = 1; k < rows * columns; ++k) {
    if (m[k] < low) low = m[k];
    if (high < m[k]) high = m[k];
  }
  const F range = high - low, scale = payoff_scale(range);
  condensed_tableau<F> t{
      .rows = rows, .columns = columns, .entries = {}, .basic = {}, .nonbasic = {}, .tolerance = F(0)};
  if constexpr (rounds<F>)
    t.tolerance = (range * scale + F(1)) * F(4500) * std::numeric_limits<F>::epsilon();  // 1e-12 for double
  t.entries.assign(static_cast<std::size_t>((rows + 1) * (columns + 1)), F(1));
  for (std::int64_t i = 0; i < rows; ++i) {
    F* to = t.row(i);
    for (std::int64_t j = 0; j < columns; ++j) to[j] = (m[i * columns + j] - low) * scale + F(1);
    t.basic.push_back(columns + i);
  }
  for (std::int64_t j = 0; j < columns; ++j) {
    t.row(rows)[j] = F(-1);
    t.nonbasic.push_back(j);
  }
  t.row(rows)[columns] = F(0);

  matrix_game_solution<F> s;
  const std::int64_t limit = rounds<F> ? 200 * (rows + columns + 10) : (std::numeric_limits<std::int64_t>::max)();
  bool finished = false;
  while (s.pivots < limit) {
    const std::int64_t c = t.entering();
    if (c < 0) {
      finished = true;
      break;
    }
    const std::int64_t r = t.leaving(c);
    if (r < 0) break;
    t.pivot(r, c);
    ++s.pivots;
  }
  const F z = t.row(rows)[columns];
  s.row_strategy.assign(static_cast<std::size_t>(rows), F(0));
  s.column_strategy.assign(static_cast<std::size_t>(columns), F(0));
  for (std::int64_t i = 0; i < rows; ++i)
    if (const std::int64_t v = t.basic[static_cast<std::size_t>(i)]; v < columns)
      s.column_strategy[static_cast<std::size_t>(v)] = t.row(i)[columns];
  for (std::int64_t j = 0; j < columns; ++j)
    if (const std::int64_t v = t.nonbasic[static_cast<std::size_t>(j)]; v >= columns)
      s.row_strategy[static_cast<std::size_t>(v - columns)] = t.row(rows)[j];
  if (!finished && !(F(0) < z)) {  // nothing to normalise
    s.row_strategy.assign(static_cast<std::size_t>(rows), F(1));
    s.column_strategy.assign(static_cast<std::size_t>(columns), F(1));
  }
  tidy(s.row_strategy);
  tidy(s.column_strategy);
  s.value = (F(1) / z - F(1)) / scale + low;
  s.gap = gap_of(m, rows, columns, s.row_strategy, s.column_strategy);
  return s;
}

/// The indices of what is positive.
template <class F>
std::vector<std::int64_t> support_of(const std::vector<F>& p) {
  std::vector<std::int64_t> s;
  for (std::size_t i = 0; i < p.size(); ++i)
    if (F(1e-9) < p[i]) s.push_back(static_cast<std::int64_t>(i));
  return s;
}

/// The rank of a k×k matrix, by elimination with full exchanges; pivots up to `zero` count as none.
template <class F>
std::int64_t rank_of(std::vector<F> a, std::int64_t k, const F& zero) {
  const auto at = [&](std::int64_t i, std::int64_t j) -> F& { return a[static_cast<std::size_t>(i * k + j)]; };
  for (std::int64_t c = 0; c < k; ++c) {
    std::int64_t row = c, column = c;
    for (std::int64_t i = c; i < k; ++i)
      for (std::int64_t j = c; j < k; ++j)
        if (magnitude(at(row, column)) < magnitude(at(i, j))) row = i, column = j;
    if (!(zero < magnitude(at(row, column)))) return c;
    for (std::int64_t j = 0; j < k; ++j) std::swap(at(row, j), at(c, j));
    for (std::int64_t i = 0; i < k; ++i) std::swap(at(i, column), at(i, c));
    for (std::int64_t i = c + 1; i < k; ++i) {
      const F factor = at(i, c) / at(c, c);
      for (std::int64_t j = c; j < k; ++j) at(i, j) -= factor * at(c, j);
    }
  }
  return k;
}

/// Whether p is the only Nash policy of the skew game: strict complementarity, and one null vector on the support.
template <class F>
bool is_only_nash(const std::vector<F>& skew, const std::vector<F>& p) {
  const auto n = static_cast<std::int64_t>(p.size());
  F zero = F(0);
  if constexpr (rounds<F>)
    for (const F& x : skew) zero = (std::max)(zero, F(1e-9) * magnitude(x));
  std::vector<std::int64_t> support;
  for (std::int64_t i = 0; i < n; ++i) {
    const F& own = p[static_cast<std::size_t>(i)];
    if (rounds<F> ? F(1e-9) < own : F(0) < own) {
      support.push_back(i);
      continue;
    }
    F sum = F(0);
    for (std::int64_t j = 0; j < n; ++j)
      sum += skew[static_cast<std::size_t>(i * n + j)] * p[static_cast<std::size_t>(j)];
    if (!(sum < F(-zero))) return false;
  }
  const auto k = static_cast<std::int64_t>(support.size());
  std::vector<F> inside;
  for (const std::int64_t i : support)
    for (const std::int64_t j : support) inside.push_back(skew[static_cast<std::size_t>(i * n + j)]);
  return rank_of(std::move(inside), k, zero) == k - 1;
}

/// The strategies on the supports found, as the solution of linear systems in long double, where these have one that is
/// positive and no worse:  Σⱼ M[i, j] qⱼ = v for i in the rows' support, Σq = 1, and likewise for p.
inline void polish(const double* m, std::int64_t rows, std::int64_t columns, matrix_game_solution<double>& s) {
  const auto on_rows = support_of(s.row_strategy), on_columns = support_of(s.column_strategy);
  const auto k = static_cast<std::int64_t>(on_rows.size());
  if (k != static_cast<std::int64_t>(on_columns.size()) || k == 0) return;
  const auto indifferent = [&](bool of_columns, long double& value) {
    std::vector<long double> a(static_cast<std::size_t>((k + 1) * (k + 1)), 1.0L),
        b(static_cast<std::size_t>(k + 1), 0.0L);
    for (std::int64_t i = 0; i < k; ++i)
      for (std::int64_t j = 0; j < k; ++j) {
        const std::int64_t row = on_rows[static_cast<std::size_t>(of_columns ? i : j)];
        const std::int64_t column = on_columns[static_cast<std::size_t>(of_columns ? j : i)];
        a[static_cast<std::size_t>(i * (k + 1) + j)] = static_cast<long double>(m[row * columns + column]);
      }
    for (std::int64_t i = 0; i < k; ++i) a[static_cast<std::size_t>(i * (k + 1) + k)] = -1;
    a.back() = 0;
    b.back() = 1;
    if (!eliminate(a, b, k + 1)) return std::vector<long double>{};
    value = b.back();
    b.pop_back();
    return b;
  };
  long double value = 0, same = 0;
  const auto q = indifferent(true, value), p = indifferent(false, same);
  if (q.empty() || p.empty()) return;
  matrix_game_solution<double> better = s;
  better.value = static_cast<double>(value);
  better.row_strategy.assign(static_cast<std::size_t>(rows), 0.0);
  better.column_strategy.assign(static_cast<std::size_t>(columns), 0.0);
  for (std::int64_t i = 0; i < k; ++i) {
    const auto e = static_cast<std::size_t>(i);
    if (!(p[e] > 0 && q[e] > 0)) return;
    better.row_strategy[static_cast<std::size_t>(on_rows[e])] = static_cast<double>(p[e]);
    better.column_strategy[static_cast<std::size_t>(on_columns[e])] = static_cast<double>(q[e]);
  }
  better.gap = gap_of(m, rows, columns, better.row_strategy, better.column_strategy);
  if (magnitude(better.gap) <= magnitude(s.gap)) s = std::move(better);
}

template <class F>
matrix_game_solution<F> solve_entries(const F* m, std::int64_t rows, std::int64_t columns) {
  if constexpr (std::is_same_v<F, double>) {
    double size = 0, low = m[0], high = m[0];
    for (std::int64_t k = 0; k < rows * columns; ++k) {
      size = (std::max)(size, magnitude(m[k]));
      low = (std::min)(low, m[k]), high = (std::max)(high, m[k]);
    }
    // What a sum of products rounds to, at least.
    const double fine = (std::max)(1e-9 * (high - low), 1e-15 * size * static_cast<double>(rows + columns));
    auto s = simplex(m, rows, columns);
    polish(m, rows, columns, s);
    if (!(s.gap <= fine)) {  // rounding misled the pivots: once more, with eleven bits more
      const std::vector<long double> wide(m, m + rows * columns);
      const auto again = simplex(wide.data(), rows, columns);
      matrix_game_solution<double> t{.value = static_cast<double>(again.value), .pivots = s.pivots + again.pivots};
      for (const long double x : again.row_strategy) t.row_strategy.push_back(static_cast<double>(x));
      for (const long double x : again.column_strategy) t.column_strategy.push_back(static_cast<double>(x));
      t.gap = gap_of(m, rows, columns, t.row_strategy, t.column_strategy);
      polish(m, rows, columns, t);
      if (t.gap < s.gap) s = std::move(t);
    }
    s.status = s.gap <= fine ? status::converged : status::stalled;
    return s;
  } else {
    return simplex(m, rows, columns);
  }
}

template <class F, class View>
std::vector<F> entries_of(const char* name, const View& m, double less) {
  std::vector<F> out;
  out.reserve(static_cast<std::size_t>(m.size()));
  for (std::int64_t i = 0; i < m.shape[0]; ++i)
    for (std::int64_t j = 0; j < m.shape[1]; ++j) {
      const double x = static_cast<double>(m(i, j));
      if (!is_finite(x)) throw domain_error(name, i * m.shape[1] + j, "is not a finite number");
      out.push_back(F(x) - F(less));
    }
  return out;
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Minimax strategies of a matrix game, whose rows maximise:  maxₚ minⱼ (Mᵀ p)ⱼ = min_q maxᵢ (M q)ᵢ.
///
///   B = M − min M + 1 > 0,   maximise Σy subject to B y ≤ 1, y ≥ 0;   q = y/Σy, p = reduced costs of the slacks/Σy
///
/// matrix [m, n], finite, float or double. F is the field that is computed in: `solve_matrix_game<cpp_rational>(m)` is exact
/// for the numbers given. Bland's rule ends on degenerate games too. In double the strategies are polished on their supports
/// in long double, and the gap that is returned is computed from them afresh.
/// Errors: shape_error without rows or columns; domain_error with the position of what is not finite.
/// Cost: m·n a pivot, a few m + n pivots as a rule; (m + 1)(n + 1) numbers of memory. For hundreds of rows; for thousands
/// use `solve`.
template <ordered_field F = double, tensor M>
matrix_game_solution<F> solve_matrix_game(const M& matrix) {
  const auto m = view(matrix);
  static_assert(std::remove_const_t<decltype(m)>::rank == 2, "zermelo: a matrix has rank 2");
  if (m.size() == 0) throw shape_error("matrix", "no rows or no columns");
  const auto entries = detail::entries_of<F>("matrix", m, 0);
  return detail::solve_entries(entries.data(), m.shape[0], m.shape[1]);
}

/// The same of entries of the field, row after row: `solve_matrix_game<cpp_rational>(payoffs, 3, 4)`.
template <ordered_field F>
matrix_game_solution<F> solve_matrix_game(std::span<const F> entries, std::int64_t rows, std::int64_t columns) {
  if (rows <= 0 || columns <= 0) throw shape_error("matrix", "no rows or no columns");
  if (static_cast<std::int64_t>(entries.size()) != rows * columns)
    throw shape_error("matrix", std::to_string(entries.size()) + " entries, expected " + std::to_string(rows) + " × " +
                                    std::to_string(columns));
  if constexpr (std::is_floating_point_v<F>)
    for (std::size_t k = 0; k < entries.size(); ++k)
      if (!is_finite(static_cast<double>(entries[k])))
        throw domain_error("matrix", static_cast<std::int64_t>(k), "is not a finite number");
  return detail::solve_entries(entries.data(), rows, columns);
}

/// An exact Nash policy of a symmetric game: no policy beats it (the von Neumann or minimax winner; of majority margins, a
/// maximal lottery). It is the Condorcet winner where there is one. Where several are Nash, one of them; see
/// max_entropy_nash for the one that treats equals equally.
///
/// game  any preference_operator: its n² entries are asked for
/// Cost: the linear programme of an n×n matrix.   Source: Kreweras 1965; Fishburn 1984; Dudík et al. 2015.
template <ordered_field F = double, preference_operator O>
nash_solution<F> nash_policy(const O& game) {
  const std::int64_t n = game.items();
  if (n == 0) throw shape_error("game", "no items");
  std::vector<F> entries;
  entries.reserve(static_cast<std::size_t>(n * n));
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      // Exactly skew, whatever rounding left of P + Pᵀ = 1.
      const F low = F(game.probability((std::min)(i, j), (std::max)(i, j))) - F(tie_of(game));
      entries.push_back(i == j ? F(0) : i < j ? low : F(-low));
    }
  auto s = detail::solve_entries(entries.data(), n, n);
  nash_solution<F> result{.policy = std::move(s.row_strategy), .pivots = s.pivots, .status = s.status};
  for (std::int64_t i = 0; i < n; ++i) {
    F sum = F(0);
    for (std::int64_t j = 0; j < n; ++j)
      sum += entries[static_cast<std::size_t>(i * n + j)] * result.policy[static_cast<std::size_t>(j)];
    if (i == 0 || result.exploitability < sum) result.exploitability = sum;
  }
  result.unique = detail::is_only_nash(entries, result.policy);
  return result;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
