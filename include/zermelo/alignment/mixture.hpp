// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <utility>

#include "../core/config.hpp"
#include "../core/pair_loss.hpp"
#include "../core/primitives/arguments.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"
#include "dpo.hpp"

namespace zermelo::inline v1::alignment {

/// The negative log-likelihood of the chosen response, −log π(w)/n: per token with lengths, the sum without. A kernel of
/// pair_loss, for mixtures. For the mean over all tokens of a batch give with_lengths the batch's mean length, repeated
/// (broadcast).   TRL name: "sft".
struct sft {
  template <class V, bool Normalised>
  ZERMELO_FN pair_slopes<V> operator()(const pair_terms<V, Normalised>& p) const {
    return {-(p.chosen / p.chosen_length), V(-1) / p.chosen_length, V(0)};
  }
  ZERMELO_INLINE void require_valid() const {}
};

/// A loss with its weight in a mixture.
template <class Loss>
struct part {
  double weight;
  Loss loss;
};
template <class Loss>
part(double, Loss) -> part<Loss>;

/// Losses added up with weights:  mixture(part{1, dpo{}}, part{0.2, sft{}}). A kernel of pair_loss; parts are kernels without
/// columns alongside. A weight of zero silences a part.   TRL name: lists for loss_type and loss_weights.
template <class... Loss>
struct mixture {
  bundle<part<Loss>...> parts;

  ZERMELO_FN explicit mixture(part<Loss>... p) : parts(p...) {}

  template <class V, bool Normalised>
  ZERMELO_FN pair_slopes<V> operator()(const pair_terms<V, Normalised>& p) const {
    return summed(p, std::index_sequence_for<Loss...>{});
  }

  ZERMELO_INLINE void require_valid() const { check(std::index_sequence_for<Loss...>{}); }

 private:
  template <class V, bool Normalised, std::size_t... K>
  ZERMELO_FN pair_slopes<V> summed(const pair_terms<V, Normalised>& p, std::index_sequence<K...>) const {
    pair_slopes<V> all{V(0), V(0), V(0)};
    (add(all, get<K>(parts), p), ...);
    return all;
  }
  template <class L, class V, bool Normalised>
  ZERMELO_FN static void add(pair_slopes<V>& all, const part<L>& one, const pair_terms<V, Normalised>& p) {
    const auto result = zermelo::detail::called(one.loss, p);
    const pair_slopes<V> s = zermelo::detail::slopes_of(one.loss, p, result);
    const V w = V(one.weight);
    all.value += weighted(w, s.value);
    all.chosen += weighted(w, s.chosen);
    all.rejected += weighted(w, s.rejected);
  }
  template <std::size_t... K>
  ZERMELO_INLINE void check(std::index_sequence<K...>) const {
    (get<K>(parts).loss.require_valid(), ...);
    (parameters::require_finite("weight", get<K>(parts).weight), ...);
  }
};
template <class... Loss>
mixture(part<Loss>...) -> mixture<Loss...>;

/// Regularised preference optimisation, DPO with imitation:  ℓ = softplus(−β(a − b)) − η log π(w)/n_w, n_w by with_lengths.
/// A kernel of pair_loss. The imitation is an adversarial regulariser: it bounds over-optimisation under partial coverage.
/// Source: Liu et al. 2024, "Provably mitigating overoptimization in RLHF", eq. 4.1.   TRL name: ["sigmoid", "sft"].
struct rpo {
  double beta = 0.01;  ///< > 0
  double eta = 0.005;  ///< η ≥ 0, the weight of the imitation

  template <class V, bool Normalised>
  ZERMELO_FN pair_slopes<V> operator()(const pair_terms<V, Normalised>& p) const {
    return mixture(part{1, dpo{.beta = beta}}, part{eta, sft{}})(p);
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_nonnegative("eta", eta);
  }
};

/// Contrastive preference optimisation:  ℓ = (1−ε) softplus(−βh) + ε softplus(βh) − α log π(w)/n_w,  h = log π(w)/π(l): without
/// reference, n_w by with_lengths. A kernel of pair_loss.   Source: Xu et al. 2024, eq. 5.   TRL name: CPO's "sigmoid".
struct cpo {
  double beta = 0.1;             ///< > 0
  double label_smoothing = 0.0;  ///< ε, in [0, 1]
  double nll_weight = 1.0;       ///< α ≥ 0

  template <class V, bool Normalised>
  ZERMELO_FN pair_slopes<V> operator()(const pair_terms<V, Normalised>& p) const {
    return mixture(part{1, dpo{.beta = beta, .label_smoothing = label_smoothing}}, part{nll_weight, sft{}})(p);
  }

  ZERMELO_INLINE void require_valid() const {
    dpo{.beta = beta, .label_smoothing = label_smoothing}.require_valid();
    parameters::require_nonnegative("nll_weight", nll_weight);
  }
};

}  // namespace zermelo::inline v1::alignment
