// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Direct preference optimisation, with label smoothing:  ℓ(h) = (1−ε) softplus(−βh) + ε softplus(βh),
/// h = the policy's log-ratio margin minus the reference's. A kernel of pair_loss; with normalised_by lengths, Tülu 3's form,
/// for which β is of order 5. On the rewards of a model, without reference and with β = 1, it is Bradley–Terry's.
/// Its optimum for preferences σ(r_w − r_l) is π ∝ π_ref exp(r/β); with ε > 0 the margin stops at log((1−ε)/ε)/β.
/// Source: Rafailov et al. 2023, eq. 7; ε: Mitchell 2023 (conservative DPO); lengths: Lambert et al. 2024.
/// TRL name: "sigmoid"; "sigmoid_norm" with lengths.
struct dpo {
  double beta = 0.1;             ///< inverse temperature of the implicit reward, > 0
  double label_smoothing = 0.0;  ///< ε, probability that a label is flipped, in [0, 1]

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V margin) const {
    const auto [value, slope] = logistic_cross_entropy(V(beta) * margin, V(1 - label_smoothing), V(label_smoothing));
    return {.value = value, .slope = V(beta) * slope};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_probability("label_smoothing", label_smoothing);
  }
};

}  // namespace zermelo::inline v1::alignment
