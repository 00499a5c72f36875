// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/pair_loss.hpp"
#include "../core/primitives/arguments.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Odds-ratio preference optimisation:  ℓ = −λu + β softplus(−o),
///
///   o = (u − v) − (log(1 − eᵘ) − log(1 − eᵛ)),   u and v the mean token log-probabilities of chosen and rejected
///
/// A kernel of pair_loss without reference: of means, or of sums with normalised_by lengths. o goes to also_into.
/// A log-probability of 0 has infinite odds: it is refused, unless `ceiling` is below 0 and takes its place.
/// Source: Hong et al. 2024, eq. 6–7.   TRL name: ORPOTrainer, whose likelihood term averages over prompt and response.
struct orpo {
  double beta = 0.1;        ///< weight of the odds ratio, > 0
  double nll_weight = 1.0;  ///< λ ≥ 0
  double ceiling = 0.0;     ///< log-probabilities above are taken for this; ≤ 0

  template <class V>
  ZERMELO_FN auto operator()(V chosen, V rejected) const {
    const V u = capped(chosen), v = capped(rejected);
    const V odds = (u - v) - (log1mexp(u) - log1mexp(v));
    const auto [cost, wrong, right] = softplus_sigmoid(-odds);
    static_cast<void>(right);
    const V pull = V(beta) * wrong;
    return extended{pair_slopes<V>{V(beta) * cost - weighted(V(nll_weight), chosen), V(-nll_weight) + pull / expm1(u),
                                   -(pull / expm1(v))},
                    bundle<>(), bundle(odds)};
  }
  template <class V>
  ZERMELO_FN mask_t<V> refuses(V chosen, V rejected) const {
    return !(capped(chosen) < V(0)) || !(capped(rejected) < V(0));
  }
  ZERMELO_INLINE domain_error refusal(std::int64_t k) const {
    return {"chosen", k, "a log-probability of this pair is 0 or more, whose odds are infinite"};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_nonnegative("nll_weight", nll_weight);
    if (!is_finite(ceiling) || !(ceiling <= 0))
      throw domain_error("ceiling", domain_error::whole,
                         zermelo::detail::text(ceiling) + ", expected a number, at most 0");
  }

 private:
  template <class V>
  ZERMELO_FN V capped(V x) const {
    return select(x > V(ceiling), V(ceiling), x);
  }
};

}  // namespace zermelo::inline v1::alignment
