// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/pair_loss.hpp"
#include "../core/primitives/arguments.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Contrastive policy gradient:  ℓ = D²/(2β),  D = (R_w − βa) − (R_l − βb). A kernel of pair_loss with two columns alongside,
/// the rewards of the two responses; D goes to also_into. The pair need not be ordered. Its minimiser is the KL-regularised
/// optimum under any sampling of full support; with R_w − R_l = ½ and β = τ it is τ/2 times IPO.
/// Source: Flet-Berliac et al. 2024, eq. 9.
struct copg {
  double beta = 0.1;  ///< > 0

  static constexpr const char* columns[] = {"reward_chosen", "reward_rejected"};

  template <class V>
  ZERMELO_FN auto operator()(V margin, V chosen_reward, V rejected_reward) const {
    const V gap = (chosen_reward - rejected_reward) - V(beta) * margin;
    return extended{value_slope<V>{V(0.5 / beta) * (gap * gap), -gap}, bundle<>(), bundle(gap)};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

}  // namespace zermelo::inline v1::alignment
