// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/pair_loss.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// DPO-positive, which does not let the chosen fall below the reference:
///
///   ℓ = softplus(−β(a − b − λ max(0, −a)))
///
/// A kernel of pair_loss. λ = 0 is DPO. Source: Pal et al. 2024, eq. 3 (Smaug).
struct dpop {
  double beta = 0.3;     ///< > 0
  double lambda = 50.0;  ///< λ ≥ 0, what a log-probability below the reference's costs

  template <class V>
  ZERMELO_FN pair_slopes<V> operator()(V a, V b) const {
    const mask_t<V> below = a < V(0);
    const V fallen = select(below, -a, V(0));
    const auto [cost, wrong, right] = softplus_sigmoid(V(-beta) * (a - b - weighted(V(lambda), fallen)));
    static_cast<void>(right);
    const V pull = V(beta) * wrong;
    return {.value = cost, .chosen = select(below, V(-1 - lambda), V(-1)) * pull, .rejected = pull};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_nonnegative("lambda", lambda);
  }
};

}  // namespace zermelo::inline v1::alignment
