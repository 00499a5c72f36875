// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/value.hpp"
#include "confidence_bounds.hpp"
#include "duels.hpp"

/// Copeland confidence bound: who may beat most arms is played against those that are believed to beat it.
namespace zermelo::inline v1::bandit {

/// CCB.   Optimistic and pessimistic Copeland counts Ūᵢ = #{j ≠ i: Uᵢⱼ ≥ ½}, L̄ᵢ = #{j ≠ i: Lᵢⱼ ≥ ½};  C = argmax Ū. A set B of
/// likely winners and, for each arm, a list of arms that are believed to beat it, narrow the search:
///
///   everything is forgotten when a listed arm j turns out weaker, Lᵢⱼ > ½;  i leaves B when Ūᵢ < max L̄, and is listed against
///   all j with Uᵢⱼ < ½ unless its list is full (longer than the losses of a winner);  a winner that is certain, Ūᵢ = L̄ᵢ, enters B
///   and says how many losses a winner has.
///
/// With chance ¼ an undecided listed pair is played; else a candidate, with chance ⅔ one of B, against the arm most likely to
/// beat it of those that are not known to lose to it, with chance ½ a listed one.
/// Copeland regret O((n² + n ln T)/Δ²).   Cost: O(n²) a round.   Source: Zoghi, Karnin, Whiteson, de Rijke 2015.
struct copeland_confidence_bound {
  confidence_bounds parameters = {};
  duel_tally tally = {};
  std::int64_t round = 1;
  std::vector<std::uint8_t> likely = {};  ///< [n] B
  std::vector<std::uint8_t> beats = {};   ///< [n, n] whether j is listed as beating i
  std::int64_t losses = 0;                ///< of a winner, n if not known

  /// Errors: domain_error for n < 1 or α ≤ ½.
  ZERMELO_INLINE explicit copeland_confidence_bound(std::int64_t n, confidence_bounds p = {})
      : parameters(p), tally(empty_tally(n)) {
    parameters.require_valid();
    rebuild();
    forget();
  }
  ZERMELO_INLINE std::int64_t items() const { return tally.items; }
  ZERMELO_INLINE void rebuild() {
    const std::size_t n = detail::at(items());
    optimistic_.assign(n, 0);
    pessimistic_.assign(n, 0);
    choices_.reserve(n * n);
  }
  ZERMELO_INLINE void observe(std::int64_t i, std::int64_t j, bool first_won) {
    tally.record(i, j, first_won);
    ++round;
  }
  ZERMELO_INLINE void merge(const copeland_confidence_bound& other) {
    tally.merge(other.tally);
    round += other.round - 1;
    forget();
  }
  template <draw_source D>
  ZERMELO_INLINE duel next_pair(D& draws);

 private:
  ZERMELO_INLINE void forget() {
    const std::size_t n = detail::at(items());
    likely.assign(n, 1);
    beats.assign(n * n, 0);
    losses = items();
  }
  ZERMELO_INLINE std::uint8_t& listed(std::int64_t i, std::int64_t j) { return beats[detail::at(i * items() + j)]; }
  ZERMELO_INLINE std::int64_t length(std::int64_t i) {
    std::int64_t count = 0;
    for (std::int64_t j = 0; j < items(); ++j) count += listed(i, j);
    return count;
  }
  ZERMELO_INLINE void update(double s);
  std::vector<std::int64_t> optimistic_ = {}, pessimistic_ = {}, choices_ = {};
};

ZERMELO_INLINE void copeland_confidence_bound::update(double s) {
  const std::int64_t n = items();
  const auto upper = [&](std::int64_t i, std::int64_t j) { return parameters.upper(tally, s, i, j); };
  const auto lower = [&](std::int64_t i, std::int64_t j) { return parameters.lower(tally, s, i, j); };
  std::int64_t surest = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    optimistic_[detail::at(i)] = pessimistic_[detail::at(i)] = 0;
    for (std::int64_t j = 0; j < n; ++j) {
      if (j == i) continue;
      optimistic_[detail::at(i)] += upper(i, j) >= 0.5 ? 1 : 0;
      pessimistic_[detail::at(i)] += lower(i, j) >= 0.5 ? 1 : 0;
    }
    surest = (std::max)(surest, pessimistic_[detail::at(i)]);
  }
  bool wrong = false;
  for (std::int64_t i = 0; i < n && !wrong; ++i)
    for (std::int64_t j = 0; j < n && !wrong; ++j) wrong = listed(i, j) && lower(i, j) > 0.5;
  if (wrong) forget();
  bool any = false;
  for (std::int64_t i = 0; i < n; ++i) {
    if (likely[detail::at(i)] && optimistic_[detail::at(i)] < surest) {
      likely[detail::at(i)] = 0;
      if (length(i) != losses + 1)
        for (std::int64_t j = 0; j < n; ++j) listed(i, j) = j != i && upper(i, j) < 0.5;
    }
    any = any || likely[detail::at(i)];
  }
  if (!any) forget();
  const std::int64_t most = *std::max_element(optimistic_.begin(), optimistic_.end());
  for (std::int64_t i = 0; i < n; ++i) {
    if (optimistic_[detail::at(i)] != most || pessimistic_[detail::at(i)] != most) continue;
    likely[detail::at(i)] = 1;
    losses = n - 1 - most;
    for (std::int64_t k = 0; k < n; ++k) listed(i, k) = 0;
    for (std::int64_t j = 0; j < n; ++j) {  // lists that are too short for a winner say nothing, longer ones are cut
      if (j == i) continue;
      const std::int64_t count = length(j);
      std::int64_t surplus = count < losses + 1 ? count : count - (losses + 1);
      for (std::int64_t k = n; k-- > 0 && surplus > 0;)
        if (listed(j, k)) listed(j, k) = 0, --surplus;
    }
  }
}

template <draw_source D>
ZERMELO_INLINE duel copeland_confidence_bound::next_pair(D& draws) {
  const std::int64_t n = items();
  const double s = parameters.scale(round);
  update(s);
  const auto upper = [&](std::int64_t i, std::int64_t j) { return parameters.upper(tally, s, i, j); };
  const auto lower = [&](std::int64_t i, std::int64_t j) { return parameters.lower(tally, s, i, j); };
  const auto pick = [&] { return choices_[detail::at(draw_index(draws, static_cast<std::int64_t>(choices_.size())))]; };
  if (draws.uniform() < 0.25) {
    choices_.clear();
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n; ++j)
        if (listed(i, j) && lower(i, j) <= 0.5 && upper(i, j) >= 0.5) choices_.push_back(i * n + j);
    if (!choices_.empty()) {
      const std::int64_t pair = pick();
      return {pair / n, pair % n};
    }
  }
  const std::int64_t most = *std::max_element(optimistic_.begin(), optimistic_.end());
  const bool narrow = draws.uniform() < 2.0 / 3;
  choices_.clear();
  for (std::int64_t i = 0; i < n; ++i)
    if (optimistic_[detail::at(i)] == most && (!narrow || likely[detail::at(i)])) choices_.push_back(i);
  if (choices_.empty())
    for (std::int64_t i = 0; i < n; ++i)
      if (optimistic_[detail::at(i)] == most) choices_.push_back(i);
  const std::int64_t first = pick();
  const bool known = draws.uniform() < 0.5;
  for (const bool only_listed : {known, false}) {
    double best = -1;
    choices_.clear();
    for (std::int64_t j = 0; j < n; ++j) {
      if ((only_listed && !listed(first, j)) || (j != first && lower(j, first) > 0.5)) continue;
      const double u = upper(j, first);
      if (u > best) choices_.clear(), best = u;
      if (u == best) choices_.push_back(j);
    }
    if (!choices_.empty()) break;
  }
  return {first, choices_.empty() ? first : pick()};
}

}  // namespace zermelo::inline v1::bandit
