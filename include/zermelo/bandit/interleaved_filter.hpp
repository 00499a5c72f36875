// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/value.hpp"
#include "duels.hpp"

/// Interleaved filter: a champion meets all that remain in turn, until it is refuted or nobody remains.
namespace zermelo::inline v1::bandit {

/// IF.   After every full round, with P̂_b the share of the t duels that the champion won against b and radius
/// √(ln(1/δ)/t), δ = 1/(T n²):  drop b if P̂_b − radius > ½;  if P̂_b + radius < ½ for some b (the first of them), drop
/// every arm with P̂ > ½, let b be the champion, and forget the counts. The last arm plays itself.
///
/// Needs strong stochastic transitivity; no arm returns once it was dropped.   Cost: O(1) a round, O(n) a test.
/// Source: Yue, Broder, Kleinberg, Joachims 2012 (IF2, with pruning).
struct interleaved_filter {
  std::int64_t arms = 0;
  std::int64_t horizon = 0;                  ///< T
  std::int64_t champion = -1;                ///< −1 until one is drawn
  std::vector<std::int64_t> remaining = {};  ///< challengers, ascending
  std::vector<double> champion_wins = {};    ///< beside `remaining`
  std::int64_t place = 0;                    ///< who is next
  std::int64_t rounds = 0;                   ///< t, full rounds of this champion

  /// start: the first champion; −1 draws one.
  /// Errors: domain_error for n < 1, T < 1, or a champion out of range.
  ZERMELO_INLINE interleaved_filter(std::int64_t n, std::int64_t horizon_, std::int64_t start = -1)
      : arms(n), horizon(horizon_) {
    detail::require_arms(n);
    if (horizon < 1)
      throw domain_error("horizon", domain_error::whole, "at least one duel, not " + std::to_string(horizon));
    remaining.reserve(detail::at(n));
    champion_wins.reserve(detail::at(n));
    if (start != -1) crown(start);
  }
  ZERMELO_INLINE std::int64_t items() const { return arms; }
  /// δ
  ZERMELO_INLINE double confidence() const {
    return 1 / (static_cast<double>(horizon) * static_cast<double>(arms) * static_cast<double>(arms));
  }
  ZERMELO_INLINE double radius() const { return std::sqrt(-log(confidence()) / static_cast<double>(rounds)); }
  template <draw_source D>
  ZERMELO_INLINE duel next_pair(D& draws) {
    if (champion < 0) crown(draw_index(draws, arms));
    return {champion, remaining.empty() ? champion : remaining[detail::at(place)]};
  }
  /// The duel must be the one that was proposed. Errors: domain_error if it is not.
  ZERMELO_INLINE void observe(std::int64_t i, std::int64_t j, bool first_won) {
    if (i != champion || j != (remaining.empty() ? champion : remaining[detail::at(place)]))
      throw domain_error(
          "second", domain_error::whole,
          "the filter expects the duel that it proposed, not " + std::to_string(i) + " against " + std::to_string(j));
    if (remaining.empty()) return;
    champion_wins[detail::at(place)] += first_won ? 1 : 0;
    if (++place == static_cast<std::int64_t>(remaining.size())) {
      place = 0;
      ++rounds;
      test();
    }
  }
  ZERMELO_INLINE void rebuild() {}

 private:
  ZERMELO_INLINE void crown(std::int64_t arm) {
    detail::require_arm("start", arm, arms);
    champion = arm;
    remaining.clear();
    for (std::int64_t i = 0; i < arms; ++i)
      if (i != arm) remaining.push_back(i);
    champion_wins.assign(remaining.size(), 0.0);
  }
  /// Drops, and crowns a challenger if one is refuting.
  ZERMELO_INLINE void test() {
    const double t = static_cast<double>(rounds), r = radius();
    std::size_t kept = 0;
    for (std::size_t k = 0; k < remaining.size(); ++k) {
      if (champion_wins[k] / t - r > 0.5) continue;
      remaining[kept] = remaining[k];
      champion_wins[kept++] = champion_wins[k];
    }
    remaining.resize(kept);
    champion_wins.resize(kept);
    for (std::size_t k = 0; k < kept; ++k) {
      if (!(champion_wins[k] / t + r < 0.5)) continue;
      champion = remaining[k];
      std::size_t left = 0;
      for (std::size_t m = 0; m < kept; ++m)
        if (remaining[m] != champion && champion_wins[m] / t <= 0.5) remaining[left++] = remaining[m];
      remaining.resize(left);
      champion_wins.assign(left, 0.0);
      rounds = 0;
      return;
    }
  }
};

}  // namespace zermelo::inline v1::bandit
