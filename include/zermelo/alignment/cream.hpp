// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Consistency-regularised self-rewarding:  ℓ(h) = C softplus(−βh) + (1−C) softplus(βh),  C how consistently two models rank
/// the responses of the prompt (cream_consistency). A kernel of pair_loss with one column alongside, C in [0, 1].
/// Source: Wang et al. 2025, eq. 8 (CREAM).
struct cream {
  double beta = 0.1;  ///< > 0

  static constexpr const char* columns[] = {"consistency"};

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V margin, V consistency) const {
    const auto [value, slope] = logistic_cross_entropy(V(beta) * margin, consistency, V(1) - consistency);
    return {.value = value, .slope = V(beta) * slope};
  }
  template <class V>
  ZERMELO_FN mask_t<V> refuses(V, V consistency) const {
    return !(consistency >= V(0) && consistency <= V(1));
  }
  ZERMELO_INLINE domain_error refusal(std::int64_t k, double consistency) const {
    return {columns[0], k, zermelo::detail::text(consistency) + ", expected a number from 0 to 1"};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

}  // namespace zermelo::inline v1::alignment
