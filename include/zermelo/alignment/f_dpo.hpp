// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <limits>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/pair_loss.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// The divergence from the reference that the policy is held to.
enum class f_divergence : std::uint8_t { reverse_kl, forward_kl, jensen_shannon, alpha };

/// DPO under an f-divergence:  ℓ = softplus(−β(s(a) − s(b))),  s(u) = f′(eᵘ) without constants:
///
///   reverse_kl  u      forward_kl  −e⁻ᵘ      jensen_shannon  log σ(u)      alpha  e^((α−1)u)/(α − 1)
///
/// A kernel of pair_loss. Not to be used with normalised_by: constants that were dropped then matter. Beyond e^709 (e^88 in
/// float) scores are infinite; two of them have no difference, which is an error.
/// Source: Wang et al. 2024, "Beyond reverse KL", table 1.   TRL name: f_divergence_type.
template <f_divergence F>
struct f_dpo {
  double beta = 0.1;   ///< > 0
  double alpha = 0.5;  ///< α, of the α-divergence alone; it is reverse_kl where |α − 1| < 1e-6
  /// The largest exponent of e, beyond which scores are flat; TRL has 80 for float and 11 for half. Infinity: none.
  double exponent_clamp = std::numeric_limits<double>::infinity();

  template <class V>
  ZERMELO_FN pair_slopes<V> operator()(V a, V b) const {
    const auto x = score(a), y = score(b);
    const auto [cost, wrong, right] = softplus_sigmoid(V(-beta) * (x.value - y.value));
    static_cast<void>(right);
    const V pull = V(beta) * wrong;  // where it vanishes, it outlives a slope that explodes
    return {.value = cost, .chosen = -weighted(pull, x.slope), .rejected = weighted(pull, y.slope)};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    if constexpr (F == f_divergence::alpha) parameters::require_finite("alpha", alpha);
    if (is_nan(exponent_clamp) || !(exponent_clamp > 0))
      throw domain_error("exponent_clamp", domain_error::whole,
                         zermelo::detail::text(exponent_clamp) + ", expected a positive number or infinity");
  }

 private:
  /// s(u) and s′(u).
  template <class V>
  ZERMELO_FN value_slope<V> score(V u) const {
    if constexpr (F == f_divergence::reverse_kl) {
      return {.value = u, .slope = V(1)};
    } else if constexpr (F == f_divergence::forward_kl) {
      const V e = exp(select(-u > V(exponent_clamp), V(exponent_clamp), -u));
      return {.value = -e, .slope = select(-u > V(exponent_clamp), V(0), e)};
    } else if constexpr (F == f_divergence::jensen_shannon) {
      const auto t = softplus_sigmoid(-u);
      return {.value = -t.softplus, .slope = t.sigmoid};
    } else {
      const bool straight = alpha - 1 < 1e-6 && 1 - alpha < 1e-6;
      const V power = V(straight ? 0.0 : alpha - 1) * u;
      const V e = exp(select(power > V(exponent_clamp), V(exponent_clamp), power));
      return {.value = straight ? u : V(straight ? 0.0 : 1 / (alpha - 1)) * e,
              .slope = select(power > V(exponent_clamp), V(0), e)};
    }
  }
};

}  // namespace zermelo::inline v1::alignment
