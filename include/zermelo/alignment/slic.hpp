// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/pair_loss.hpp"
#include "../core/primitives/arguments.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Sequence likelihood calibration on log-ratios, a hinge:  ℓ(h) = max(0, 1 − βh). A kernel of pair_loss. The slope at the
/// kink is 0.
/// Source: Zhao et al. 2023; on ratios: Liu et al. 2024.   TRL name: "hinge".
struct dpo_hinge {
  double beta = 0.1;  ///< > 0; the margin on log-ratios is 1/β

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V margin) const {
    const V missing = V(1) - V(beta) * margin;
    const mask_t<V> active = missing > V(0);
    return {.value = select(active, missing, V(0)), .slope = select(active, V(-beta), V(0))};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

/// SLiC-HF, calibration with a regulariser:  ℓ = max(0, δ − (a − b)) − λ·log p(sft),  a and b the log-probabilities of the
/// pair without reference. A kernel of pair_loss with one column alongside, the log-probability of a supervised response;
/// its derivative −λ goes to also_into.
/// Source: Zhao et al. 2023, eq. 1 and section 2.3.   HALOs name: SLiCTrainer, which takes the chosen as supervised response.
struct slic_hf {
  double delta = 1.0;   ///< the margin, ≥ 0
  double lambda = 0.1;  ///< weight of the regulariser, ≥ 0

  static constexpr const char* columns[] = {"supervised"};

  template <class V>
  ZERMELO_FN auto operator()(V margin, V supervised) const {
    const V missing = V(delta) - margin;
    const mask_t<V> active = missing > V(0);
    return extended{
        value_slope<V>{select(active, missing, V(0)) - weighted(V(lambda), supervised), select(active, V(-1), V(0))},
        bundle(V(-lambda)), bundle<>()};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_nonnegative("delta", delta);
    parameters::require_nonnegative("lambda", lambda);
  }
};

}  // namespace zermelo::inline v1::alignment
