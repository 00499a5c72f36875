// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// The loss that a language model discovered, modulated by the log-ratio:
///
///   ℓ(h) = (1−m) softplus(−βh) + m e^(−βh),   m = σ(βh/τ)
///
/// A kernel of pair_loss. Not convex around 0. Products of a vanishing and an exploding factor are taken as one exponential.
/// Source: Lu et al. 2024, eq. 4 (DiscoPOP).   TRL name: "discopop".
struct discopop {
  double beta = 0.1;           ///< > 0
  double discopop_tau = 0.05;  ///< τ, the temperature of the modulation, > 0

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V margin) const {
    const V h = V(beta) * margin, sharp = V(1 / discopop_tau);
    const auto [cost, wrong, right] = softplus_sigmoid(-h);
    static_cast<void>(right);
    const auto [log_rest, rest, m] = softplus_sigmoid(-(h * sharp));  // −log m, 1 − m, m
    // Below, m e^(−h) = e^(h/τ − h − softplus(h/τ)): nothing is left of it where 1/τ > 1.
    const V exponent = select(h < V(0), weighted(sharp - V(1), h) - softplus(h * sharp), -h - log_rest);
    const V modulated = exp(exponent);
    const V bend = m * rest * sharp;  // m′
    return {.value = weighted(rest, cost) + modulated,
            .slope = V(beta) * (weighted(rest * sharp, modulated) - weighted(bend, cost) - rest * wrong - modulated)};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_positive("discopop_tau", discopop_tau);
  }
};

}  // namespace zermelo::inline v1::alignment
