// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/policy.hpp"
#include "../core/primitives/matvec.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "anchor_step.hpp"
#include "dynamics.hpp"
#include "gaps.hpp"

/// Two players learn a matrix game from each other.
namespace zermelo::inline v1::game {

struct matrix_play_parameters {
  regret_rule rule = regret_rule::plus;
  std::int64_t rounds = 1000;
  bool alternating = true;  ///< the column player answers the row player's new strategy: half the rounds, in practice
  double averaging_power = -1;  ///< round t weighs tᵖ; negative: 0, 1, 2 by the rule

  ZERMELO_INLINE void require_valid() const {
    if (rounds < 0) throw domain_error("rounds", domain_error::whole, "is negative");
    if (!is_finite(averaging_power)) throw domain_error("averaging_power", domain_error::whole, "is not finite");
  }
  ZERMELO_INLINE double power() const {
    return averaging_power >= 0 ? averaging_power : rule == regret_rule::plain ? 0 : rule == regret_rule::plus ? 1 : 2;
  }
};

template <class T>
struct matrix_play {
  std::vector<T> row_strategy = {}, column_strategy = {};  ///< after the last update
  std::vector<T> row_average = {}, column_average = {};  ///< of the strategies used, which approach minimax strategies
  double gap = 0;                                        ///< of the last strategies
  double average_gap = 0;                                ///< of the averages
};

struct mirror_play_parameters {
  double step = 0.1;       ///< η > 0, times payoffs of the matrix's own scale
  double kl_weight = 0.1;  ///< τ ≥ 0, of the divergence from the magnets; ητ ≤ 1
  std::int64_t rounds = 1000;

  ZERMELO_INLINE void require_valid() const {
    detail::require_pull(step, kl_weight);
    if (rounds < 0) throw domain_error("rounds", domain_error::whole, "is negative");
  }
};

namespace detail::inline ZERMELO_ISA {

/// One player's regrets.
template <class T>
struct regret_player {
  std::vector<T> strategy, average, regret, payoff, matched;
  double weights = 0;

  explicit regret_player(std::int64_t n)
      : strategy(static_cast<std::size_t>(n), static_cast<T>(1 / static_cast<double>(n))),
        average(strategy.size()),
        regret(strategy.size()),
        payoff(strategy.size()),
        matched(strategy.size()) {}

  /// Learns from `payoff`.
  void update(regret_rule rule) {
    const T mean = static_cast<T>(inner_product<T>(strategy, payoff));
    for (std::size_t i = 0; i < strategy.size(); ++i) {
      const T r = payoff[i] - mean;
      regret[i] += r;
      if (rule != regret_rule::plain) regret[i] = (std::max)(regret[i], T(0));
      matched[i] = (std::max)(rule == regret_rule::predictive ? regret[i] + r : regret[i], T(0));
    }
    match_regrets<T>(matched, strategy, 0);
  }
  void record(double weight) {
    weights += weight;
    const T share = static_cast<T>(weight / weights);
    for (std::size_t i = 0; i < strategy.size(); ++i) average[i] += share * (strategy[i] - average[i]);
  }
};

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Regret matching of two players in the matrix game M [m, n], whose rows maximise, from uniform strategies.
///
///   r_x = M y − ⟨x, M y⟩,   r_y = ⟨y, Mᵀ x⟩ − Mᵀ x;   strategies follow their regrets as in regret_matching
///
/// Averages are over strategies as they were used: before the update of a round when both move at once; when they alternate,
/// the row player's new strategy, to which the column player then responds.
/// Errors: shape_error; domain_error with the position of what is not finite.   Cost: two products a round.
template <host_policy P, tensor M>
auto play_matrix(P&& policy, const M& matrix, const matrix_play_parameters& parameters = {}) {
  parameters.require_valid();
  const auto m = view(matrix);
  using T = typename std::remove_const_t<decltype(m)>::value_type;
  if (m.size() == 0) throw shape_error("matrix", "no rows or no columns");
  detail::require_finite(m, "matrix");
  detail::regret_player<T> x(m.shape[0]), y(m.shape[1]);
  const auto pay_rows = [&] { matvec(policy, m, y.strategy, x.payoff); };
  const auto pay_columns = [&] { matvec(policy, transposed(m), x.strategy, y.payoff, -1); };
  for (std::int64_t t = 1; t <= parameters.rounds; ++t) {
    const double weight = std::pow(static_cast<double>(t), parameters.power());
    y.record(weight);
    if (parameters.alternating) {
      pay_rows();
      x.update(parameters.rule);
      x.record(weight);
      pay_columns();
      y.update(parameters.rule);
    } else {
      x.record(weight);
      pay_rows();
      pay_columns();
      x.update(parameters.rule);
      y.update(parameters.rule);
    }
  }
  if (parameters.rounds == 0) x.record(1), y.record(1);
  matrix_play<T> result;
  result.gap = duality_gap(policy, m, x.strategy, y.strategy).gap;
  result.average_gap = duality_gap(policy, m, x.average, y.average).gap;
  result.row_strategy = std::move(x.strategy), result.column_strategy = std::move(y.strategy);
  result.row_average = std::move(x.average), result.column_average = std::move(y.average);
  return result;
}
template <tensor M>
auto play_matrix(const M& matrix, const matrix_play_parameters& parameters = {}) {
  return play_matrix(simd{}, matrix, parameters);
}

/// Mirror descent of two players in the matrix game M [m, n], whose rows maximise, both at once, from their magnets:
///
///   p ∝ p^{1−ητ} μₓ^{ητ} exp(η M q),   q ∝ q^{1−ητ} μᵧ^{ητ} exp(−η Mᵀ p)
///
/// For τ > 0 and η ≤ τ/L², L the largest |M − const|, the last strategies converge linearly to those of
/// regularized_matrix_equilibrium; for τ = 0 it is Hedge, whose averages approach minimax strategies.
/// row_magnet [m], column_magnet [n]: policies, of full support if τ > 0; of M's element type.
/// Errors: shape_error; domain_error.   Cost: two products a round.   Source: Sokota et al. 2023.
template <host_policy P, tensor M, tensor X, tensor Y>
auto mirror_play(P&& policy, const M& matrix, const X& row_magnet, const Y& column_magnet,
                 const mirror_play_parameters& parameters = {}) {
  parameters.require_valid();
  const auto m = view(matrix);
  using T = typename std::remove_const_t<decltype(m)>::value_type;
  if (m.size() == 0) throw shape_error("matrix", "no rows or no columns");
  detail::require_finite(m, "matrix");
  struct player {
    std::vector<T> magnet, logs, strategy, average, payoff;
  };
  const auto begin = [&](const char* name, const auto& given, std::int64_t n) {
    player one;
    for (auto* x : {&one.magnet, &one.logs, &one.strategy, &one.payoff}) x->resize(static_cast<std::size_t>(n));
    detail::take_policy(name, given, n, parameters.kl_weight > 0, std::span<T>(one.magnet), std::span<T>(one.strategy));
    one.logs = one.magnet, one.average = one.strategy;
    return one;
  };
  player x = begin("row_magnet", row_magnet, m.shape[0]), y = begin("column_magnet", column_magnet, m.shape[1]);
  const anchor_parameters at{.reference_weight = parameters.step * parameters.kl_weight, .step = parameters.step};
  for (std::int64_t t = 1; t <= parameters.rounds; ++t) {
    matvec(policy, m, y.strategy, x.payoff);
    matvec(policy, transposed(m), x.strategy, y.payoff, -1);
    for (player* one : {&x, &y}) {
      anchor_step(policy, one->logs, one->magnet, one->payoff, one->logs, one->strategy, at);
      for (std::size_t i = 0; i < one->average.size(); ++i)
        one->average[i] += (one->strategy[i] - one->average[i]) / static_cast<T>(t);
    }
  }
  matrix_play<T> result;
  result.gap = duality_gap(policy, m, x.strategy, y.strategy).gap;
  result.average_gap = duality_gap(policy, m, x.average, y.average).gap;
  result.row_strategy = std::move(x.strategy), result.column_strategy = std::move(y.strategy);
  result.row_average = std::move(x.average), result.column_average = std::move(y.average);
  return result;
}
template <tensor M, tensor X, tensor Y>
auto mirror_play(const M& matrix, const X& row_magnet, const Y& column_magnet,
                 const mirror_play_parameters& parameters = {}) {
  return mirror_play(simd{}, matrix, row_magnet, column_magnet, parameters);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
