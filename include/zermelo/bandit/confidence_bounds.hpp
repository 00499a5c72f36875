// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/primitives/arguments.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "duels.hpp"

/// Confidence bounds of the chance that i beats j, and the bookkeeping by which arms are compared with ½ in O(n) a duel.
namespace zermelo::inline v1::bandit {

/// After t − 1 duels, with W wins and N = W + Wᵀ:
///
///   Uᵢⱼ = Wᵢⱼ/Nᵢⱼ + √(α ln t / Nᵢⱼ),   Lᵢⱼ = Wᵢⱼ/Nᵢⱼ − √(α ln t / Nᵢⱼ),   Uᵢᵢ = Lᵢᵢ = ½
///
/// neither clipped to [0, 1]; of arms that never met U = 2 and L = 0.
struct confidence_bounds {
  double alpha = 0.51;  ///< width of the bounds, > ½

  ZERMELO_INLINE double scale(std::int64_t t) const { return std::sqrt(alpha * log(static_cast<double>(t))); }
  ZERMELO_INLINE double upper(const duel_tally& tally, double scale, std::int64_t i, std::int64_t j) const {
    const double n = tally.duels(i, j);
    return i == j ? 0.5 : n == 0 ? 2.0 : tally.won(i, j) / n + scale / std::sqrt(n);
  }
  ZERMELO_INLINE double lower(const duel_tally& tally, double scale, std::int64_t i, std::int64_t j) const {
    const double n = tally.duels(i, j);
    return i == j ? 0.5 : n == 0 ? 0.0 : tally.won(i, j) / n - scale / std::sqrt(n);
  }
  ZERMELO_INLINE void require_valid() const {
    if (!is_finite(alpha) || alpha <= 0.5)
      throw domain_error("alpha", domain_error::whole,
                         "must be finite and above 1/2, got " + zermelo::detail::text(alpha));
  }
};

/// For every pair the value of s = √(α ln t) from which on Uᵢⱼ ≥ ½:  zᵢⱼ = (½ − μ̂ᵢⱼ) √Nᵢⱼ, −∞ if they never met.
///
/// A duel changes two entries, the clock none: what is asked of a row is kept per row, so that no decision costs O(n²).
struct crossing_rows {
  std::int64_t items = 0;
  std::vector<double> crossing;      ///< [n, n]; the diagonal is never read
  std::vector<double> hardest;       ///< maxⱼ zᵢⱼ, j ≠ i: from there on i may beat everyone
  std::vector<double> next;          ///< the smallest zᵢⱼ that s had not passed when the row was counted
  std::vector<std::int64_t> passed;  ///< how many zᵢⱼ < s then: arms that i may beat
};

namespace detail::inline ZERMELO_ISA {

inline double crossing_of(const duel_tally& tally, std::int64_t i, std::int64_t j) {
  const double n = tally.duels(i, j);
  return n == 0 ? -std::numeric_limits<double>::infinity() : (0.5 - tally.won(i, j) / n) * std::sqrt(n);
}

inline void find_hardest(crossing_rows& rows, std::int64_t i) {
  const double* z = rows.crossing.data() + i * rows.items;
  double largest = -std::numeric_limits<double>::infinity();
  for (std::int64_t j = 0; j < rows.items; ++j)
    if (j != i && z[j] > largest) largest = z[j];
  rows.hardest[at(i)] = largest;
}

inline void count_passed(crossing_rows& rows, std::int64_t i, double s) {
  const double* z = rows.crossing.data() + i * rows.items;
  double next = std::numeric_limits<double>::infinity();
  std::int64_t passed = 0;
  for (std::int64_t j = 0; j < rows.items; ++j) {
    if (j == i) continue;
    passed += z[j] < s ? 1 : 0;
    if (z[j] >= s && z[j] < next) next = z[j];
  }
  rows.passed[at(i)] = passed;
  rows.next[at(i)] = next;
}

inline crossing_rows crossings_of(const duel_tally& tally) {
  const std::int64_t n = tally.items;
  crossing_rows rows{.items = n,
                     .crossing = std::vector<double>(at(n * n), 0.0),
                     .hardest = std::vector<double>(at(n), 0.0),
                     .next = std::vector<double>(at(n), -1.0),
                     .passed = std::vector<std::int64_t>(at(n), 0)};
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j)
      if (i != j) rows.crossing[at(i * n + j)] = crossing_of(tally, i, j);
    find_hardest(rows, i);
  }
  return rows;
}

/// After a duel of i and j. A row whose `next` lies below every s is counted again when it is next asked.
inline void update_crossings(crossing_rows& rows, const duel_tally& tally, std::int64_t i, std::int64_t j) {
  if (i == j) return;
  for (const bool turned : {false, true}) {
    const std::int64_t a = turned ? j : i, b = turned ? i : j;
    double& z = rows.crossing[at(a * rows.items + b)];
    const double before = z;
    z = crossing_of(tally, a, b);
    if (z >= rows.hardest[at(a)])
      rows.hardest[at(a)] = z;
    else if (before == rows.hardest[at(a)])
      find_hardest(rows, a);
    rows.next[at(a)] = -1;
  }
}

/// #{j ≠ i: Uᵢⱼ > ½}
ZERMELO_INLINE std::int64_t upper_copeland(crossing_rows& rows, std::int64_t i, double s) {
  if (s > rows.next[at(i)]) count_passed(rows, i, s);
  return rows.passed[at(i)];
}

inline void require_clock(std::int64_t t) {
  if (t < 1) throw domain_error("t", domain_error::whole, "rounds count from one, got " + std::to_string(t));
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Writes U and L [n, n] of a tally before round t ≥ 1; either may be `discard`.   Cost: O(n²).
/// Errors: shape_error; domain_error for t < 1 or α ≤ ½.   Source: Zoghi et al. 2014, equation 1.
template <class U, class L>
void bounds(const confidence_bounds& b, const duel_tally& tally, std::int64_t t, U&& upper, L&& lower) {
  b.require_valid();
  detail::require_clock(t);
  const std::int64_t n = tally.items;
  const double s = b.scale(t);
  const auto write = [&](const char* name, auto& to, auto bound) {
    if constexpr (!std::is_same_v<std::remove_cvref_t<decltype(to)>, discard_t>) {
      const auto out = view(to);
      if (out.size() != n * n)
        throw shape_error(name, std::to_string(out.size()) + " elements, expected " + std::to_string(n) + "²");
      for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t j = 0; j < n; ++j) {
          auto& x = out.element(i * n + j);
          x = static_cast<std::remove_reference_t<decltype(x)>>(bound(i, j));
        }
    }
  };
  write("upper", upper, [&](std::int64_t i, std::int64_t j) { return b.upper(tally, s, i, j); });
  write("lower", lower, [&](std::int64_t i, std::int64_t j) { return b.lower(tally, s, i, j); });
}

/// {i: Uᵢⱼ ≥ ½ for all j}, ascending: arms that may still beat everyone.   Cost: O(n²).
inline std::vector<std::int64_t> may_beat_all(const confidence_bounds& b, const duel_tally& tally, std::int64_t t) {
  b.require_valid();
  detail::require_clock(t);
  const double s = b.scale(t);
  std::vector<std::int64_t> arms;
  for (std::int64_t i = 0; i < tally.items; ++i) {
    bool all = true;
    for (std::int64_t j = 0; j < tally.items && all; ++j) all = b.upper(tally, s, i, j) >= 0.5;
    if (all) arms.push_back(i);
  }
  return arms;
}

/// Arms with the largest #{j ≠ i: Uᵢⱼ > ½}, ascending: those that may beat most.   Cost: O(n²).
inline std::vector<std::int64_t> may_beat_most(const confidence_bounds& b, const duel_tally& tally, std::int64_t t) {
  b.require_valid();
  detail::require_clock(t);
  const double s = b.scale(t);
  std::vector<std::int64_t> arms;
  std::int64_t most = -1;
  for (std::int64_t i = 0; i < tally.items; ++i) {
    std::int64_t count = 0;
    for (std::int64_t j = 0; j < tally.items; ++j) count += j != i && b.upper(tally, s, i, j) > 0.5 ? 1 : 0;
    if (count > most) arms.clear(), most = count;
    if (count == most) arms.push_back(i);
  }
  return arms;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::bandit
