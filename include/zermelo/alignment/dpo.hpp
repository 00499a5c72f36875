// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/value.hpp"

namespace zermelo::inline v1::alignment {

/// Direct preference optimisation, with label smoothing:  ℓ(h) = (1−ε) softplus(−βh) + ε softplus(βh),
/// h = the policy's log-ratio margin minus the reference's. A kernel of pair_loss.
/// Source: Rafailov et al. 2023, eq. 7; ε: Mitchell 2023 (conservative DPO).   TRL name: "sigmoid".
struct dpo {
  double beta = 0.1;             ///< inverse temperature of the implicit reward, > 0
  double label_smoothing = 0.0;  ///< ε, probability that a label is flipped, in [0, 1]

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V margin) const {
    const V h = V(beta) * margin;
    const V e = V(label_smoothing), rest = V(1 - label_smoothing);
    const auto [cost, wrong, right] = softplus_sigmoid(-h);            // softplus(−h), σ(−h), σ(h)
    return {.value = weighted(rest, cost) + weighted(e, softplus(h)),  // a zero weight silences an infinite term
            .slope = V(beta) * (e * right - rest * wrong)};            // no cancellation: exact at |h| = 700
  }

  ZERMELO_INLINE void require_valid() const {
    if (!(beta > 0) || !is_finite(beta))
      throw domain_error("beta", domain_error::whole, detail::text(beta) + ", expected a positive number");
    if (!(label_smoothing >= 0 && label_smoothing <= 1))
      throw domain_error("label_smoothing", domain_error::whole,
                         detail::text(label_smoothing) + ", expected a probability");
  }
};

}  // namespace zermelo::inline v1::alignment
