// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Identity preference optimisation:  ℓ(h) = (h − 1/(2τ))²,  h as in dpo. Over-shooting is penalised: zero at h = 1/(2τ).
/// A kernel of pair_loss; with normalised_by lengths it is what TRL computes.
/// Source: Azar et al. 2024, eq. 17.   TRL name: "ipo" (length-normalised).
struct ipo {
  double tau = 0.1;  ///< strength of the regularisation, > 0

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V margin) const {
    const V gap = margin - V(0.5 / tau);
    return {.value = gap * gap, .slope = V(2) * gap};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("tau", tau); }
};

}  // namespace zermelo::inline v1::alignment
