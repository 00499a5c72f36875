// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/pair_loss.hpp"
#include "../core/primitives/arguments.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Weighted preference optimisation: any loss times how likely the policy itself is to write the pair,
///
///   w = exp(m_w + m_l),   m = the mean over tokens of log π(yₜ) − log Σᵥ π(v)²
///
/// held fixed in derivatives. A kernel of pair_loss with two columns alongside, m_w and m_l; w goes to also_into.
/// Source: Zhou et al. 2024, eq. 5 (WPO).   TRL name: use_weighting.
template <class Loss>
struct wpo {
  Loss loss;

  static constexpr const char* columns[] = {"log_weight_chosen", "log_weight_rejected"};

  template <class V, bool Normalised>
  ZERMELO_FN auto operator()(const pair_terms<V, Normalised>& p, V chosen, V rejected) const {
    const auto result = zermelo::detail::called(loss, p);
    const pair_slopes<V> s = zermelo::detail::slopes_of(loss, p, result);
    const V w = exp(chosen + rejected);
    return extended{pair_slopes<V>{weighted(w, s.value), weighted(w, s.chosen), weighted(w, s.rejected)}, bundle<>(),
                    bundle(w)};
  }

  ZERMELO_INLINE void require_valid() const { loss.require_valid(); }
};
template <class Loss>
wpo(Loss) -> wpo<Loss>;

}  // namespace zermelo::inline v1::alignment
