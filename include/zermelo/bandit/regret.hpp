// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "duels.hpp"

/// What a duel costs, by the winner that one would rather have played.
namespace zermelo::inline v1::bandit {

/// The regrets of a duel (i, j). Those of Condorcet exist only if somebody beats everyone; that of von Neumann only where
/// the winning lottery was given. None ever stands for another.
struct duel_regrets {
  std::optional<double> strong_condorcet = {};      ///< (Δᵢ + Δⱼ)/2,  Δₖ = P_ck − ½, c the Condorcet winner
  std::optional<double> strong_condorcet_max = {};  ///< max(Δᵢ, Δⱼ)
  std::optional<double> weak_condorcet = {};        ///< min(Δᵢ, Δⱼ)
  double copeland = 0;                              ///< max C − (Cᵢ + Cⱼ)/2,  Cᵢ = #{k: Pᵢₖ > ½}/(n−1)
  double borda = 0;                                 ///< max B − (Bᵢ + Bⱼ)/2,  Bᵢ = mean over k ≠ i of Pᵢₖ
  std::optional<double> von_neumann = {};  ///< ((wᵀP)ᵢ + (wᵀP)ⱼ)/2 − ½: 0 on the support of the winning lottery w
};

enum class regret_kind : std::uint8_t {
  strong_condorcet,
  strong_condorcet_max,
  weak_condorcet,
  copeland,
  borda,
  von_neumann
};

/// What every arm lacks, by every notion; looked up in O(1) a duel.
struct regret_table {
  std::int64_t condorcet = -1;           ///< the winner, −1 if there is none
  std::vector<double> gap = {};          ///< [n] Δ; empty without a Condorcet winner
  std::vector<double> copeland = {};     ///< [n] scores
  std::vector<double> borda = {};        ///< [n] scores
  std::vector<double> von_neumann = {};  ///< [n] wᵀP − ½; empty without w
  double best_copeland = 0, best_borda = 0;

  ZERMELO_INLINE std::int64_t items() const { return static_cast<std::int64_t>(borda.size()); }
  /// Errors: domain_error for an arm out of range.
  ZERMELO_INLINE duel_regrets operator()(std::int64_t i, std::int64_t j) const {
    detail::require_arm("i", i, items());
    detail::require_arm("j", j, items());
    const std::size_t a = detail::at(i), b = detail::at(j);
    duel_regrets r{.copeland = best_copeland - (copeland[a] + copeland[b]) / 2,
                   .borda = best_borda - (borda[a] + borda[b]) / 2};
    if (!gap.empty()) {
      r.strong_condorcet = (gap[a] + gap[b]) / 2;
      r.strong_condorcet_max = gap[a] > gap[b] ? gap[a] : gap[b];
      r.weak_condorcet = gap[a] < gap[b] ? gap[a] : gap[b];
    }
    if (!von_neumann.empty()) r.von_neumann = (von_neumann[a] + von_neumann[b]) / 2;
    return r;
  }
  /// One of them. Errors: domain_error if it does not exist.
  ZERMELO_INLINE double of(regret_kind kind, std::int64_t i, std::int64_t j) const {
    const duel_regrets r = (*this)(i, j);
    const auto existing = [](const std::optional<double>& x, const char* why) {
      if (!x) throw domain_error("kind", domain_error::whole, why);
      return *x;
    };
    switch (kind) {
      case regret_kind::strong_condorcet:
        return existing(r.strong_condorcet, no_condorcet);
      case regret_kind::strong_condorcet_max:
        return existing(r.strong_condorcet_max, no_condorcet);
      case regret_kind::weak_condorcet:
        return existing(r.weak_condorcet, no_condorcet);
      case regret_kind::copeland:
        return r.copeland;
      case regret_kind::borda:
        return r.borda;
      case regret_kind::von_neumann:
        break;
    }
    return existing(r.von_neumann, "von Neumann regret needs the winning lottery");
  }

  static constexpr const char* no_condorcet = "no arm beats all others: there is no Condorcet regret";
};

namespace detail::inline ZERMELO_ISA {

/// A preference matrix as doubles, row after row.
/// Errors: shape_error; domain_error for entries outside [0, 1], NaN, or |P + Pᵀ − 1| > tolerance.
template <tensor M>
std::vector<double> checked_preferences(const char* name, const M& preferences, double tolerance) {
  const auto p = view(preferences);
  static_assert(decltype(p)::rank == 2, "zermelo: preferences are a matrix");
  const std::int64_t n = p.shape[0];
  if (p.shape[1] != n || n == 0)
    throw shape_error(name, std::to_string(n) + " × " + std::to_string(p.shape[1]) + ", expected n × n, n ≥ 1");
  std::vector<double> copy(at(n * n));
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      const double x = static_cast<double>(p(i, j)), y = static_cast<double>(p(j, i));
      if (is_nan(x) || x < 0 || x > 1)
        throw domain_error(name, i * n + j, "a probability lies in [0, 1], got " + zermelo::detail::text(x));
      if (!(std::abs(x + y - 1) <= tolerance))
        throw domain_error(
            name, i * n + j,
            "P[i, j] + P[j, i] must be 1, got " + zermelo::detail::text(x) + " + " + zermelo::detail::text(y));
      copy[at(i * n + j)] = x;
    }
  return copy;
}

inline regret_table tabulate(std::span<const double> p, std::int64_t n, std::span<const double> lottery,
                             double tie_tolerance) {
  regret_table t;
  for (std::int64_t i = 0; i < n; ++i) {
    std::int64_t beaten = 0;
    double sum = 0;
    for (std::int64_t j = 0; j < n; ++j) {
      if (j == i) continue;
      beaten += p[at(i * n + j)] > 0.5 + tie_tolerance ? 1 : 0;
      sum += p[at(i * n + j)];
    }
    if (beaten == n - 1) t.condorcet = i;
    const double others = static_cast<double>(n > 1 ? n - 1 : 1);
    t.copeland.push_back(static_cast<double>(beaten) / others);
    t.borda.push_back(n > 1 ? sum / others : 0.5);
    t.best_copeland = (std::max)(t.best_copeland, t.copeland.back());
    t.best_borda = (std::max)(t.best_borda, t.borda.back());
  }
  if (t.condorcet >= 0)
    for (std::int64_t k = 0; k < n; ++k) t.gap.push_back(k == t.condorcet ? 0 : p[at(t.condorcet * n + k)] - 0.5);
  if (!lottery.empty())
    for (std::int64_t k = 0; k < n; ++k) {
      double wins = 0;
      for (std::int64_t i = 0; i < n; ++i) wins += lottery[at(i)] * p[at(i * n + k)];
      t.von_neumann.push_back(wins - 0.5);
    }
  return t;
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// The regrets of all duels under preferences P [n, n]; ties within tie_tolerance of ½ are wins of nobody.
///
/// Errors: shape_error; domain_error for entries outside [0, 1], NaN, or |P + Pᵀ − 1| > 1e-9.   Cost: O(n²).
/// Sources: Yue et al. 2012; Zoghi et al. 2015 (Copeland); Jamieson et al. 2015 (Borda); Dudík et al. 2015 (von Neumann).
template <tensor M>
regret_table regrets_of(const M& preferences, double tie_tolerance = 0) {
  const auto p = detail::checked_preferences("preferences", preferences, 1e-9);
  return detail::tabulate(p, view(preferences).shape[0], {}, tie_tolerance);
}

/// The same, with von Neumann's for the winning lottery w [n], a Nash policy of P − ½.
/// Errors: also domain_error for a lottery that is negative or does not sum to one within 1e-9.
template <tensor M, tensor W>
regret_table regrets_of(const M& preferences, const W& lottery, double tie_tolerance = 0) {
  const auto p = detail::checked_preferences("preferences", preferences, 1e-9);
  const auto w = view(lottery);
  const std::int64_t n = view(preferences).shape[0];
  if (w.size() != n)
    throw shape_error("lottery", std::to_string(w.size()) + " elements, expected " + std::to_string(n));
  std::vector<double> copy;
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double x = static_cast<double>(w.element(i));
    if (!is_finite(x) || x < 0)
      throw domain_error("lottery", i, "a probability is not negative, got " + zermelo::detail::text(x));
    copy.push_back(x);
    sum += x;
  }
  if (!(std::abs(sum - 1) <= 1e-9))
    throw domain_error("lottery", domain_error::whole, "must sum to one, got " + zermelo::detail::text(sum));
  return detail::tabulate(p, n, copy, tie_tolerance);
}

/// max u − (uᵢ + uⱼ)/2: the regret of a duel by utilities.
template <tensor U>
double utility_regret(const U& utilities, std::int64_t i, std::int64_t j) {
  const auto u = view(utilities);
  detail::require_arm("i", i, u.size());
  detail::require_arm("j", j, u.size());
  double best = static_cast<double>(u.element(0));
  for (std::int64_t k = 1; k < u.size(); ++k) best = (std::max)(best, static_cast<double>(u.element(k)));
  return best - (static_cast<double>(u.element(i)) + static_cast<double>(u.element(j))) / 2;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::bandit
