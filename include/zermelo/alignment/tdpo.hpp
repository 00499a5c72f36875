// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/pair_loss.hpp"
#include "../core/primitives/arguments.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Token-level DPO:  ℓ = softplus(−β(h − (d_l − d_w))),  d = Σₜ KL(π_ref(·|y_<t) ‖ π(·|y_<t)) of the rejected and the chosen
/// response. A kernel of pair_loss with two columns alongside, d_w and d_l; its derivatives by them go to also_into.
/// Source: Zeng et al. 2024, eq. 14 (TDPO₁).
struct tdpo1 {
  double beta = 0.1;  ///< > 0

  static constexpr const char* columns[] = {"divergence_chosen", "divergence_rejected"};

  template <class V>
  ZERMELO_FN auto operator()(V margin, V chosen, V rejected) const {
    const auto [cost, wrong, right] = softplus_sigmoid(V(-beta) * (margin - (rejected - chosen)));
    static_cast<void>(right);
    const V pull = V(beta) * wrong;
    return extended{value_slope<V>{cost, -pull}, bundle(-pull, pull), bundle<>()};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

/// The same with  β(h − α(d_l − d_w))  where d_w is held fixed: its derivative is 0. α = 0 is DPO.
/// Source: Zeng et al. 2024, eq. 17 (TDPO₂).
struct tdpo2 {
  double beta = 0.1;   ///< > 0
  double alpha = 0.5;  ///< α ≥ 0

  static constexpr const char* columns[] = {"divergence_chosen", "divergence_rejected"};

  template <class V>
  ZERMELO_FN auto operator()(V margin, V chosen, V rejected) const {
    const auto [cost, wrong, right] = softplus_sigmoid(V(-beta) * (margin - weighted(V(alpha), rejected - chosen)));
    static_cast<void>(right);
    const V pull = V(beta) * wrong;
    return extended{value_slope<V>{cost, -pull}, bundle(V(0), V(alpha) * pull), bundle<>()};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_nonnegative("alpha", alpha);
  }
};

}  // namespace zermelo::inline v1::alignment
