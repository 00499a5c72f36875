// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/response_loss.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// How far the policy has moved from its reference, as a batch tells: the sum of log-ratios over pairs of a prompt with the
/// completion of another. It couples the losses of a batch; parts of a batch, on several workers, merge before it is used.
struct kl_baseline {
  double log_ratio = 0;
  std::int64_t responses = 0;

  /// max(0, mean log-ratio), the reference point z₀; 0 without responses.
  ZERMELO_INLINE double value() const {
    const double mean = responses > 0 ? log_ratio / static_cast<double>(responses) : 0;
    return mean > 0 ? mean : 0;
  }
  ZERMELO_INLINE friend kl_baseline merge(const kl_baseline& a, const kl_baseline& b) {
    return {a.log_ratio + b.log_ratio, a.responses + b.responses};
  }
};

/// Kahneman–Tversky optimisation, on responses that are labelled desirable (1) or not (0):
///
///   ℓ = λ_D σ(−β(a − z₀)) if desirable,   λ_U σ(β(a − z₀)) if not
///
/// A kernel of response_loss with one column alongside, the labels. z₀ is held fixed in derivatives; without it (the default)
/// this is the unpaired form of APO-zero. Keep λ_D n_D/(λ_U n_U) in [1, 4/3].
/// Source: Ethayarajh et al. 2024, eq. 8.   TRL names: "kto", "apo_zero_unpaired".
struct kto {
  double beta = 0.1;                ///< > 0
  double desirable_weight = 1.0;    ///< λ_D ≥ 0
  double undesirable_weight = 1.0;  ///< λ_U ≥ 0
  kl_baseline baseline = {};        ///< what z₀ is made of: kto_baseline of the batch

  static constexpr const char* columns[] = {"labels"};

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V a, V label) const {
    const mask_t<V> desirable = label > V(0.5);
    const V sign = select(desirable, V(-1), V(1));
    const V weight = select(desirable, V(desirable_weight), V(undesirable_weight));
    const auto t = softplus_sigmoid(sign * (V(beta) * (a - V(reference_point()))));
    return {.value = weight * t.sigmoid, .slope = (sign * weight * V(beta)) * (t.sigmoid * t.complement)};
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
    parameters::require_nonnegative("desirable_weight", desirable_weight);
    parameters::require_nonnegative("undesirable_weight", undesirable_weight);
    parameters::require_finite("baseline", baseline.value());
  }

 private:
  ZERMELO_FN double reference_point() const {
    const double mean = baseline.responses > 0 ? baseline.log_ratio / static_cast<double>(baseline.responses) : 0.0;
    return mean > 0 ? mean : 0.0;
  }
};

/// The log-ratio itself as a loss, for its sum.
struct log_ratio {
  template <class V>
  ZERMELO_FN value_slope<V> operator()(V a) const {
    return {a, V(1)};
  }
  ZERMELO_INLINE void require_valid() const {}
};

/// The cross entropy of labels with the implicit reward, the outcome form of a process reward model:
///
///   ℓ = y softplus(−βa) + (1−y) softplus(βa)
///
/// A kernel of response_loss with one column alongside, labels in [0, 1].   Source: Yuan et al. 2024, eq. 6 (implicit PRM).
struct implicit_prm {
  double beta = 0.05;  ///< > 0

  static constexpr const char* columns[] = {"labels"};

  template <class V>
  ZERMELO_FN value_slope<V> operator()(V a, V label) const {
    const auto [value, slope] = logistic_cross_entropy(V(beta) * a, label, V(1) - label);
    return {.value = value, .slope = V(beta) * slope};
  }
  template <class V>
  ZERMELO_FN mask_t<V> refuses(V, V label) const {
    return !(label >= V(0) && label <= V(1));
  }
  ZERMELO_INLINE domain_error refusal(std::int64_t k, double label) const {
    return {columns[0], k, zermelo::detail::text(label) + ", expected a probability"};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

/// Regression of a response's log-ratio against the previous iterate on its mean score under a general preference model:
///
///   ℓ = (a − (s − log Z)/β)²
///
/// A kernel of response_loss with two columns alongside, s and log Z, in units of scores; the bracket goes to also_into.
/// log Z = β log E exp(s/β) over samples of the iterate makes the minimiser exact; 0 is usual.
/// Source: Zhang et al. 2024, "General preference modeling", eq. 14.
struct gpm_regression {
  double beta = 0.001;  ///< inverse step, > 0

  static constexpr const char* columns[] = {"scores", "log_partitions"};

  template <class V>
  ZERMELO_FN auto operator()(V a, V score, V log_z) const {
    const V residual = a - (score - log_z) / V(beta);
    return extended{value_slope<V>{residual * residual, V(2) * residual}, bundle<>(), bundle(residual)};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

inline namespace ZERMELO_ISA {

/// The baseline of a batch, from log-probabilities of mismatched completions under policy and reference, [M] each. A mask
/// leaves out empty ones. Merge those of all workers.
/// Errors: as response_loss.   Cost: one pass.
template <execution P, tensor X, class R, class... Options>
kl_baseline kto_baseline(P&& policy, const X& log_probs, const R& reference, const Options&... options) {
  const response_sums s = response_loss(policy, log_ratio{}, log_probs, reference, discard, discard, options...);
  return {s.loss, s.responses};
}
template <tensor X, class R, class... Options>
kl_baseline kto_baseline(const X& log_probs, const R& reference, const Options&... options) {
  return kto_baseline(zermelo::detail::default_policy<X, R>(), log_probs, reference, options...);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment
