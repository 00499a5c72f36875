// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/pair_loss.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"
#include "detail/two_sided.hpp"

namespace zermelo::inline v1::alignment {

/// Noise contrastive alignment of a pair:  ℓ = softplus(−βa) + ½ softplus(βa) + ½ softplus(βb). A kernel of pair_loss.
/// The chosen stops at βa = log 2, the rejected is always pushed down: likelihood is anchored, which differences do not do.
/// Source: Chen et al. 2024, eq. 13 with K = 2 and hard labels.   TRL name: "nca_pair". The list form: list_losses.hpp.
struct nca_pair {
  double beta = 0.01;  ///< > 0

  template <class V>
  ZERMELO_FN pair_slopes<V> operator()(V a, V b) const {
    const V half = V(0.5), scale = V(beta);
    const auto x = two_sided(scale * a);
    const auto y = softplus_sigmoid(scale * b);
    return {.value = x.down + half * (x.up + y.softplus),
            .chosen = scale * (half * x.sigmoid - x.complement),
            .rejected = scale * (half * y.sigmoid)};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

}  // namespace zermelo::inline v1::alignment
