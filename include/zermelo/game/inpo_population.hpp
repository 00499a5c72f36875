// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/policy.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "anchor_step.hpp"
#include "gaps.hpp"
#include "preference_operator.hpp"

/// The loss of INPO in expectation over all pairs, exactly: what sampled losses estimate.
namespace zermelo::inline v1::game {

struct inpo_population_parameters {
  double inverse_step = 1.35;  ///< η of the paper, ≥ τ
  double kl_weight = 0.1;      ///< τ ≥ 0

  ZERMELO_INLINE void require_valid() const {
    if (!is_finite(inverse_step) || !(inverse_step > 0))
      throw domain_error("inverse_step", domain_error::whole, "expected a positive number");
    if (!(kl_weight >= 0 && kl_weight <= inverse_step))
      throw domain_error("kl_weight", domain_error::whole,
                         "expected a number from 0 to inverse_step: the weight on the last policy would be negative");
  }
};

inline namespace ZERMELO_ISA {

/// L = E_{y,y'~π_t} E_{(w,l)~P}[(h_w − h_l − 1/(2η))²],   h = log π − (τ/η) log μ − (1−τ/η) log π_t,   π = softmax(logits)
///
///   ∂L/∂logit_y = 4 π_t(y) (h_y − ⟨π_t, h⟩ − (P(y ≻ π_t) − ½)/η)
///
/// The minimiser, unique on the support of π_t, is the step of mirror descent that `inpo` takes: the weights π_t(y) π_t(y')
/// of pairs matter, others have another minimiser.
/// logits, previous (π_t), reference (μ) [n]; gradient [n] written, or `discard`; minimiser [n] written, or `discard`.
/// Returns the loss. Errors: shape_error; domain_error for logits, policies (both of full support) and parameters.
/// Cost: n² pairs.   Source: Zhang et al. 2024, "Iterative Nash policy optimization", Proposition 6.
template <host_policy P, preference_operator O, tensor L, tensor X, tensor M, class G = const discard_t&,
          class B = const discard_t&>
double inpo_population(P&& policy, const O& game, const L& logits, const X& previous, const M& reference,
                       const inpo_population_parameters& parameters, G&& gradient = discard, B&& minimiser = discard) {
  parameters.require_valid();
  const std::int64_t n = game.items();
  const auto theta = view(logits);
  const auto old = view(previous);
  const auto mu = view(reference);
  detail::require_extent("logits", theta.size(), n, "logits, an item each");
  detail::require_policy("previous", old, n, true);
  detail::require_policy("reference", mu, n, true);
  const double eta = parameters.inverse_step, weight = parameters.kl_weight / eta;
  const auto size = static_cast<std::size_t>(n);
  using T = typename O::value_type;
  std::vector<double> log_old(size), log_mu(size), h(size), rates(size);
  std::vector<T> plain(size), q(size);
  for (std::int64_t i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    if (!is_finite(theta.element(i))) throw domain_error("logits", i, "is not a finite number");
    log_old[k] = log(static_cast<double>(old.element(i)));
    log_mu[k] = log(static_cast<double>(mu.element(i)));
    h[k] = static_cast<double>(theta.element(i)) - weight * log_mu[k] - (1 - weight) * log_old[k];
    plain[k] = static_cast<T>(old.element(i));
  }
  game.win_rate(policy, plain, q);
  double mean = 0, loss = 0;
  const auto p = [&](std::int64_t i) { return static_cast<double>(old.element(i)); };
  for (std::int64_t i = 0; i < n; ++i) mean += p(i) * h[static_cast<std::size_t>(i)];
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      const double apart = h[static_cast<std::size_t>(i)] - h[static_cast<std::size_t>(j)] - 1 / (2 * eta);
      loss += 2 * p(i) * p(j) * game.probability(i, j) * apart * apart;  // (i, j) and (j, i) with i winning
    }
  for (std::int64_t i = 0; i < n; ++i)
    rates[static_cast<std::size_t>(i)] = static_cast<double>(q[static_cast<std::size_t>(i)]);
  if constexpr (!std::is_same_v<std::remove_cvref_t<G>, discard_t>) {
    const auto to = view(gradient);
    detail::require_extent("gradient", to.size(), n, "elements");
    for (std::int64_t i = 0; i < n; ++i) {
      const auto k = static_cast<std::size_t>(i);
      to.element(i) = static_cast<typename std::remove_const_t<decltype(to)>::value_type>(
          4 * p(i) * (h[k] - mean - (rates[k] - tie_of(game)) / eta));
    }
  }
  if constexpr (!std::is_same_v<std::remove_cvref_t<B>, discard_t>) {
    std::vector<double> logs(size);
    anchor_step(policy, log_old, log_mu, rates, logs, minimiser, {.reference_weight = weight, .step = 1 / eta});
  }
  return loss;
}
template <preference_operator O, tensor L, tensor X, tensor M, class G = const discard_t&, class B = const discard_t&>
double inpo_population(const O& game, const L& logits, const X& previous, const M& reference,
                       const inpo_population_parameters& parameters, G&& gradient = discard, B&& minimiser = discard) {
  return inpo_population(simd{}, game, logits, previous, reference, parameters, gradient, minimiser);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
