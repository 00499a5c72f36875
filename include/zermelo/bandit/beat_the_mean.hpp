// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/value.hpp"
#include "duels.hpp"

/// Beat the mean: arms meet random ones, and whoever clearly does worse than the best of them leaves.
namespace zermelo::inline v1::bandit {

struct beat_the_mean_parameters {
  double gamma = 1.3;             ///< how far from strongly transitive the preferences may be, ≥ 1; 1: strictly
  std::int64_t horizon = 10'000;  ///< T

  ZERMELO_INLINE void require_valid() const {
    if (!is_finite(gamma) || gamma < 1)
      throw domain_error("gamma", domain_error::whole,
                         "must be finite and at least 1, got " + zermelo::detail::text(gamma));
    if (horizon < 1)
      throw domain_error("horizon", domain_error::whole, "at least one duel, not " + std::to_string(horizon));
  }
};

/// What beat the mean decides by.
struct beat_the_mean_test {
  static constexpr std::int64_t nobody = -1;
  double radius = 1;           ///< c* = 3γ² √(ln(2Tn)/n*), n* the fewest duels of an active arm; 1 if there is none
  std::int64_t drop = nobody;  ///< the arm to leave, if min P̂ + c* ≤ max P̂ − c*
};

inline namespace ZERMELO_ISA {

/// wins, duels [k]: of each active arm as the one in focus, over active opponents;  items: n, also those that left;
/// share [k] written: P̂, ½ without duels.   The result's `drop` is a position among the active.   Cost: O(k).
inline beat_the_mean_test test_means(const beat_the_mean_parameters& p, std::int64_t items,
                                     std::span<const double> wins, std::span<const double> duels,
                                     std::span<double> share) {
  double fewest = duels[0];
  std::size_t worst = 0, best = 0;
  for (std::size_t k = 0; k < wins.size(); ++k) {
    share[k] = duels[k] == 0 ? 0.5 : wins[k] / duels[k];
    fewest = duels[k] < fewest ? duels[k] : fewest;
    if (share[k] < share[worst]) worst = k;
    if (share[k] > share[best]) best = k;
  }
  beat_the_mean_test result;
  if (fewest > 0)
    result.radius = 3 * p.gamma * p.gamma *
                    std::sqrt(log(2 * static_cast<double>(p.horizon) * static_cast<double>(items)) / fewest);
  if (wins.size() > 1 && share[worst] + result.radius <= share[best] - result.radius)
    result.drop = static_cast<std::int64_t>(worst);
  return result;
}

}  // namespace ZERMELO_ISA

/// BTM.   The active arm with the fewest duels meets a random active arm, itself among them; the duel counts for the arm in
/// focus alone. When min P̂ + c* ≤ max P̂ − c*, the worst arm leaves and duels against it are forgotten.
///
/// Needs γ-relaxed stochastic transitivity; no arm returns.   Cost: O(n) a round.
/// Source: Yue and Joachims 2011.
struct beat_the_mean {
  beat_the_mean_parameters parameters = {};
  std::int64_t arms = 0;
  std::vector<double> focal_wins = {};    ///< [n, n] row: the arm in focus
  std::vector<double> focal_duels = {};   ///< [n, n]
  std::vector<std::int64_t> active = {};  ///< ascending

  /// Errors: domain_error for n < 1 and for parameters.
  ZERMELO_INLINE explicit beat_the_mean(std::int64_t n, beat_the_mean_parameters p = {}) : parameters(p), arms(n) {
    detail::require_arms(n);
    parameters.require_valid();
    focal_wins.assign(detail::at(n * n), 0.0);
    focal_duels.assign(detail::at(n * n), 0.0);
    for (std::int64_t i = 0; i < n; ++i) active.push_back(i);
    rebuild();
  }
  ZERMELO_INLINE std::int64_t items() const { return arms; }
  ZERMELO_INLINE void rebuild() {
    wins_.assign(active.size(), 0.0);
    duels_.assign(active.size(), 0.0);
    share_.assign(active.size(), 0.5);
    for (std::size_t a = 0; a < active.size(); ++a)
      for (const std::int64_t j : active) {
        wins_[a] += focal_wins[detail::at(active[a] * arms + j)];
        duels_[a] += focal_duels[detail::at(active[a] * arms + j)];
      }
  }
  /// What the counts say now; share [active] written. Errors: domain_error for counts and arms that make no sense.
  ZERMELO_INLINE beat_the_mean_test test(std::vector<double>& share) const;
  template <draw_source D>
  ZERMELO_INLINE duel next_pair(D& draws) {
    std::size_t focus = 0;
    for (std::size_t a = 1; a < active.size(); ++a)
      if (duels_[a] < duels_[focus]) focus = a;
    const auto k = draw_index(draws, static_cast<std::int64_t>(active.size()));
    return {active[focus], active[detail::at(k)]};
  }
  /// Duels of arms that have left are ignored. Errors: domain_error for an arm out of range.
  ZERMELO_INLINE void observe(std::int64_t i, std::int64_t j, bool first_won) {
    detail::require_arm("first", i, arms);
    detail::require_arm("second", j, arms);
    std::size_t focus = active.size();
    bool opponent = false;
    for (std::size_t a = 0; a < active.size(); ++a) {
      if (active[a] == i) focus = a;
      opponent = opponent || active[a] == j;
    }
    if (focus == active.size() || !opponent) return;
    focal_duels[detail::at(i * arms + j)] += 1;
    focal_wins[detail::at(i * arms + j)] += first_won ? 1 : 0;
    duels_[focus] += 1;
    wins_[focus] += first_won ? 1 : 0;
    const auto test = test_means(parameters, arms, wins_, duels_, share_);
    if (test.drop == beat_the_mean_test::nobody) return;
    active.erase(active.begin() + test.drop);
    rebuild();
  }
  /// Adds the duels of another machine; arms stay that are active on both.
  ZERMELO_INLINE void merge(const beat_the_mean& other) {
    if (other.arms != arms)
      throw shape_error("other", std::to_string(other.arms) + " arms, expected " + std::to_string(arms));
    for (std::size_t k = 0; k < focal_wins.size(); ++k) {
      focal_wins[k] += other.focal_wins[k];
      focal_duels[k] += other.focal_duels[k];
    }
    std::vector<std::int64_t> both;
    for (const std::int64_t i : active)
      for (const std::int64_t j : other.active)
        if (i == j) both.push_back(i);
    if (!both.empty()) active = both;
    rebuild();
  }

 private:
  std::vector<double> wins_ = {}, duels_ = {}, share_ = {};  // of the active arms
};

ZERMELO_INLINE beat_the_mean_test beat_the_mean::test(std::vector<double>& share) const {
  parameters.require_valid();
  if (active.empty()) throw shape_error("active", "is empty; the last arm never leaves");
  if (focal_wins.size() != detail::at(arms * arms) || focal_duels.size() != focal_wins.size())
    throw shape_error("focal_wins", "wins and duels are matrices of " + std::to_string(arms) + "² counts");
  for (std::size_t k = 0; k < focal_wins.size(); ++k)
    if (!(focal_wins[k] >= 0 && focal_wins[k] <= focal_duels[k] && is_finite(focal_duels[k])))
      throw domain_error("focal_wins", static_cast<std::int64_t>(k), "wins lie between 0 and the number of duels");
  std::vector<double> wins(active.size(), 0.0), duels(active.size(), 0.0);
  share.assign(active.size(), 0.5);
  for (std::size_t a = 0; a < active.size(); ++a)
    for (const std::int64_t j : active) {
      detail::require_arm("active", active[a], arms);
      detail::require_arm("active", j, arms);
      wins[a] += focal_wins[detail::at(active[a] * arms + j)];
      duels[a] += focal_duels[detail::at(active[a] * arms + j)];
    }
  return test_means(parameters, arms, wins, duels, share);
}

}  // namespace zermelo::inline v1::bandit
