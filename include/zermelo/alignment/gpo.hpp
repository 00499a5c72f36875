// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "../core/config.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Convex functions of t = βh, and one that is not.
enum class gpo_link : std::uint8_t {
  logistic,             ///< softplus(−t): DPO
  exponential,          ///< e⁻ᵗ: AdaBoost's. Infinite below t = −709 (−88 in float)
  hinge,                ///< max(0, 1 − t): SLiC on log-ratios
  truncated_quadratic,  ///< max(0, 1 − t)²
  squared,              ///< (1 − t)²: with β = 2τ, 4τ² times IPO
  savage                ///< σ(−t)², bounded, not convex
};

/// Generalised preference optimisation:  ℓ(h) = f(βh) for a link f. A kernel of pair_loss. At the same β links differ in
/// curvature, f″(0)/|f′(0)|, and thereby in how strongly they regularise: ½ logistic and savage, 1 exponential and squares.
/// Source: Tang et al. 2024, table 1.
template <gpo_link Link>
struct gpo {
  double beta = 0.1;  ///< > 0

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V margin) const {
    const V t = V(beta) * margin, steep = V(beta);
    const V missing = V(1) - t;
    if constexpr (Link == gpo_link::logistic) {
      const auto [cost, wrong, right] = softplus_sigmoid(-t);
      static_cast<void>(right);
      return {.value = cost, .slope = -steep * wrong};
    } else if constexpr (Link == gpo_link::exponential) {
      const V e = exp(-t);
      return {.value = e, .slope = -steep * e};
    } else if constexpr (Link == gpo_link::hinge) {
      return {.value = select(missing > V(0), missing, V(0)), .slope = select(missing > V(0), -steep, V(0))};
    } else if constexpr (Link == gpo_link::truncated_quadratic) {
      const V short_by = select(missing > V(0), missing, V(0));
      return {.value = short_by * short_by, .slope = V(-2) * steep * short_by};
    } else if constexpr (Link == gpo_link::squared) {
      return {.value = missing * missing, .slope = V(-2) * steep * missing};
    } else {
      const auto [cost, wrong, right] = softplus_sigmoid(-t);
      static_cast<void>(cost);
      return {.value = wrong * wrong, .slope = V(-2) * steep * (wrong * wrong) * right};
    }
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

}  // namespace zermelo::inline v1::alignment
