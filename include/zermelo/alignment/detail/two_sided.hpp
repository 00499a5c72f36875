// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../../core/config.hpp"
#include "../../core/value.hpp"

namespace zermelo::inline v1::alignment {

/// softplus(x), softplus(−x), σ(x) and σ(−x).
template <class V>
struct two_sided_terms {
  V up, down, sigmoid, complement;
};

/// All four from one exponential, one logarithm and one division:  softplus(±x) = max(0, ±x) + log(1 + e^(−|x|)).
template <class V>
ZERMELO_FN two_sided_terms<V> two_sided(V x) {
  const mask_t<V> negative = x < V(0);
  const auto t = softplus_sigmoid(select(negative, x, -x));
  return {select(negative, V(0), x) + t.softplus, select(negative, -x, V(0)) + t.softplus,
          select(negative, t.sigmoid, t.complement), select(negative, t.complement, t.sigmoid)};
}

}  // namespace zermelo::inline v1::alignment
