// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/pair_loss.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Simple preference optimisation:  ℓ(h) = (1−ε) softplus(γ − βh) + ε softplus(βh − γ),  h the difference of mean token
/// log-probabilities: without reference, normalised_by lengths. A kernel of pair_loss.
/// The paper's code gives γ/β = 0.25 with β = 2; TRL's `simpo_gamma` is γ itself. With an SFT term: `mixture`.
/// Source: Meng et al. 2024, eq. 6.   TRL name: CPO's "simpo".
struct simpo {
  double beta = 2.0;             ///< > 0
  double gamma = 0.5;            ///< γ, the margin that is asked for
  double label_smoothing = 0.0;  ///< ε, in [0, 1]

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V margin) const {
    const auto [value, slope] =
        logistic_cross_entropy(V(beta) * margin - V(gamma), V(1 - label_smoothing), V(label_smoothing));
    return {.value = value, .slope = V(beta) * slope};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_finite("gamma", gamma);
    parameters::require_probability("label_smoothing", label_smoothing);
  }
};

/// SimPO with a hinge:  ℓ(h) = max(0, 1 + γ − βh). A kernel of pair_loss.   Source: the code of Meng et al. 2024.
struct simpo_hinge {
  double beta = 2.0;   ///< > 0
  double gamma = 0.5;  ///< γ

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V margin) const {
    const V missing = V(1 + gamma) - V(beta) * margin;
    const mask_t<V> active = missing > V(0);
    return {.value = select(active, missing, V(0)), .slope = select(active, V(-beta), V(0))};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_finite("gamma", gamma);
  }
};

/// AlphaPO, SimPO with a bent reward:  ℓ = softplus(γ − β(r(a) − r(b))),  r(u) = (1 − e^(−αu))/α,  r(u) = u for α = 0;
/// a and b are mean token log-probabilities: without reference, normalised_by lengths. A kernel of pair_loss.
/// Source: Gupta et al. 2025, eq. 7.   TRL name: CPO's "alpha".
struct alphapo {
  double beta = 2.5;    ///< > 0
  double gamma = 0.5;   ///< γ
  double alpha = 0.25;  ///< α, any number

  template <class V>
  ZERMELO_FN pair_slopes<V> operator()(V a, V b) const {
    const bool straight = alpha == 0;
    const V minus = V(-alpha), scale = V(straight ? 0.0 : -1 / alpha);
    const V x = straight ? a : scale * expm1(minus * a), y = straight ? b : scale * expm1(minus * b);
    const auto [cost, wrong, right] = softplus_sigmoid(V(gamma) - V(beta) * (x - y));
    static_cast<void>(right);
    const V pull = V(beta) * wrong;
    return {.value = cost,
            .chosen = straight ? -pull : -weighted(pull, exp(minus * a)),
            .rejected = straight ? pull : weighted(pull, exp(minus * b))};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_finite("gamma", gamma);
    parameters::require_finite("alpha", alpha);
  }
};

}  // namespace zermelo::inline v1::alignment
