// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "../core/config.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "confidence_bounds.hpp"
#include "duels.hpp"

/// Double Thompson sampling: both arms are drawn from what is believed, among those that the bounds allow.
namespace zermelo::inline v1::bandit {

struct double_thompson_parameters {
  double alpha = 0.51;           ///< width of the bounds, > ½
  bool break_by_regret = false;  ///< D-TS+: ties for the first arm go to the least expected regret per information

  ZERMELO_INLINE void require_valid() const { confidence_bounds{alpha}.require_valid(); }
};

/// D-TS.   C = argmaxᵢ #{j ≠ i: Uᵢⱼ > ½};  θ¹ᵢⱼ ~ Beta(Wᵢⱼ+1, Wⱼᵢ+1), θ¹ⱼᵢ = 1 − θ¹ᵢⱼ;
/// first arm a = argmax over C of #{j: θ¹ᵢⱼ > ½};  θ²ᵢ ~ Beta(Wᵢₐ+1, Wₐᵢ+1) anew, θ²ₐ = ½;
/// second arm: argmax of θ² over {i: Lᵢₐ ≤ ½}, to which a belongs.
///
/// Needs no Condorcet winner: with respect to Copeland winners regret is O(n² ln T).
/// Cost: O(n·|C|) draws a round, and O(n²/2) for D-TS+.   Source: Wu and Liu 2016.
struct double_thompson {
  double_thompson_parameters parameters = {};
  duel_tally tally = {};
  std::int64_t round = 1;

  /// Errors: domain_error for n < 1 or α ≤ ½.
  ZERMELO_INLINE explicit double_thompson(std::int64_t n, double_thompson_parameters p = {})
      : parameters(p), tally(empty_tally(n)) {
    parameters.require_valid();
    rebuild();
  }
  ZERMELO_INLINE std::int64_t items() const { return tally.items; }
  ZERMELO_INLINE void rebuild() {
    const std::size_t n = detail::at(items());
    rows_ = detail::crossings_of(tally);
    candidates_.reserve(n);
    ties_.reserve(n);
    counts_.assign(n, 0);
    second_.assign(n, 0.5);
    if (parameters.break_by_regret) sampled_.assign(n * n, 0.5);
  }
  template <draw_source D>
  ZERMELO_INLINE duel next_pair(D& draws);
  ZERMELO_INLINE void observe(std::int64_t i, std::int64_t j, bool first_won) {
    tally.record(i, j, first_won);
    detail::update_crossings(rows_, tally, i, j);
    ++round;
  }
  ZERMELO_INLINE void merge(const double_thompson& other) {
    tally.merge(other.tally);
    round += other.round - 1;
    rebuild();
  }
  /// C, as of now.
  ZERMELO_INLINE const std::vector<std::int64_t>& candidates() {
    const double s = confidence_bounds{parameters.alpha}.scale(round);
    std::int64_t most = -1;
    candidates_.clear();
    for (std::int64_t i = 0; i < items(); ++i) {
      const std::int64_t count = detail::upper_copeland(rows_, i, s);
      if (count > most) candidates_.clear(), most = count;
      if (count == most) candidates_.push_back(i);
    }
    return candidates_;
  }

 private:
  crossing_rows rows_ = {};
  std::vector<std::int64_t> candidates_ = {}, ties_ = {}, counts_ = {};
  std::vector<double> sampled_ = {}, second_ = {};
};

namespace detail::inline ZERMELO_ISA {

inline void require_chances(const char* name, std::span<const double> p) {
  for (std::size_t k = 0; k < p.size(); ++k)
    if (!(p[k] >= 0 && p[k] <= 1))
      throw domain_error(name, static_cast<std::int64_t>(k),
                         "a probability lies in [0, 1], got " + zermelo::detail::text(p[k]));
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// #{j ≠ i: θᵢⱼ > ½} for every arm of a sampled tournament θ [n, n], θᵢⱼ + θⱼᵢ = 1.   counts [n] written.
/// Errors: shape_error; domain_error for θ outside [0, 1] or NaN.
inline void sampled_copeland(std::span<const double> theta, std::span<std::int64_t> counts) {
  const std::int64_t n = static_cast<std::int64_t>(counts.size());
  if (theta.size() != counts.size() * counts.size())
    throw shape_error("theta", std::to_string(theta.size()) + " draws, expected " + std::to_string(n) + "²");
  detail::require_chances("theta", theta);
  for (std::int64_t i = 0; i < n; ++i) {
    counts[detail::at(i)] = 0;
    for (std::int64_t j = 0; j < n; ++j) counts[detail::at(i)] += j != i && theta[detail::at(i * n + j)] > 0.5 ? 1 : 0;
  }
}

/// The candidates whose count is largest, in the order of the candidates.
inline void most_sampled(std::span<const std::int64_t> candidates, std::span<const std::int64_t> counts,
                         std::vector<std::int64_t>& ties) {
  std::int64_t most = -1;
  ties.clear();
  for (const std::int64_t i : candidates) {
    if (counts[detail::at(i)] > most) ties.clear(), most = counts[detail::at(i)];
    if (counts[detail::at(i)] == most) ties.push_back(i);
  }
}

/// What D-TS+ breaks ties by: the expected Copeland regret of arm i's duels per bit that they tell,
///   Σⱼ (2 max ζ − ζᵢ − ζⱼ) / (2 kl(θᵢⱼ, ½)),   ζ = counts/(n−1),   j ≠ i;   +∞ where kl = 0.
inline double regret_per_information(std::span<const double> theta, std::span<const std::int64_t> counts,
                                     std::int64_t i) {
  const std::int64_t n = static_cast<std::int64_t>(counts.size());
  const std::int64_t most = *std::max_element(counts.begin(), counts.end());
  double sum = 0;
  for (std::int64_t j = 0; j < n; ++j) {
    if (j == i) continue;
    const double information = coin_divergence(theta[detail::at(i * n + j)], 0.5);
    if (information <= 0) return std::numeric_limits<double>::infinity();
    const double gap = static_cast<double>(2 * most - counts[detail::at(i)] - counts[detail::at(j)]);
    sum += gap / static_cast<double>(n - 1) / (2 * information);
  }
  return sum;
}

/// Of the arms that tie, the one with the least regret per information; the first of those that tie again.
inline std::int64_t least_regret_per_information(std::span<const double> theta, std::span<const std::int64_t> counts,
                                                 std::span<const std::int64_t> ties) {
  std::int64_t best = ties[0];
  double least = regret_per_information(theta, counts, best);
  for (const std::int64_t i : ties.subspan(1)) {
    const double value = regret_per_information(theta, counts, i);
    if (value < least) best = i, least = value;
  }
  return best;
}

/// D-TS's second arm, given the first and θ² [n], of which the first arm's is ½: argmax over {i: Lᵢ,first ≤ ½}.
/// Errors: domain_error for an arm out of range, t < 1, or θ outside [0, 1].
inline std::int64_t double_thompson_second_arm(const confidence_bounds& b, const duel_tally& tally, std::int64_t t,
                                               std::int64_t first, std::span<const double> theta) {
  detail::require_arm("first", first, tally.items);
  detail::require_clock(t);
  detail::require_chances("theta", theta);
  const double s = b.scale(t);
  std::int64_t best = first;
  double most = -1;
  for (std::int64_t i = 0; i < tally.items; ++i)
    if ((i == first || b.lower(tally, s, i, first) <= 0.5) && theta[detail::at(i)] > most)
      best = i, most = theta[detail::at(i)];
  return best;
}

}  // namespace ZERMELO_ISA

namespace detail::inline ZERMELO_ISA {

/// Copeland counts of the candidates alone, in a tournament of which only their duels are drawn.
template <draw_source D>
void draw_counts(const duel_tally& tally, std::span<const std::int64_t> candidates, std::span<std::int64_t> counts,
                 D& draws) {
  for (const std::int64_t i : candidates) counts[at(i)] = 0;
  std::size_t next = 0;  // the first candidate not below j
  for (const std::int64_t i : candidates) {
    next = 0;
    for (std::int64_t j = 0; j < tally.items; ++j) {
      while (next < candidates.size() && candidates[next] < j) ++next;
      const bool rival = next < candidates.size() && candidates[next] == j;
      if (j == i || (rival && j < i)) continue;  // itself, or drawn in the rival's row
      const bool won = draw_above_half(draws, tally.won(i, j), tally.won(j, i));
      if (won)
        ++counts[at(i)];
      else if (rival)
        ++counts[at(j)];
    }
  }
}

/// θ [n, n] of a whole tournament.
template <draw_source D>
void draw_tournament(const duel_tally& tally, std::span<double> theta, D& draws) {
  const std::int64_t n = tally.items;
  for (std::int64_t i = 0; i < n; ++i) {
    theta[at(i * n + i)] = 0.5;
    for (std::int64_t j = 0; j < i; ++j) {
      const double p = draw_beta(draws, tally.won(i, j) + 1, tally.won(j, i) + 1);
      theta[at(i * n + j)] = p;
      theta[at(j * n + i)] = 1 - p;
    }
  }
}

}  // namespace detail::inline ZERMELO_ISA

template <draw_source D>
ZERMELO_INLINE duel double_thompson::next_pair(D& draws) {
  const confidence_bounds b{parameters.alpha};
  const auto& c = candidates();
  std::int64_t first = 0;
  if (parameters.break_by_regret) {
    detail::draw_tournament(tally, sampled_, draws);
    sampled_copeland(sampled_, counts_);
    most_sampled(c, counts_, ties_);
    first = least_regret_per_information(sampled_, counts_, ties_);
  } else {
    detail::draw_counts(tally, c, counts_, draws);
    most_sampled(c, counts_, ties_);
    const auto size = static_cast<std::int64_t>(ties_.size());
    first = size == 1 ? ties_[0] : ties_[detail::at(draw_index(draws, size))];
  }
  const double s = b.scale(round);
  for (std::int64_t i = 0; i < items(); ++i)  // arms that are not allowed need no draw
    second_[detail::at(i)] = i == first ? 0.5
                             : b.lower(tally, s, i, first) <= 0.5
                                 ? draw_beta(draws, tally.won(i, first) + 1, tally.won(first, i) + 1)
                                 : 0.0;
  return {first, double_thompson_second_arm(b, tally, round, first, second_)};
}

}  // namespace zermelo::inline v1::bandit
