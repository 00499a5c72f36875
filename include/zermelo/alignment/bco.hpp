// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/pair_loss.hpp"
#include "../core/primitives/arguments.hpp"
#include "../core/response_loss.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Binary classifier optimisation of pairs:  ℓ = softplus(−βa) + softplus(βb). A kernel of pair_loss.
/// Source: Jung et al. 2024, eq. 8.   TRL name: "bco_pair".
struct bco_pair {
  double beta = 0.1;  ///< > 0

  template <class V>
  ZERMELO_FN pair_slopes<V> operator()(V a, V b) const {
    const auto x = softplus_sigmoid(V(-beta) * a), y = softplus_sigmoid(V(beta) * b);
    return {.value = x.softplus + y.softplus, .chosen = V(-beta) * x.sigmoid, .rejected = V(beta) * y.sigmoid};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

/// Count, mean and variance of all rewards seen so far: state that the caller keeps, copies, stores and merges.
struct reward_moments {
  std::int64_t count = 0;
  double mean = 0;
  double variance = 0;  ///< of the population: divided by count

  /// Those of both samples.   Source: Chan, Golub and LeVeque 1979.
  ZERMELO_INLINE friend reward_moments merge(const reward_moments& a, const reward_moments& b) {
    if (a.count == 0) return b;
    if (b.count == 0) return a;
    const double n = static_cast<double>(a.count), m = static_cast<double>(b.count), all = n + m;
    const double gap = b.mean - a.mean;
    return {a.count + b.count, a.mean + gap * (m / all),
            (a.variance * n + b.variance * m + gap * gap * (n * m / all)) / all};
  }
};

/// Binary classifier optimisation of single responses that are labelled desirable (1) or not (0):
///
///   ℓ = softplus(−(βa − δ)) if desirable,   softplus(βa − δ) if not,   δ the running mean of all rewards βa
///
/// A kernel of response_loss with one column alongside, the labels. Update the moments by a batch before its losses:
///
///     moments = merge(moments, bco_moments(policy, reference, beta));
///     response_loss(bco{.beta = beta, .moments = moments}, policy, reference, losses, gradient, alongside(labels));
///
/// δ is held fixed in derivatives. Where the prompts of the two kinds differ, weight the undesirable by bco_udm_weight.
/// Source: Jung et al. 2024, eq. 10–12.   TRL name: BCOTrainer.
struct bco {
  double beta = 0.1;            ///< > 0
  reward_moments moments = {};  ///< its mean is δ

  static constexpr const char* columns[] = {"labels"};

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V a, V label) const {
    const V sign = select(label > V(0.5), V(-1), V(1));
    const auto t = softplus_sigmoid(sign * (V(beta) * a - V(moments.mean)));
    return {.value = t.softplus, .slope = (sign * V(beta)) * t.sigmoid};
  }
  template <class V>
  ZERMELO_FN mask_t<V> refuses(V, V label) const {
    return label != V(0) && label != V(1);
  }
  ZERMELO_INLINE domain_error refusal(std::int64_t k, double label) const {
    return {columns[0], k, zermelo::detail::text(label) + ", expected 1 for desirable or 0"};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_finite("moments", moments.mean);
  }
};

/// The reward βa less a shift as a loss, for its sum.
struct shifted_reward {
  double beta, shift;

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V a) const {
    const V r = V(beta) * a - V(shift);
    return {r, V(beta)};
  }
  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

/// A squared deviation of the reward as a loss.
struct squared_reward {
  double beta, shift;

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V a) const {
    const V r = V(beta) * a - V(shift);
    return {r * r, V(2 * beta) * r};
  }
  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

inline namespace ZERMELO_ISA {

/// Count, mean and variance of the rewards β·(policy − reference) of a batch, in two passes.
/// Errors: as response_loss; rewards must be finite.
template <execution P, tensor X, class R, class... Options>
reward_moments bco_moments(P&& policy, const X& log_probs, const R& reference, double beta, const Options&... options) {
  const auto centred = [&](double shift) {
    return response_loss(policy, shifted_reward{beta, shift}, log_probs, reference, discard, discard, options...);
  };
  const response_sums sums = centred(0);
  if (sums.responses == 0) return {};
  const double n = static_cast<double>(sums.responses), rough = sums.loss / n;
  const double mean = rough + centred(rough).loss / n;  // what rounding lost
  parameters::require_finite("mean reward", mean);
  const response_sums squares =
      response_loss(policy, squared_reward{beta, mean}, log_probs, reference, discard, discard, options...);
  return {sums.responses, mean, squares.loss / n};
}
template <tensor X, class R, class... Options>
reward_moments bco_moments(const X& log_probs, const R& reference, double beta, const Options&... options) {
  return bco_moments(zermelo::detail::default_policy<X, R>(), log_probs, reference, beta, options...);
}

}  // namespace ZERMELO_ISA

/// Bounds of bco_udm_weight.
struct density_ratio_bounds {
  double least = 0.5, most = 10.0;  ///< 0 ≤ least ≤ most

  ZERMELO_INLINE void require_valid() const {
    if (!is_finite(least) || is_nan(most) || !(least >= 0 && least <= most))
      throw domain_error("least", domain_error::whole,
                         zermelo::detail::text(least) + ", expected a number from 0 to " + zermelo::detail::text(most));
  }
};

/// p/(1 − p), bounded: a kernel of map_reduce.
struct density_ratio {
  density_ratio_bounds bounds;

  template <class V>
  struct weight {
    bundle<V> elements;
    bundle<> statistics;
    mask_t<V> fault;
  };
  template <class V>
  ZERMELO_FN weight<V> operator()(V p) const {
    const V odds = p / ((V(1) - p) + V(1e-8));
    return {bundle<V>((max)(V(bounds.least), (min)(V(bounds.most), odds))), {}, !(p >= V(0) && p <= V(1))};
  }
  ZERMELO_INLINE domain_error explain(std::int64_t k, double p) const {
    return {"probabilities", k, zermelo::detail::text(p) + ", expected a probability"};
  }
};

inline namespace ZERMELO_ISA {

/// Weights of undesirable responses, how much likelier their prompts are among the desirable:
///
///   wₖ = min(most, max(least, pₖ/(1 − pₖ + 10⁻⁸))),   pₖ a classifier's probability that prompt k is one of the desirable
///
/// probabilities, weights [N].   Errors: shape_error, domain_error.   Source: Jung et al. 2024, section 4.3.
template <execution P, tensor X, tensor W>
void bco_udm_weight(P&& policy, const X& probabilities, W&& weights, density_ratio_bounds bounds = {}) {
  bounds.require_valid();
  named<const X> in("probabilities", probabilities);
  named out("weights", weights);
  map_reduce(policy, density_ratio{bounds}, inputs(in), outputs(out));
}
template <tensor X, tensor W>
void bco_udm_weight(const X& probabilities, W&& weights, density_ratio_bounds bounds = {}) {
  bco_udm_weight(zermelo::detail::default_policy<X, W>(), probabilities, weights, bounds);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment
