// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/default_policy.hpp"
#include "../core/execution/policy.hpp"
#include "../core/primitives/map_reduce.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "detail/log_policies.hpp"
#include "gaps.hpp"
#include "preference_operator.hpp"

/// Policies by least squares on pairs of responses: online IPO, IPO-MD, INPO, EGPO, ONPO, and SPPO and GPO on single ones.
///
///   L(θ) = E_{y,y′~w} (h_y − h_{y′} − T(y, y′))²,   ∂L/∂h_y = 4 w_y (h_y − ⟨w, h⟩ − (T w)_y)
///
/// for a skew target T. h is log π_θ less something held, and since the gradient by h adds up to zero it is the one by the
/// logits too. The minimiser is a step of the game's dynamics; the methods differ in h, T and the weights w:
///
/// | loss | h | T(y, y′) | w |
/// |---|---|---|---|
/// | online IPO | log π − log μ | (P(y≻y′) − ½)/τ | π |
/// | IPO-MD | 〃 | 〃 | ∝ π^(1−β) μ^β |
/// | INPO | log π − (τ/η) log μ − (1−τ/η) log π_t | (P(y≻y′) − ½)/η | π_t |
/// | EGPO | log π − log μ | ((Pν)_y − (Pν)_{y′})/τ | uniform |
/// | ONPO | log π − log π̂ | step·(q_y − q_{y′}) | π̂ |
///
/// INPO's with its minimiser stands in inpo_population.hpp.
/// Source: Calandriello et al. 2024 (online IPO, IPO-MD); Zhang et al. 2024 (INPO); Zhou et al. 2025 (EGPO); Wu et al. 2024
/// (SPPO); Zhang et al. 2024 (GPO).
namespace zermelo::inline v1::game {

/// What stands for the square of the target in the value of a loss; gradients do not depend on it.
enum class regression_form : std::uint8_t {
  expected,  ///< labels integrated out, T as above; its mean square takes all n² probabilities
  labelled,  ///< E (h_w − h_l − 1/(2τ))² over winners and losers, larger by a constant
};

struct preference_regression_parameters {
  double scale = 0.1;  ///< τ of IPO, the inverse step η of INPO; > 0
  regression_form form = regression_form::expected;

  ZERMELO_INLINE void require_valid() const {
    if (!is_finite(scale) || scale <= 0) throw domain_error("scale", domain_error::whole, "expected a positive number");
  }
};

struct online_ipo_parameters {
  double kl_weight = 0.1;  ///< τ > 0
  regression_form form = regression_form::expected;
};

struct payoff_regression_parameters {
  double step = 1;  ///< what a unit of payoff is worth in log-probability; finite
};

struct response_regression_parameters {
  double step = 1;            ///< η of SPPO, 1/β of GPO
  double offset = 0;          ///< subtracted from payoffs: ½ for win rates
  double log_normaliser = 0;  ///< log Z, in log-probability; what is left of it is of second order in the step
};

/// The residual of one response:  r = log π − log π_t − step·(payoff − offset) + log Z,  loss r². What neither policy plays
/// is as it should be: r = 0.
struct response_regression_kernel {
  response_regression_parameters of = {};

  template <class V>
  ZERMELO_FN auto operator()(V log_policy, V log_previous, V payoff) const {
    using T = scalar_t<V>;
    const mask_t<V> absent = (log_policy == log_previous) & !is_finite(log_policy);
    const V target = V(T(of.step)) * (payoff - V(T(of.offset))) - V(T(of.log_normaliser));
    const V r = select(absent, V(0), (log_policy - log_previous) - target);
    return mapped{bundle(r * r, r + r), bundle(total(r * r))};
  }
};

namespace detail::inline ZERMELO_ISA {

struct weighted_mean_terms {
  template <class V>
  ZERMELO_FN auto operator()(V weight, V h) const {
    return mapped{bundle<>(), bundle(total(weighted(weight, h)), total(weight))};
  }
};

/// 4 w (h − mean − drift), and w (h − mean)² and w (h − mean) drift.
struct regression_terms {
  double mean;
  template <class V>
  ZERMELO_FN auto operator()(V weight, V h, V drift) const {
    const V centred = h - V(scalar_t<V>(mean));
    const V moved = weighted(weight, centred);
    return mapped{bundle(V(4) * weighted(weight, centred - drift)),
                  bundle(total(weighted(moved, centred)), total(weighted(moved, drift)))};
  }
};

/// log π − log μ; 0 where neither plays.
struct log_ratio {
  template <class V>
  ZERMELO_FN V operator()(V log_policy, V log_reference) const {
    return select(log_policy == log_reference, V(0), log_policy - log_reference);
  }
};

struct payoff_ratio {
  double step;
  template <class V>
  ZERMELO_FN V operator()(V log_policy, V log_base, V payoff) const {
    return log_ratio{}(log_policy, log_base) - V(scalar_t<V>(step)) * payoff;
  }
};

struct drift_of {
  double tie, inverse;
  template <class V>
  ZERMELO_FN V operator()(V win_rate) const {
    return (win_rate - V(scalar_t<V>(tie))) * V(scalar_t<V>(inverse));
  }
};

template <class V>
void require_as_many(const V& v, const char* name, std::int64_t n) {
  if (v.size() != n) throw shape_error(name, std::to_string(v.size()) + " elements, expected " + std::to_string(n));
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// The loss of least squares over pairs, and its gradient by h.
///
///   L = 2 Σ w (h − ⟨w,h⟩)² − 4 Σ w (h − ⟨w,h⟩) drift + mean_square,   drift = T w,  mean_square = Σ w_y w_{y′} T(y, y′)²
///
/// weights [n] a probability vector; values [n] h, of which those with weight zero may be infinite; drift [n];
/// gradient [n] written.
/// Errors: shape_error; domain_error.   Cost: two passes.
template <host_policy P, tensor W, tensor H, tensor D, tensor G>
double pair_regression(P&& policy, const W& weights, const H& values, const D& drift, double mean_square,
                       G&& gradient) {
  detail::require_policy("weights", view(weights), view(weights).size());
  const auto sums =
      map_reduce(policy, detail::weighted_mean_terms{}, inputs(named("weights", weights), named("values", values)));
  const double mean = get<0>(sums).value / get<1>(sums).value;
  if (!is_finite(mean))
    throw domain_error("values", domain_error::whole, "an infinite log-ratio has a positive weight");
  const auto terms =
      map_reduce(policy, detail::regression_terms{mean},
                 inputs(named("weights", weights), named("values", values), named("drift", drift)), outputs(gradient));
  return 2 * get<0>(terms).value - 4 * get<1>(terms).value + mean_square;
}
template <tensor W, tensor H, tensor D, tensor G>
double pair_regression(const W& weights, const H& values, const D& drift, double mean_square, G&& gradient) {
  return pair_regression(simd{}, weights, values, drift, mean_square, gradient);
}

/// The loss whose target is a preference, T(y, y′) = (P(y≻y′) − ½)/scale, and its gradient by h.
///
/// Pairs are drawn from the weights, and that matters: with other weights the minimiser is another one, unless P is
/// additive.
/// Errors: shape_error; domain_error.
/// Cost: one win_rate, three passes; the value in the expected form n² probabilities. Allocates n numbers.
template <host_policy P, preference_operator O, tensor W, tensor H, tensor G>
double preference_regression(P&& policy, const O& game, const W& weights, const H& values, G&& gradient,
                             const preference_regression_parameters& parameters = {}) {
  parameters.require_valid();
  using T = typename O::value_type;
  const auto w = view(weights);
  const std::int64_t n = game.items();
  detail::require_as_many(w, "weights", n);
  detail::require_as_many(view(values), "values", n);
  detail::require_as_many(view(gradient), "gradient", n);
  const double inverse = 1 / parameters.scale, tie = tie_of(game);
  std::vector<T> drift(static_cast<std::size_t>(n));
  game.win_rate(policy, w, drift);
  map_reduce(policy, detail::drift_of{tie, inverse}, inputs(named("win_rate", drift)), outputs(drift));
  double mean_square = 0.25 * inverse * inverse;
  if (parameters.form == regression_form::expected) {
    mean_square = 0;
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < i; ++j) {
        const double target = (game.probability(i, j) - tie) * inverse;
        mean_square += 2 * static_cast<double>(w.element(i)) * static_cast<double>(w.element(j)) * target * target;
      }
  }
  return pair_regression(policy, weights, values, drift, mean_square, gradient);
}
template <preference_operator O, tensor W, tensor H, tensor G>
double preference_regression(const O& game, const W& weights, const H& values, G&& gradient,
                             const preference_regression_parameters& parameters = {}) {
  return preference_regression(simd{}, game, weights, values, gradient, parameters);
}

/// Online IPO where pairs are drawn from π, IPO-MD where from a mixture, with labels integrated out.
///
///   L = E_{y,y′~w} (h_y − h_{y′} − (P(y≻y′) − ½)/τ)²,   h = log π − log μ
///
/// log_policy, log_reference [n]; weights [n] the sampling policy, held; gradient [n] by the logits, written
/// With w = π the gradient is −4/τ times that of P_τ(π_θ ≻ π): online IPO is self-play, and rests at the regularised Nash.
/// Errors: shape_error; domain_error.   Cost: as preference_regression.
/// Source: Calandriello et al. 2024, "Human alignment of large language models through online preference optimisation".
template <host_policy P, preference_operator O, tensor L, tensor R, tensor W, tensor G>
double online_ipo(P&& policy, const O& game, const L& log_policy, const R& log_reference, const W& weights,
                  G&& gradient, const online_ipo_parameters& parameters = {}) {
  if (!is_finite(parameters.kl_weight) || parameters.kl_weight <= 0)
    throw domain_error("kl_weight", domain_error::whole, "expected a positive number");
  std::vector<typename O::value_type> h(static_cast<std::size_t>(game.items()));
  detail::require_log_policy("log_policy", view(log_policy), game.items());
  detail::require_log_policy("log_reference", view(log_reference), game.items(), true);
  map_reduce(policy, detail::log_ratio{},
             inputs(named("log_policy", log_policy), named("log_reference", log_reference)), outputs(h));
  return preference_regression(policy, game, weights, h, gradient,
                               {.scale = parameters.kl_weight, .form = parameters.form});
}
template <preference_operator O, tensor L, tensor R, tensor W, tensor G>
double online_ipo(const O& game, const L& log_policy, const R& log_reference, const W& weights, G&& gradient,
                  const online_ipo_parameters& parameters = {}) {
  return online_ipo(simd{}, game, log_policy, log_reference, weights, gradient, parameters);
}

/// Of several games, one a prompt: log_policy, log_reference, weights, gradient [G, n]; losses [G] written.
template <host_policy P, preference_batch B, tensor L, tensor R, tensor W, tensor G, tensor O>
void online_ipo(P&& policy, const B& games, const L& log_policy, const R& log_reference, const W& weights, G&& gradient,
                O&& losses, const online_ipo_parameters& parameters = {}) {
  const auto l = view(log_policy);
  const auto mu = view(log_reference);
  const auto w = view(weights);
  const auto g = view(gradient);
  const auto out = view(losses);
  detail::require_games(l, "log_policy", games.games());
  detail::require_games(mu, "log_reference", games.games());
  detail::require_games(w, "weights", games.games());
  detail::require_games(g, "gradient", games.games());
  detail::require_as_many(out, "losses", games.games());
  for_each_tile(policy, games.games(), [&](std::int64_t k) {
    out.element(k) = static_cast<typename decltype(out)::value_type>(
        online_ipo(simd{}, games.game(k), detail::row_of_policies(l, k), detail::row_of_policies(mu, k),
                   detail::row_of_policies(w, k), detail::row_of_policies(g, k), parameters));
  });
}

/// The loss whose target is additive, a difference of payoffs:
///
///   L = E_{y,y′~w} (d_y − d_{y′})²,   d = log π − log base − step·payoff
///
/// weights, log_policy, log_base, payoff [n]; gradient [n] by the logits, written
/// EGPO: uniform weights, base μ, payoff P ν, step 1/τ. ONPO: weights and base π̂, step η, payoff the prediction, then what
/// was observed. Any weights of full support have the same minimiser.
/// Errors: shape_error; domain_error.   Cost: three passes; allocates 2n numbers.
/// Source: Zhou et al. 2025, "Extragradient preference optimization"; Zhang et al. 2025 (ONPO).
template <host_policy P, tensor W, tensor L, tensor B, tensor Q, tensor G>
double payoff_regression(P&& policy, const W& weights, const L& log_policy, const B& log_base, const Q& payoff,
                         G&& gradient, const payoff_regression_parameters& parameters = {}) {
  if (!is_finite(parameters.step)) throw domain_error("step", domain_error::whole, "is not a finite number");
  using T = element_t<L>;
  const auto n = view(log_policy).size();
  std::vector<T> d(static_cast<std::size_t>(n));
  detail::require_as_many(view(weights), "weights", n);
  map_reduce(policy, detail::payoff_ratio{parameters.step},
             inputs(named("log_policy", log_policy), named("log_base", log_base), named("payoff", payoff)), outputs(d));
  const T zero(0);
  const tensor_view<const T, 1> no_drift{.data = &zero, .shape = {n}, .strides = {0}};
  return pair_regression(policy, weights, d, no_drift, 0, gradient);
}
template <tensor W, tensor L, tensor B, tensor Q, tensor G>
double payoff_regression(const W& weights, const L& log_policy, const B& log_base, const Q& payoff, G&& gradient,
                         const payoff_regression_parameters& parameters = {}) {
  return payoff_regression(simd{}, weights, log_policy, log_base, payoff, gradient, parameters);
}

/// One regression from sampled pairs:  L = Σ_m (h_{first[m]} − h_{second[m]} − target[m])².
///
/// first, second [M] integers in [0, n); targets [M]: (P − ½)/τ, or ±1/(2τ) from a verdict on the pair, or a difference of
/// payoffs against a third response; values [n] h; gradient [n] of the sum, written
/// Averaged over pairs drawn from w it is the population's gradient: the square's constant apart, targets may be noisy.
/// Errors: shape_error; domain_error.   Cost: M + n.
template <tensor F, tensor S, tensor T, tensor H, tensor G>
double sampled_pair_regression(const F& first, const S& second, const T& targets, const H& values, G&& gradient) {
  const auto a = view(first);
  const auto b = view(second);
  const auto target = view(targets);
  const auto h = view(values);
  const auto to = view(gradient);
  const std::int64_t n = h.size();
  detail::require_as_many(b, "second", a.size());
  detail::require_as_many(target, "targets", a.size());
  detail::require_as_many(to, "gradient", n);
  for (std::int64_t k = 0; k < n; ++k) to.element(k) = 0;
  double loss = 0;
  for (std::int64_t m = 0; m < a.size(); ++m) {
    if (!zermelo::detail::in_range(a.element(m), n)) throw domain_error("first", m, "is no item");
    if (!zermelo::detail::in_range(b.element(m), n)) throw domain_error("second", m, "is no item");
    const auto y = static_cast<std::int64_t>(a.element(m)), z = static_cast<std::int64_t>(b.element(m));
    const double residual =
        static_cast<double>(h.element(y)) - static_cast<double>(h.element(z)) - static_cast<double>(target.element(m));
    if (!is_finite(residual)) throw domain_error("targets", m, "this pair's residual is not a finite number");
    loss += residual * residual;
    to.element(y) += static_cast<typename decltype(to)::value_type>(2 * residual);
    to.element(z) -= static_cast<typename decltype(to)::value_type>(2 * residual);
  }
  return loss;
}

/// SPPO's and GPO's regression on single responses:  L = Σ_k (log π − log π_t − step·(payoff − offset) + log Z)².
///
/// log_policy, log_previous, payoff [K]; losses, gradient [K] by log π, written; discard what is not wanted. Returns the
/// sum; SPPO and GPO take the mean over K.
/// SPPO: payoff the win rate, step η, offset ½. GPO: payoff the score against π_t, step 1/β, no offset: scores have mean
/// zero under π_t. The minimiser over policies is anchor_step(log_previous, log_previous, payoff) with that step.
/// Errors: shape_error; domain_error.   Cost: one pass.
/// Source: Wu et al. 2024, "Self-play preference optimization"; Zhang et al. 2024, "General preference modeling …".
template <execution P, tensor L, tensor R, tensor Q, class O, class G>
double response_regression(P&& policy, const L& log_policy, const R& log_previous, const Q& payoff, O&& losses,
                           G&& gradient, const response_regression_parameters& parameters = {}) {
  if (!is_finite(parameters.step)) throw domain_error("step", domain_error::whole, "is not a finite number");
  if (!is_finite(parameters.offset)) throw domain_error("offset", domain_error::whole, "is not a finite number");
  if (!is_finite(parameters.log_normaliser))
    throw domain_error("log_normaliser", domain_error::whole, "is not a finite number");
  const auto sums =
      map_reduce(policy, response_regression_kernel{parameters},
                 inputs(named("log_policy", log_policy), named("log_previous", log_previous), named("payoff", payoff)),
                 outputs(losses, gradient));
  return get<0>(sums).value;
}
template <tensor L, tensor R, tensor Q, class O, class G>
double response_regression(const L& log_policy, const R& log_previous, const Q& payoff, O&& losses, G&& gradient,
                           const response_regression_parameters& parameters = {}) {
  return response_regression(simd{}, log_policy, log_previous, payoff, losses, gradient, parameters);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
