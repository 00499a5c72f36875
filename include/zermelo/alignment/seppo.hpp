// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/pair_loss.hpp"
#include "../core/primitives/arguments.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Semi-policy preference optimisation:  ℓ = softplus(−β(a − s·b)),  b the log-ratio of a response that a reference drew, and
/// s = 1 if a ≥ 0, else −1: where the policy explains the winner worse than its reference, that response is learnt too.
/// A kernel of pair_loss; s goes to also_into and is held fixed in derivatives.
/// Source: Zhang et al. 2024, "SePPO: Semi-policy preference optimization for diffusion alignment".
struct seppo {
  double beta = 1.0;  ///< > 0

  template <class V>
  ZERMELO_FN auto operator()(V a, V b) const {
    const V sign = select(a < V(0), V(-1), V(1));
    const auto [cost, wrong, right] = softplus_sigmoid(V(-beta) * (a - sign * b));
    static_cast<void>(right);
    const V pull = V(beta) * wrong;
    return extended{pair_slopes<V>{cost, -pull, sign * pull}, bundle<>(), bundle(sign)};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

}  // namespace zermelo::inline v1::alignment
