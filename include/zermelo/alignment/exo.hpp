// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"
#include "detail/two_sided.hpp"

namespace zermelo::inline v1::alignment {

/// Efficient exact optimisation of a pair, the reverse divergence from the policy's preference to the label's:
///
///   ℓ(h) = p (log p − log(1−ε)) + q (log q − log ε),   p = σ(βh),  q = σ(−βh)
///
/// A kernel of pair_loss. Zero, and least, at βh = log((1−ε)/ε); its slope βpq(βh − log((1−ε)/ε)) vanishes at both ends.
/// Source: Ji et al. 2024, eq. 15.   TRL name: "exo_pair".
struct exo_pair {
  double beta = 0.1;               ///< > 0
  double label_smoothing = 0.001;  ///< ε, in (0, ½]

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V margin) const {
    const V h = V(beta) * margin;
    const V right_target = log1p(V(-label_smoothing)), wrong_target = log(V(label_smoothing));
    const auto t = two_sided(h);
    // A probability of zero silences the logarithm of it.
    return {.value = weighted(t.sigmoid, -right_target - t.down) + weighted(t.complement, -wrong_target - t.up),
            .slope = V(beta) * weighted(t.sigmoid * t.complement, h - (right_target - wrong_target))};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    if (!is_finite(label_smoothing) || !(label_smoothing > 0 && label_smoothing <= 0.5))
      throw domain_error("label_smoothing", domain_error::whole,
                         zermelo::detail::text(label_smoothing) + ", expected a probability above 0, at most 1/2");
  }
};

}  // namespace zermelo::inline v1::alignment
