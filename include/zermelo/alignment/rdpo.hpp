// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"
#include "detail/two_sided.hpp"

namespace zermelo::inline v1::alignment {

/// Provably robust DPO:  ℓ(h) = ((1−ε) softplus(−βh) − ε softplus(βh)) / (1 − 2ε). A kernel of pair_loss.
/// Unbiased under flipped labels: (1−ε) ℓ(h) + ε ℓ(−h) = softplus(−βh). Not bounded below: → −εβh/(1−2ε), and its slope never
/// vanishes.
/// Source: Ray Chowdhury et al. 2024, eq. 12.   TRL name: "robust".
struct rdpo {
  double beta = 0.1;             ///< > 0
  double label_smoothing = 0.1;  ///< ε, the share of labels that are flipped, in [0, ½)

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V margin) const {
    const V h = V(beta) * margin;
    const V scale = V(1 / (1 - 2 * label_smoothing));
    const V e = V(label_smoothing), rest = V(1 - label_smoothing);
    const auto t = two_sided(h);
    // softplus(h) = h + softplus(−h): what is common cancels, and one infinity is not taken from the other.
    const V value =
        select(h > V(0), t.down - weighted(e, t.up) - weighted(e, t.down), weighted(rest, t.down) - weighted(e, t.up));
    return {.value = scale * value, .slope = V(-beta) * scale * (rest * t.complement + e * t.sigmoid)};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_below_half("label_smoothing", label_smoothing);
  }
};

}  // namespace zermelo::inline v1::alignment
