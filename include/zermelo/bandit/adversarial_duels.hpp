// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/value.hpp"
#include "duels.hpp"

/// Duels with preferences that may change: exponential weights, with explored shares.
namespace zermelo::inline v1::bandit {

struct exponential_parameters {
  double step = 0;          ///< η > 0; 0: by the horizon
  double exploration = -1;  ///< γ in [0, 1], share of uniform draws; −1: by the horizon
  std::int64_t horizon = 10'000;

  ZERMELO_INLINE void require_valid() const {
    if (!is_finite(step) || step < 0)
      throw domain_error("step", domain_error::whole, "is finite and not negative, got " + zermelo::detail::text(step));
    if (!(exploration == -1 || (exploration >= 0 && exploration <= 1)))
      throw domain_error("exploration", domain_error::whole,
                         "lies in [0, 1] or is -1, got " + zermelo::detail::text(exploration));
    if (horizon < 1)
      throw domain_error("horizon", domain_error::whole, "at least one duel, not " + std::to_string(horizon));
  }
};

namespace detail::inline ZERMELO_ISA {

/// (1 − γ) softmax(η gains) + γ/n
inline void exponential_shares(std::span<const double> gains, double step, double exploration,
                               std::span<double> share) {
  double most = gains[0], sum = 0;
  for (const double g : gains) most = (std::max)(most, g);
  for (std::size_t i = 0; i < gains.size(); ++i) sum += share[i] = exp(step * (gains[i] - most));
  for (double& q : share) q = (1 - exploration) * q / sum + exploration / static_cast<double>(share.size());
}

template <draw_source D>
std::int64_t draw_from(std::span<const double> share, D& draws) {
  double u = draws.uniform();
  std::size_t i = 0;
  for (; i + 1 < share.size() && u >= share[i]; ++i) u -= share[i];
  return static_cast<std::int64_t>(i);
}

}  // namespace detail::inline ZERMELO_ISA

/// Sparring: two learners, Exp3 each, choose an arm of the duel each; the winner's learner gets 1, estimated by 1{i}/qᵢ. The
/// average of both strategies approaches the von Neumann winner: regret Õ(√(nT)).   Cost: O(n) a round.
/// By default η = √(2 ln n/(nT)), γ = min(1, ηn/2).   Source: Ailon, Karnin, Joachims 2014; Dudík et al. 2015.
struct sparring {
  exponential_parameters parameters = {};
  std::vector<double> gains[2] = {};  ///< [n] of both learners

  /// Errors: domain_error for n < 1 and for parameters.
  ZERMELO_INLINE explicit sparring(std::int64_t n, exponential_parameters p = {}) : parameters(p) {
    detail::require_arms(n);
    parameters.require_valid();
    for (auto& g : gains) g.assign(detail::at(n), 0.0);
    rebuild();
  }
  ZERMELO_INLINE std::int64_t items() const { return static_cast<std::int64_t>(gains[0].size()); }
  ZERMELO_INLINE void rebuild() {
    for (auto& s : share_) s.assign(gains[0].size(), 0.0);
    shares();
  }
  ZERMELO_INLINE double step() const {
    const double n = static_cast<double>(items()), horizon = static_cast<double>(parameters.horizon);
    return parameters.step > 0 ? parameters.step : std::sqrt(2 * log((std::max)(n, 2.0)) / (n * horizon));
  }
  ZERMELO_INLINE double exploration() const {
    return parameters.exploration >= 0 ? parameters.exploration
                                       : (std::min)(1.0, step() * static_cast<double>(items()) / 2);
  }
  /// What learner k = 0, 1 plays.
  ZERMELO_INLINE const std::vector<double>& strategy(int k) const { return share_[k]; }
  template <draw_source D>
  ZERMELO_INLINE duel next_pair(D& draws) {
    const std::int64_t i = detail::draw_from(share_[0], draws);
    return {i, detail::draw_from(share_[1], draws)};
  }
  ZERMELO_INLINE void observe(std::int64_t i, std::int64_t j, bool first_won) {
    detail::require_arm("first", i, items());
    detail::require_arm("second", j, items());
    const int winner = first_won ? 0 : 1;
    const std::size_t arm = detail::at(first_won ? i : j);
    gains[winner][arm] += 1 / share_[winner][arm];
    shares();
  }

 private:
  ZERMELO_INLINE void shares() {
    for (int k = 0; k < 2; ++k) detail::exponential_shares(gains[k], step(), exploration(), share_[k]);
  }
  std::vector<double> share_[2] = {};
};

/// D-Exp3: both arms are drawn from q = (1 − γ) softmax(η Σŝ) + γ/n, with unbiased estimates of shifted Borda scores,
///   ŝ(k) = 1{k = i}/(n qᵢ) · 1{i beats j}/qⱼ,
/// so that regret to the best Borda score is Õ(n^⅓ T^⅔), whatever sequence of preferences nature chose.   Cost: O(n) a round.
/// By default η = (ln n/(T √n))^⅔, γ = √(ηn).   Source: Saha, Koren, Mansour 2021.
struct dueling_exp3 {
  exponential_parameters parameters = {};
  std::vector<double> gains = {};  ///< [n] Σŝ

  /// Errors: domain_error for n < 1 and for parameters.
  ZERMELO_INLINE explicit dueling_exp3(std::int64_t n, exponential_parameters p = {}) : parameters(p) {
    detail::require_arms(n);
    parameters.require_valid();
    gains.assign(detail::at(n), 0.0);
    rebuild();
  }
  ZERMELO_INLINE std::int64_t items() const { return static_cast<std::int64_t>(gains.size()); }
  ZERMELO_INLINE void rebuild() {
    share_.assign(gains.size(), 0.0);
    detail::exponential_shares(gains, step(), exploration(), share_);
  }
  /// η = (ln n / (T √n))^⅔
  ZERMELO_INLINE double step() const {
    const double n = static_cast<double>(items()), horizon = static_cast<double>(parameters.horizon);
    return parameters.step > 0 ? parameters.step
                               : std::pow(log((std::max)(n, 2.0)) / (horizon * std::sqrt(n)), 2.0 / 3);
  }
  /// γ = √(η n)
  ZERMELO_INLINE double exploration() const {
    return parameters.exploration >= 0 ? parameters.exploration
                                       : (std::min)(1.0, std::sqrt(step() * static_cast<double>(items())));
  }
  /// What is played.
  ZERMELO_INLINE const std::vector<double>& strategy() const { return share_; }
  template <draw_source D>
  ZERMELO_INLINE duel next_pair(D& draws) {
    const std::int64_t i = detail::draw_from(share_, draws);
    return {i, detail::draw_from(share_, draws)};
  }
  ZERMELO_INLINE void observe(std::int64_t i, std::int64_t j, bool first_won) {
    detail::require_arm("first", i, items());
    detail::require_arm("second", j, items());
    if (first_won)
      gains[detail::at(i)] += 1 / (static_cast<double>(items()) * share_[detail::at(i)] * share_[detail::at(j)]);
    detail::exponential_shares(gains, step(), exploration(), share_);
  }

 private:
  std::vector<double> share_ = {};
};

}  // namespace zermelo::inline v1::bandit
