// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Tool-augmented reward modelling, a composite:  ℓ = ρ softplus(−(r_w − r_l)) + α n_t + β n_o + ω n_r,  n the mean negative
/// log-likelihoods of tool calls, observations and rationales, r the rewards, given in place of log-probabilities without
/// reference. A kernel of pair_loss with three columns alongside. A weight of zero silences its term.
/// Source: Li et al. 2024, "Tool-augmented reward modeling", eq. 4; ρ = ½ in its code.
struct themis {
  double reward_weight = 0.5;       ///< ρ ≥ 0
  double tool_weight = 1.0;         ///< α ≥ 0
  double observation_weight = 1.0;  ///< β ≥ 0
  double rationale_weight = 1.0;    ///< ω ≥ 0

  static constexpr const char* columns[] = {"tool", "observation", "rationale"};

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V margin, V tool, V observation, V rationale) const {
    const auto [cost, wrong, right] = softplus_sigmoid(-margin);
    static_cast<void>(right);
    return {.value = weighted(V(reward_weight), cost) + weighted(V(tool_weight), tool) +
                     weighted(V(observation_weight), observation) + weighted(V(rationale_weight), rationale),
            .slope = V(-reward_weight) * wrong};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_nonnegative("reward_weight", reward_weight);
    parameters::require_nonnegative("tool_weight", tool_weight);
    parameters::require_nonnegative("observation_weight", observation_weight);
    parameters::require_nonnegative("rationale_weight", rationale_weight);
  }
};

}  // namespace zermelo::inline v1::alignment
