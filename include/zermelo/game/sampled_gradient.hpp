// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/default_policy.hpp"
#include "../core/execution/policy.hpp"
#include "../core/primitives/gather.hpp"
#include "../core/primitives/map_reduce.hpp"
#include "../core/primitives/segment_reduce.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "detail/log_policies.hpp"
#include "gaps.hpp"
#include "preference_operator.hpp"

/// Policy gradients of preference games, exact and from samples: Nash-MD-PG, Nash-EMA-PG and self-play by the opponent.
///
///   J(θ) = P_τ(π_θ ≻ ν) = πᵀP ν − τ KL(π‖μ) + τ KL(ν‖μ),   ∂J/∂θ = π ⊙ (u − ⟨π, u⟩),  u = P ν − τ (log π − log μ)
///
/// The opponent ν is held: the geometric mixture of π and μ (Nash-MD: anchor_step with a step of zero), an average of past
/// policies (Nash-EMA), π itself (self-play) or μ. From a sample y ~ π, y′ ~ ν with preference p = P(y ≻ y′), or a
/// verdict, the ascent direction is  (p − b − τ log(π(y)/μ(y))) ∇ log π(y),  for any baseline b that does not depend on y.
/// Source: Munos et al. 2024, "Nash learning from human feedback", section 7.   TRL trainer: "nash_md".
namespace zermelo::inline v1::game {

/// P_τ(π ≻ ν) and what it is made of.
struct regularized_value {
  double value = 0;                ///< win_rate − τ·divergence + τ·opponent_divergence
  double win_rate = 0;             ///< P(π ≻ ν)
  double divergence = 0;           ///< KL(π‖μ)
  double opponent_divergence = 0;  ///< KL(ν‖μ)
};

struct policy_gradient_parameters {
  double kl_weight = 0.1;  ///< τ ≥ 0

  ZERMELO_INLINE void require_valid() const {
    if (!is_finite(kl_weight) || kl_weight < 0)
      throw domain_error("kl_weight", domain_error::whole, "expected a finite number, zero or more");
  }
};

/// Where the divergence's part of an advantage goes in a response of several tokens.
enum class kl_credit : std::uint8_t {
  sequence,  ///< every token answers for the whole response: the gradient of J
  token,     ///< every token for itself: biased, with less variance; what TRL does
};

/// What a sample is worth:  a = p − b − τ (log π(y) − log μ(y)).
struct preference_advantage {
  double kl_weight = 0.1;  ///< τ ≥ 0
  double baseline = 0.5;   ///< b; ½ is the mean of p where ν = π

  template <class V>
  ZERMELO_FN V operator()(V preference, V log_policy, V log_reference) const {
    return preference - V(scalar_t<V>(baseline)) - weighted(V(scalar_t<V>(kl_weight)), log_policy - log_reference);
  }
  ZERMELO_INLINE void require_valid() const {
    policy_gradient_parameters{kl_weight}.require_valid();
    if (!is_finite(baseline)) throw domain_error("baseline", domain_error::whole, "is not a finite number");
  }
};

struct token_advantage_parameters {
  preference_advantage advantage = {};
  kl_credit credit = kl_credit::sequence;
};

namespace detail::inline ZERMELO_ISA {

/// π u, π and the terms of KL(π‖μ) for one item. What is never played adds nothing.
struct gradient_terms {
  double kl_weight;

  template <class V>
  ZERMELO_FN auto operator()(V log_policy, V log_reference, V win_rate) const {
    const V p = exp(log_policy);
    const mask_t<V> played = p > V(0);
    const V ratio = select(played, log_policy - log_reference, V(0));
    const V payoff = win_rate - weighted(V(scalar_t<V>(kl_weight)), ratio);
    return mapped{bundle(p, payoff),
                  bundle(total(weighted(p, payoff)), total(p * win_rate), total(weighted(p, ratio)))};
  }
};

struct centred_terms {
  double mean;
  template <class V>
  ZERMELO_FN V operator()(V p, V payoff) const {
    return weighted(p, payoff - V(scalar_t<V>(mean)));
  }
};

struct divergence_terms {
  template <class V>
  ZERMELO_FN auto operator()(V p, V log_reference) const {
    const V some = select(p > V(0), p, V(1));
    return mapped{bundle<>(), bundle(total(select(p > V(0), p * (log(some) - log_reference), V(0))))};
  }
};

/// a − mean·π, in place.
struct less_policy {
  double mass;
  template <class V>
  ZERMELO_FN V operator()(V gathered, V p) const {
    return gathered - V(scalar_t<V>(mass)) * p;
  }
};

struct sum_of {
  template <class V>
  ZERMELO_FN total<V> operator()(V x) const {
    return total<V>(x);
  }
};

template <class V>
void require_items(const V& v, const char* name, std::int64_t n) {
  if (v.size() != n)
    throw shape_error(name,
                      std::to_string(v.size()) + " elements, expected one for each of " + std::to_string(n) + " items");
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// The value of a policy against a held opponent, and its exact gradient by the logits.
///
/// log_policy, log_reference [n] normalised log-probabilities; opponent [n] probabilities; gradient [n] written (ascent)
/// With τ > 0 the reference has full support.
/// Errors: shape_error; domain_error for what is no policy, and for parameters.
/// Cost: one win_rate and three passes; allocates 2n numbers.
template <host_policy P, preference_operator O, tensor L, tensor N, tensor R, tensor G>
regularized_value policy_gradient(P&& policy, const O& game, const L& log_policy, const N& opponent,
                                  const R& log_reference, G&& gradient,
                                  const policy_gradient_parameters& parameters = {}) {
  parameters.require_valid();
  using T = typename O::value_type;
  const std::int64_t n = game.items();
  const auto to = view(gradient);
  detail::require_log_policy("log_policy", view(log_policy), n);
  detail::require_policy("opponent", view(opponent), n);
  if (parameters.kl_weight > 0)
    detail::require_log_policy("log_reference", view(log_reference), n, true);
  else
    detail::require_items(view(log_reference), "log_reference", n);
  detail::require_items(to, "gradient", n);
  std::vector<T> win_rate(static_cast<std::size_t>(n)), probability(win_rate.size());
  game.win_rate(policy, opponent, win_rate);
  const double tau = parameters.kl_weight;
  const auto sums = map_reduce(
      policy, detail::gradient_terms{tau},
      inputs(named("log_policy", log_policy), named("log_reference", log_reference), named("win_rate", win_rate)),
      outputs(probability, to));
  regularized_value result{.win_rate = get<1>(sums).value, .divergence = get<2>(sums).value};
  map_reduce(policy, detail::centred_terms{get<0>(sums).value}, inputs(probability, to), outputs(to));
  if (tau > 0)
    result.opponent_divergence =
        get<0>(map_reduce(policy, detail::divergence_terms{},
                          inputs(named("opponent", opponent), named("log_reference", log_reference))))
            .value;
  result.value = result.win_rate;
  if (tau > 0) result.value += tau * (result.opponent_divergence - result.divergence);
  return result;
}
template <preference_operator O, tensor L, tensor N, tensor R, tensor G>
regularized_value policy_gradient(const O& game, const L& log_policy, const N& opponent, const R& log_reference,
                                  G&& gradient, const policy_gradient_parameters& parameters = {}) {
  return policy_gradient(simd{}, game, log_policy, opponent, log_reference, gradient, parameters);
}

/// Of several games, one a prompt: log_policy, opponent, log_reference, gradient [G, n]. Games run side by side.
template <host_policy P, preference_batch B, tensor L, tensor N, tensor R, tensor G>
std::vector<regularized_value> policy_gradient(P&& policy, const B& games, const L& log_policy, const N& opponent,
                                               const R& log_reference, G&& gradient,
                                               const policy_gradient_parameters& parameters = {}) {
  const auto l = view(log_policy);
  const auto nu = view(opponent);
  const auto mu = view(log_reference);
  const auto g = view(gradient);
  detail::require_games(l, "log_policy", games.games());
  detail::require_games(nu, "opponent", games.games());
  detail::require_games(mu, "log_reference", games.games());
  detail::require_games(g, "gradient", games.games());
  std::vector<regularized_value> values(static_cast<std::size_t>(games.games()));
  for_each_tile(policy, games.games(), [&](std::int64_t k) {
    values[static_cast<std::size_t>(k)] =
        policy_gradient(simd{}, games.game(k), detail::row_of_policies(l, k), detail::row_of_policies(nu, k),
                        detail::row_of_policies(mu, k), detail::row_of_policies(g, k), parameters);
  });
  return values;
}

/// advantages[m] = p_m − b − τ (log π(y_m) − log μ(y_m)), of samples y_m ~ π.
///
/// preferences [M] probabilities or verdicts; log_policy, log_reference [M] of the samples; advantages [M] written
/// Errors: shape_error; domain_error.   Cost: one pass.
template <execution P, tensor X, tensor L, tensor R, tensor A>
void preference_advantages(P&& policy, const X& preferences, const L& log_policy, const R& log_reference,
                           A&& advantages, const preference_advantage& parameters = {}) {
  parameters.require_valid();
  map_reduce(
      policy, parameters,
      inputs(named("preferences", preferences), named("log_policy", log_policy), named("log_reference", log_reference)),
      outputs(advantages));
}
template <tensor X, tensor L, tensor R, tensor A>
void preference_advantages(const X& preferences, const L& log_policy, const R& log_reference, A&& advantages,
                           const preference_advantage& parameters = {}) {
  preference_advantages(zermelo::detail::default_policy<X, L, R, A>(), preferences, log_policy, log_reference,
                        advantages, parameters);
}

/// gradient = Σ_m a_m ∇_θ log π(y_m) = Σ_m a_m (e_{y_m} − π): M times an estimate of ∂J/∂θ. It adds up to zero.
///
/// samples [M] integers in [0, n); advantages [M]; policy_probabilities [n]; gradient [n] written
/// Self-play may use every pair twice, as (y, y′) with p − ½ and as (y′, y) with ½ − p: half the sum of both is as
/// unbiased and varies less.
/// Errors: shape_error; domain_error.   Cost: M + n.
template <host_policy P, tensor Y, tensor A, tensor X, tensor G>
void sampled_policy_gradient(P&& policy, const Y& samples, const A& advantages, const X& policy_probabilities,
                             G&& gradient) {
  const auto to = view(gradient);
  detail::require_items(view(policy_probabilities), "policy_probabilities", to.size());
  for (std::int64_t k = 0; k < to.size(); ++k) to.element(k) = 0;
  scatter_add(policy, advantages, samples, to);
  const auto kernel = [](auto a) { return mapped{bundle<>(), bundle(total(a))}; };
  const double mass = get<0>(map_reduce(policy, kernel, inputs(named("advantages", advantages)))).value;
  map_reduce(policy, detail::less_policy{mass},
             inputs(named("gradient", to), named("policy_probabilities", policy_probabilities)), outputs(to));
}
template <tensor Y, tensor A, tensor X, tensor G>
void sampled_policy_gradient(const Y& samples, const A& advantages, const X& policy_probabilities, G&& gradient) {
  sampled_policy_gradient(simd{}, samples, advantages, policy_probabilities, gradient);
}

/// Baselines for groups of samples that share a prompt: each sample's is the mean of the others, which does not depend on
/// it, so that differences stay unbiased.
///
///   baselines[g, k] = Σ_{j≠k} rewards[g, j] / (K − 1)
///
/// rewards, baselines [G, K]; baselines may be exactly rewards. A group whose rewards are all the same gets them back
/// bit for bit.   Errors: shape_error, also for K < 2; domain_error with the row-major position of a NaN.
template <tensor R, tensor B>
void leave_one_out_baselines(const R& rewards, B&& baselines) {
  const auto r = view(rewards);
  const auto b = view(baselines);
  static_assert(decltype(r)::rank == 2 && decltype(b)::rank == 2, "zermelo: rewards are [groups, samples]");
  if (b.shape[0] != r.shape[0] || b.shape[1] != r.shape[1])
    throw shape_error("baselines", "expected the shape of rewards");
  const std::int64_t samples = r.shape[1];
  if (samples < 2) throw shape_error("rewards", "groups of one sample have no others to compare with");
  for (std::int64_t g = 0; g < r.shape[0]; ++g) {
    // Around the first one, so that equal rewards cancel exactly.
    const double first = static_cast<double>(r(g, 0));
    double sum = 0;
    for (std::int64_t k = 0; k < samples; ++k) {
      const double x = static_cast<double>(r(g, k));
      if (is_nan(x)) throw domain_error("rewards", g * samples + k, "is not a number");
      sum += x - first;
    }
    for (std::int64_t k = 0; k < samples; ++k)
      b(g, k) = static_cast<typename decltype(b)::value_type>(first + (sum - (static_cast<double>(r(g, k)) - first)) /
                                                                          static_cast<double>(samples - 1));
  }
}

/// Advantages of tokens: what multiplies ∇ log π(token).
///
///   sequence:  p − b − τ Σ_tokens (log π − log μ)  for every token of the response
///   token:     p − b − τ (log π − log μ)           of the token alone
///
/// preferences [M]; token_log_ratios [T]: log π − log μ; offsets [M+1] of the responses; advantages [T] written
/// Errors: shape_error; domain_error.   TRL: the token form, with b = ½.
template <host_policy P, tensor X, tensor L, tensor N, tensor A>
void token_advantages(P&& policy, const X& preferences, const L& token_log_ratios, const N& offsets, A&& advantages,
                      const token_advantage_parameters& parameters = {}) {
  parameters.advantage.require_valid();
  const auto p = view(preferences);
  const auto ratio = view(token_log_ratios);
  const auto begin = view(offsets);
  const auto to = view(advantages);
  const std::int64_t responses = p.size();
  if (begin.size() != responses + 1)
    throw shape_error("offsets", std::to_string(begin.size()) + " offsets, expected one more than responses, " +
                                     std::to_string(responses + 1));
  if (to.size() != ratio.size())
    throw shape_error("advantages", std::to_string(to.size()) + " elements, expected " + std::to_string(ratio.size()));
  std::vector<double> sums(static_cast<std::size_t>(responses));
  segment_reduce(policy, detail::sum_of{}, inputs(named("token_log_ratios", ratio)), offsets, outputs(sums));
  for (std::int64_t m = 0; m < responses; ++m) {
    const double preference = static_cast<double>(p.element(m));
    if (is_nan(preference)) throw domain_error("preferences", m, "is not a number");
    const auto end = static_cast<std::int64_t>(begin.element(m + 1));
    for (auto t = static_cast<std::int64_t>(begin.element(m)); t < end; ++t) {
      const double one = parameters.credit == kl_credit::sequence ? sums[static_cast<std::size_t>(m)]
                                                                  : static_cast<double>(ratio.element(t));
      to.element(t) = static_cast<typename decltype(to)::value_type>(parameters.advantage(preference, one, 0.0));
    }
  }
}
template <tensor X, tensor L, tensor N, tensor A>
void token_advantages(const X& preferences, const L& token_log_ratios, const N& offsets, A&& advantages,
                      const token_advantage_parameters& parameters = {}) {
  token_advantages(simd{}, preferences, token_log_ratios, offsets, advantages, parameters);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
