// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/pair_loss.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Self-play preference optimisation with hard labels:  ℓ = (a − 1/(2β))² + (b + 1/(2β))²,  a and b against the previous
/// iterate. A kernel of pair_loss.   Source: Wu et al. 2024, eq. 4.7.   TRL name: "sppo_hard".
struct sppo_hard {
  double beta = 0.1;  ///< 1/η, the inverse step, > 0

  template <class V>
  ZERMELO_FN pair_slopes<V> operator()(V a, V b) const {
    const V target = V(0.5 / beta);
    const V x = a - target, y = b + target;
    return {.value = x * x + y * y, .chosen = V(2) * x, .rejected = V(2) * y};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

/// The same with estimated probabilities to win against the previous iterate:
///
///   ℓ = ½ (a − η(P_w − ½))² + ½ (b − η(P_l − ½))²
///
/// A kernel of pair_loss with two columns alongside, P_w and P_l. The constant ½ stands for the log-partition.
/// Source: Wu et al. 2024, algorithm 1 and its code.
struct sppo_soft {
  double eta = 1000.0;  ///< η, the step, > 0

  static constexpr const char* columns[] = {"win_probability_chosen", "win_probability_rejected"};

  template <class V>
  ZERMELO_FN pair_slopes<V> operator()(V a, V b, V chosen_wins, V rejected_wins) const {
    const V half = V(0.5), step = V(eta);
    const V x = a - step * (chosen_wins - half), y = b - step * (rejected_wins - half);
    return {.value = half * (x * x + y * y), .chosen = x, .rejected = y};
  }
  template <class V>
  ZERMELO_FN mask_t<V> refuses(V, V, V p, V q) const {
    return !(p >= V(0) && p <= V(1) && q >= V(0) && q <= V(1));
  }
  ZERMELO_INLINE domain_error refusal(std::int64_t k, double p, double q) const {
    const bool first = !(p >= 0 && p <= 1);
    return {columns[first ? 0 : 1], k, zermelo::detail::text(first ? p : q) + ", expected a probability"};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("eta", eta); }
};

/// Regression of log-ratios against the previous iterate on scores of a general preference model, centred by log Z:
///
///   ℓ = ½ (a − (s_w − log Z)/β)² + ½ (b − (s_l − log Z)/β)²
///
/// A kernel of pair_loss with two columns alongside, s_w and s_l, the mean scores against samples of that iterate. With
/// s = P − ½ and log Z = 0 it is sppo_soft, η = 1/β. One response at a time: `gpm_regression`.
/// Source: Zhang et al. 2024, "General preference modeling", section 4.
struct gpm_pair {
  double beta = 0.001;  ///< inverse step, > 0
  double log_z = 0.0;   ///< log Z in units of scores: 0 on policy, where antisymmetric scores average to 0

  static constexpr const char* columns[] = {"score_chosen", "score_rejected"};

  template <class V>
  ZERMELO_FN pair_slopes<V> operator()(V a, V b, V chosen_score, V rejected_score) const {
    const V half = V(0.5), scale = V(beta), shift = V(log_z);
    const V x = a - (chosen_score - shift) / scale, y = b - (rejected_score - shift) / scale;
    return {.value = half * (x * x + y * y), .chosen = x, .rejected = y};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_finite("log_z", log_z);
  }
};

/// Direct Nash optimisation, a cross entropy with soft labels σ(r_w − r_l):
///
///   ℓ(h) = σ(r_w − r_l) softplus(−βh) + σ(r_l − r_w) softplus(βh)
///
/// A kernel of pair_loss with two columns alongside, r = P(y ≻ π_t); h is against π_t. Its minimiser is π_t exp(r/β)/Z for
/// any distribution of pairs of full support.   Source: Rosset et al. 2024, algorithm 1.
struct dno {
  double beta = 0.1;  ///< > 0

  static constexpr const char* columns[] = {"reward_chosen", "reward_rejected"};

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V margin, V chosen_reward, V rejected_reward) const {
    const auto label = softplus_sigmoid(chosen_reward - rejected_reward);
    const auto [value, slope] = logistic_cross_entropy(V(beta) * margin, label.sigmoid, label.complement);
    return {.value = value, .slope = V(beta) * slope};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

}  // namespace zermelo::inline v1::alignment
