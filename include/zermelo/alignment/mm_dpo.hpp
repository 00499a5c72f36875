// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/pair_loss.hpp"
#include "../core/primitives/arguments.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// DPO whose β grows with the margin m that a reward model sees:
///
///   ℓ(h) = softplus(−β(m) h),   β(m) = max(0.001, β (1 + w (1 − e^(−km))))
///
/// A kernel of pair_loss with one column alongside, m; β(m) goes to also_into. w = 0 is DPO.
/// Source: Zhang et al. 2025, "MM-RLHF", eq. 5.
struct mm_dpo {
  double beta = 0.1;    ///< β at m = 0, > 0
  double weight = 0.1;  ///< w ≥ 0: β(m) tends to (1 + w)β
  double rate = 0.5;    ///< k > 0

  static constexpr const char* columns[] = {"reward_margin"};

  template <class V>
  ZERMELO_FN auto operator()(V margin, V reward_margin) const {
    const V grown = V(beta) * (V(1) - weighted(V(weight), expm1(V(-rate) * reward_margin)));
    const V used = select(grown > V(0.001), grown, V(0.001));
    const auto [cost, wrong, right] = softplus_sigmoid(-(used * margin));
    static_cast<void>(right);
    return extended{value_slope<V>{cost, -(used * wrong)}, bundle<>(), bundle(used)};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_nonnegative("weight", weight);
    parameters::require_positive("rate", rate);
  }
};

}  // namespace zermelo::inline v1::alignment
