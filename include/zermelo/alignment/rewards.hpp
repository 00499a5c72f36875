// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/pair_loss.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Implicit rewards, which trainers log: the "loss" is the margin β(a − b), the "gradients" are the rewards βa and βb:
///
///     const auto sums = pair_loss(implicit_reward{.beta = 0.1}, chosen, rejected, reference_chosen, reference_rejected,
///                                 margins, chosen_rewards, rejected_rewards);
///     sums.mean_over_pairs();  // mean margin
///     sums.accuracy();         // share of pairs with the larger reward on the chosen; ties are wrong
///
/// For IPO give τ for β; for SimPO no reference, and normalised_by lengths.   TRL names: rewards/chosen, rewards/rejected,
/// rewards/margins, rewards/accuracies.
struct implicit_reward {
  double beta = 0.1;  ///< > 0

  template <class V, bool Normalised>
  ZERMELO_FN pair_slopes<V> operator()(const pair_terms<V, Normalised>& p) const {
    const V chosen = V(beta) * p.chosen_ratio, rejected = V(beta) * p.rejected_ratio;
    return {chosen - rejected, chosen, rejected};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

}  // namespace zermelo::inline v1::alignment
