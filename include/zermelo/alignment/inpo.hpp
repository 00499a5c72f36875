// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/pair_loss.hpp"
#include "../core/primitives/arguments.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Iterative Nash policy optimisation:  ℓ = (g − 1/(2η))²,
///
///   g = log π(w)/π(l) − (τ/η) log π_ref(w)/π_ref(l) − (1 − τ/η) log π_t(w)/π_t(l)
///
/// A kernel of pair_loss with two columns alongside, the log-probabilities under π_t of chosen and rejected; g goes to
/// also_into. On pairs from π_t labelled by a preference its minimiser is one step of mirror descent. τ = η is IPO.
/// Source: Zhang et al. 2025, eq. 9.
struct inpo {
  double eta = 0.0075;  ///< η, the inverse step, > 0
  double tau = 0.0025;  ///< τ, the weight of the reference, in [0, η]

  static constexpr const char* columns[] = {"previous_chosen", "previous_rejected"};

  template <class V, bool Normalised>
  ZERMELO_FN auto operator()(const pair_terms<V, Normalised>& p, V previous_chosen, V previous_rejected) const {
    static_assert(!Normalised, "zermelo: INPO does not divide by lengths");
    const V kept = V(tau / eta), moved = V(1 - tau / eta);
    const V g = (p.chosen - p.rejected) - weighted(kept, p.reference_chosen - p.reference_rejected) -
                weighted(moved, previous_chosen - previous_rejected);
    const V gap = g - V(0.5 / eta);
    return extended{pair_slopes<V>{gap * gap, V(2) * gap, V(-2) * gap}, bundle<>(), bundle(g)};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("eta", eta);
    if (!is_finite(tau) || !(tau >= 0 && tau <= eta))
      throw domain_error(
          "tau", domain_error::whole,
          zermelo::detail::text(tau) + ", expected a number from 0 to eta, which is " + zermelo::detail::text(eta));
  }
};

}  // namespace zermelo::inline v1::alignment
