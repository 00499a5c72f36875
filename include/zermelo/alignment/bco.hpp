// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/pair_loss.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Binary classifier optimisation of pairs:  ℓ = softplus(−βa) + softplus(βb). A kernel of pair_loss.
/// Source: Jung et al. 2024, eq. 8.   TRL name: "bco_pair".
struct bco_pair {
  double beta = 0.1;  ///< > 0

  template <class V>
  ZERMELO_FN pair_slopes<V> operator()(V a, V b) const {
    const auto x = softplus_sigmoid(V(-beta) * a), y = softplus_sigmoid(V(beta) * b);
    return {.value = x.softplus + y.softplus, .chosen = V(-beta) * x.sigmoid, .rejected = V(beta) * y.sigmoid};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

}  // namespace zermelo::inline v1::alignment
