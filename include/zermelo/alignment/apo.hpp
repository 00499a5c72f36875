// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/pair_loss.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Anchored preference optimisation, raising the chosen:  ℓ = σ(−βa) + σ(βb). A kernel of pair_loss. In (0, 2), 1 at the
/// reference. Unpaired: `kto` without a baseline.
/// Source: D'Oosterlinck et al. 2024, eq. 6.   TRL name: "apo_zero".
struct apo_zero {
  double beta = 0.1;  ///< > 0

  template <class V>
  ZERMELO_FN pair_slopes<V> operator()(V a, V b) const {
    const auto x = softplus_sigmoid(V(beta) * a), y = softplus_sigmoid(V(beta) * b);
    return {.value = x.complement + y.sigmoid,
            .chosen = V(-beta) * (x.sigmoid * x.complement),
            .rejected = V(beta) * (y.sigmoid * y.complement)};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

/// The same, lowering both and the rejected more:  ℓ = σ(βa) + σ(−β(a − b)). A kernel of pair_loss.
/// Source: D'Oosterlinck et al. 2024, eq. 7.   TRL name: "apo_down".
struct apo_down {
  double beta = 0.1;  ///< > 0

  template <class V>
  ZERMELO_FN pair_slopes<V> operator()(V a, V b) const {
    const auto x = softplus_sigmoid(V(beta) * a), d = softplus_sigmoid(V(beta) * (a - b));
    const V pull = V(beta) * (d.sigmoid * d.complement);
    return {.value = x.sigmoid + d.complement, .chosen = V(beta) * (x.sigmoid * x.complement) - pull, .rejected = pull};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

}  // namespace zermelo::inline v1::alignment
