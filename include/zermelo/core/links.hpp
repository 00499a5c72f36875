// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "config.hpp"
#include "value.hpp"

/// Links: how the probability of winning depends on the difference d of two strengths.
namespace zermelo::inline v1 {

/// What a paired-comparison likelihood needs of P(win | d) = F(d), with ψ(d) = −log F(d):
template <class V>
struct link_terms {
  V win_value;       ///< ψ(d), the cost of a win
  V win_pull;        ///< −ψ′(d) ≥ 0, how strongly a win pulls d up
  V loss_pull;       ///< −ψ′(−d) ≥ 0, how strongly a loss pulls d down
  V win_curvature;   ///< ψ″(d) ≥ 0
  V loss_curvature;  ///< ψ″(−d) ≥ 0
};

/// The logistic link, F(d) = σ(d) = 1/(1 + e⁻ᵈ): Bradley and Terry 1952, Zermelo 1929.
/// Each side's share comes from its own exponential, never from 1 − p: exact at |d| = 700.
struct logistic {
  template <class V>
  ZERMELO_FN link_terms<V> operator()(V d) const {
    const auto [cost, q, p] = softplus_sigmoid(-d);  // softplus(−d), σ(−d), σ(d)
    const V pq = p * q;
    return {.win_value = cost, .win_pull = q, .loss_pull = p, .win_curvature = pq, .loss_curvature = pq};
  }
};

}  // namespace zermelo::inline v1
