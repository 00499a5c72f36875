// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/value.hpp"
#include "confidence_bounds.hpp"
#include "duels.hpp"

/// Relative upper confidence bounds: play an arm that may beat all against the one that most plausibly beats it.
namespace zermelo::inline v1::bandit {

/// RUCB.   C = {i: Uᵢⱼ ≥ ½ ∀j};  first arm: the hypothesised winner B with chance ½, else uniform from C∖B (uniform from
/// all arms if C is empty; the only element of C, which becomes B);  second arm: argmaxⱼ Uⱼ,first, ties at random, the
/// first arm only if no other ties with it.
///
/// Needs a Condorcet winner c; then regret is O(Σ ln T / Δ²), Δ = P_c· − ½.   Cost: O(n) a round.
/// Source: Zoghi, Whiteson, Munos, de Rijke 2014.
struct rucb {
  static constexpr std::int64_t nobody = -1;

  confidence_bounds parameters = {};
  duel_tally tally = {};
  std::int64_t round = 1;      ///< t: rounds count from one, and go on with every duel that is observed
  std::int64_t best = nobody;  ///< B

  /// Errors: domain_error for n < 1 or α ≤ ½.
  ZERMELO_INLINE explicit rucb(std::int64_t n, confidence_bounds p = {}) : parameters(p), tally(empty_tally(n)) {
    parameters.require_valid();
    rebuild();
  }
  ZERMELO_INLINE std::int64_t items() const { return tally.items; }
  ZERMELO_INLINE void rebuild() {
    rows_ = detail::crossings_of(tally);
    candidates_.reserve(detail::at(items()));
    ties_.reserve(detail::at(items()));
  }
  template <draw_source D>
  ZERMELO_INLINE duel next_pair(D& draws);
  ZERMELO_INLINE void observe(std::int64_t i, std::int64_t j, bool first_won) {
    tally.record(i, j, first_won);
    detail::update_crossings(rows_, tally, i, j);
    ++round;
  }
  /// Adds the duels of another machine; both clocks count.
  ZERMELO_INLINE void merge(const rucb& other) {
    tally.merge(other.tally);
    round += other.round - 1;
    rebuild();
  }
  /// C, as of now.
  ZERMELO_INLINE const std::vector<std::int64_t>& candidates() {
    const double s = parameters.scale(round);
    candidates_.clear();
    for (std::int64_t i = 0; i < items(); ++i)
      if (s >= rows_.hardest[detail::at(i)]) candidates_.push_back(i);
    return candidates_;
  }

 private:
  crossing_rows rows_ = {};
  std::vector<std::int64_t> candidates_ = {}, ties_ = {};
};

inline namespace ZERMELO_ISA {

/// RUCB's first arm from C: {first arm, the new B}.
template <draw_source D>
std::pair<std::int64_t, std::int64_t> rucb_first_arm(const std::vector<std::int64_t>& candidates, std::int64_t best,
                                                     std::int64_t items, D& draws) {
  const auto size = static_cast<std::int64_t>(candidates.size());
  if (size == 0) return {draw_index(draws, items), rucb::nobody};
  if (size == 1) return {candidates[0], candidates[0]};
  std::int64_t place = size;  // of B in C
  for (std::int64_t k = 0; k < size; ++k)
    if (candidates[detail::at(k)] == best) place = k;
  if (place == size) return {candidates[detail::at(draw_index(draws, size))], rucb::nobody};
  if (draws.uniform() < 0.5) return {best, best};
  const std::int64_t k = draw_index(draws, size - 1);
  return {candidates[detail::at(k < place ? k : k + 1)], best};
}

/// The arm that most plausibly beats `first`: argmaxⱼ Uⱼ,first, another one than `first` where they tie, then at random.
template <draw_source D>
std::int64_t rucb_second_arm(const confidence_bounds& b, const duel_tally& tally, std::int64_t t, std::int64_t first,
                             D& draws, std::vector<std::int64_t>& ties) {
  const double s = b.scale(t);
  double most = 0.5;  // U of the first arm with itself
  ties.clear();
  for (std::int64_t j = 0; j < tally.items; ++j) {
    if (j == first) continue;
    const double u = b.upper(tally, s, j, first);
    if (u > most) ties.clear(), most = u;
    if (u >= most) ties.push_back(j);
  }
  const auto size = static_cast<std::int64_t>(ties.size());
  return size == 0 ? first : size == 1 ? ties[0] : ties[detail::at(draw_index(draws, size))];
}

}  // namespace ZERMELO_ISA

template <draw_source D>
ZERMELO_INLINE duel rucb::next_pair(D& draws) {
  const auto [first, winner] = rucb_first_arm(candidates(), best, items(), draws);
  best = winner;
  return {first, rucb_second_arm(parameters, tally, round, first, draws, ties_)};
}

/// Relative confidence sampling: the first arm is the winner of a tournament drawn from the Beta posteriors, or, if that
/// has no winner, the one that was chosen least often; the second as in RUCB.   Cost: O(n²) draws a round.
/// Source: Zoghi, Whiteson, de Rijke, Munos 2014b.
struct relative_confidence_sampling {
  confidence_bounds parameters = {};
  duel_tally tally = {};
  std::int64_t round = 1;
  std::vector<std::int64_t> chosen = {};  ///< [n] how often an arm was the champion

  ZERMELO_INLINE explicit relative_confidence_sampling(std::int64_t n, confidence_bounds p = {})
      : parameters(p), tally(empty_tally(n)), chosen(detail::at(n), 0) {
    parameters.require_valid();
    rebuild();
  }
  ZERMELO_INLINE std::int64_t items() const { return tally.items; }
  ZERMELO_INLINE void rebuild() { ties_.reserve(detail::at(items())), losses_.assign(detail::at(items()), 0); }
  template <draw_source D>
  ZERMELO_INLINE duel next_pair(D& draws) {
    const std::int64_t n = items();
    losses_.assign(detail::at(n), 0);
    for (std::int64_t i = 1; i < n; ++i)
      for (std::int64_t j = 0; j < i; ++j)
        ++losses_[detail::at(draw_above_half(draws, tally.won(i, j), tally.won(j, i)) ? j : i)];
    std::int64_t champion = 0;
    for (std::int64_t i = 0; i < n; ++i)
      if (chosen[detail::at(i)] < chosen[detail::at(champion)]) champion = i;
    for (std::int64_t i = 0; i < n; ++i)
      if (losses_[detail::at(i)] == 0) champion = i;
    ++chosen[detail::at(champion)];
    return {champion, rucb_second_arm(parameters, tally, round, champion, draws, ties_)};
  }
  ZERMELO_INLINE void observe(std::int64_t i, std::int64_t j, bool first_won) {
    tally.record(i, j, first_won);
    ++round;
  }
  ZERMELO_INLINE void merge(const relative_confidence_sampling& other) {
    tally.merge(other.tally);
    round += other.round - 1;
    for (std::size_t i = 0; i < chosen.size(); ++i) chosen[i] += other.chosen[i];
  }

 private:
  std::vector<std::int64_t> ties_ = {}, losses_ = {};
};

}  // namespace zermelo::inline v1::bandit
