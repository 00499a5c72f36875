// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/list_loss.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"
#include "detail/two_sided.hpp"

/// Losses over lists of responses: kernels of list_loss. s = βa are the implicit rewards, a the log-ratios.
namespace zermelo::inline v1::alignment {

namespace lists {

/// log Σ exp(scale·x), from the largest; −∞ where all are.
template <class V>
ZERMELO_FN V log_sum_exp(const V* x, V scale, std::int64_t size) {
  V most = scale * x[0];
  for (std::int64_t k = 1; k < size; ++k) most = select(scale * x[k] > most, scale * x[k], most);
  V sum = V(0);
  for (std::int64_t k = 0; k < size; ++k) sum += exp(scale * x[k] - most);
  return most + log(sum);
}

}  // namespace lists

/// Efficient exact optimisation, the reverse divergence from softmax(s) to the labels' softmax:
///
///   ℓ = Σₖ pₖ (log pₖ − log qₖ),   p = softmax(βa),   q = softmax(labels/β_r)
///
/// Zero if and only if p = q. The pair form: exo_pair.   Source: Ji et al. 2024, eq. 14.
struct exo {
  double beta = 0.1;    ///< > 0
  double beta_r = 0.1;  ///< temperature of the labels, > 0

  template <class V>
  ZERMELO_FN V operator()(const list_terms<V>& x) const {
    const V scale = V(beta), cold = V(1 / beta_r);
    const V policy = lists::log_sum_exp(x.ratio, scale, x.size), target = lists::log_sum_exp(x.label, cold, x.size);
    V loss = V(0);
    for (std::int64_t k = 0; k < x.size; ++k) {
      const V log_p = scale * x.ratio[k] - policy;
      x.scratch[k] = exp(log_p);
      x.slope[k] = log_p - (cold * x.label[k] - target);
      loss += weighted(x.scratch[k], x.slope[k]);
    }
    for (std::int64_t k = 0; k < x.size; ++k) x.slope[k] = scale * weighted(x.scratch[k], x.slope[k] - loss);
    return loss;
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_positive("beta_r", beta_r);
  }
};

/// Contrastive alignment to a soft target over the list:  ℓ = −Σₖ tₖ log softmax(βa)ₖ,  t = softmax(labels/α).
/// Two responses with hard labels: DPO.   Source: Chen et al. 2024, eq. 8 (InfoNCA).
struct infonca {
  double beta = 0.01;  ///< > 0
  double alpha = 1.0;  ///< temperature of the labels, > 0

  template <class V>
  ZERMELO_FN V operator()(const list_terms<V>& x) const {
    const V scale = V(beta), cold = V(1 / alpha);
    const V policy = lists::log_sum_exp(x.ratio, scale, x.size), target = lists::log_sum_exp(x.label, cold, x.size);
    V loss = V(0);
    for (std::int64_t k = 0; k < x.size; ++k) {
      const V log_p = scale * x.ratio[k] - policy, t = exp(cold * x.label[k] - target);
      loss -= weighted(t, log_p);
      x.slope[k] = scale * (exp(log_p) - t);
    }
    return loss;
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_positive("alpha", alpha);
  }
};

/// Noise contrastive alignment, which anchors likelihoods:  ℓ = Σₖ tₖ softplus(−βaₖ) + softplus(βaₖ)/K,  t as in infonca.
/// The pair form: nca_pair.   Source: Chen et al. 2024, eq. 13.
struct nca {
  double beta = 0.01;  ///< > 0
  double alpha = 1.0;  ///< temperature of the labels, > 0

  template <class V>
  ZERMELO_FN V operator()(const list_terms<V>& x) const {
    const V scale = V(beta), cold = V(1 / alpha);
    const V share = V(1) / V(static_cast<scalar_t<V>>(x.size));
    const V target = lists::log_sum_exp(x.label, cold, x.size);
    V loss = V(0);
    for (std::int64_t k = 0; k < x.size; ++k) {
      const V s = scale * x.ratio[k], t = exp(cold * x.label[k] - target);
      const auto both = two_sided(s);
      loss += weighted(t, both.down) + share * both.up;
      x.slope[k] = scale * (share * both.sigmoid - t * both.complement);
    }
    return loss;
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_positive("alpha", alpha);
  }
};

namespace lists {

/// The negative log-likelihood of an order under Plackett and Luce, s = scale·x in that order, with slopes:
/// ℓ = Σₖ softplus(Lₖ₊₁ − sₖ),  Lₖ = log Σ_{j ≥ k} exp sⱼ = sₖ + softplus(Lₖ₊₁ − sₖ): exact in both tails.
template <class V>
ZERMELO_FN V plackett_luce(const list_terms<V>& x, V scale) {
  V behind = scale * x.ratio[x.size - 1], loss = V(0);
  for (std::int64_t k = x.size - 1; k-- > 0;) {
    const V s = scale * x.ratio[k];
    const auto t = two_sided(behind - s);
    x.scratch[k] = t.sigmoid;  // of the winner being behind k
    x.slope[k] = t.complement;
    loss += t.up;
    behind = select(s > behind, s + t.up, behind + t.down);
  }
  V pull = V(0);  // ∂ℓ/∂Lₖ from the places before k
  for (std::int64_t k = 0; k + 1 < x.size; ++k) {
    x.slope[k] = scale * (pull * x.slope[k] - x.scratch[k]);
    pull = x.scratch[k] * (V(1) + pull);
  }
  x.slope[x.size - 1] = scale * pull;
  return loss;
}

}  // namespace lists

/// DPO on rankings:  ℓ = Σₖ [log Σ_{j ≥ k} exp s_τ(j) − s_τ(k)],  τ the order of descending labels, ties by position.
/// Two responses: DPO.   Source: Rafailov et al. 2023, eq. 20.   Cost: O(K) beside sorting.
struct dpo_plackett_luce {
  double beta = 0.1;  ///< > 0

  static constexpr bool sorted = true;

  template <class V>
  ZERMELO_FN V operator()(const list_terms<V>& x) const {
    return lists::plackett_luce(x, V(beta));
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

/// Losses of learning to rank.
enum class ranking_loss : std::uint8_t {
  point_mse,      ///< Σ (ψ − s)²
  point_sigmoid,  ///< Σ ψ softplus(−s) + (1−ψ) softplus(s), ψ in [0, 1]
  pair_logistic,  ///< Σ_{ψᵢ > ψⱼ} softplus(−(sᵢ − sⱼ)): DPO's
  pair_hinge,     ///< Σ_{ψᵢ > ψⱼ} max(0, 1 − (sᵢ − sⱼ)): SLiC's
  list_mle,       ///< Plackett–Luce of the order of ψ
  softmax  ///< −Σ (ψₖ/Σψ) log softmax(s)ₖ, ψ ≥ 0; all zero count as all equal. With softmax(ψ): infonca
};

/// LiPO, listwise preference optimisation by a loss of learning to rank; labels ψ are scores.
/// Source: Liu et al. 2025, "LiPO", table 1.   LiPO-λ: lipo_lambda.
template <ranking_loss Kind>
struct lipo {
  double beta = 0.1;  ///< > 0

  static constexpr bool sorted = Kind == ranking_loss::list_mle;

  template <class V>
  ZERMELO_FN V operator()(const list_terms<V>& x) const {
    const V scale = V(beta);
    V loss = V(0);
    if constexpr (Kind == ranking_loss::list_mle) {
      return lists::plackett_luce(x, scale);
    } else if constexpr (Kind == ranking_loss::point_mse) {
      for (std::int64_t k = 0; k < x.size; ++k) {
        const V gap = scale * x.ratio[k] - x.label[k];
        loss += gap * gap;
        x.slope[k] = V(2) * scale * gap;
      }
    } else if constexpr (Kind == ranking_loss::point_sigmoid) {
      for (std::int64_t k = 0; k < x.size; ++k) {
        const auto one = logistic_cross_entropy(scale * x.ratio[k], x.label[k], V(1) - x.label[k]);
        loss += one.value;
        x.slope[k] = scale * one.slope;
      }
    } else if constexpr (Kind == ranking_loss::softmax) {
      V sum = V(0);
      for (std::int64_t k = 0; k < x.size; ++k) sum += x.label[k];
      const V log_sum = lists::log_sum_exp(x.ratio, scale, x.size);
      const V even = V(1) / V(static_cast<scalar_t<V>>(x.size));
      for (std::int64_t k = 0; k < x.size; ++k) {
        const V t = select(sum > V(0), x.label[k] / sum, even), log_p = scale * x.ratio[k] - log_sum;
        loss -= weighted(t, log_p);
        x.slope[k] = scale * (exp(log_p) - t);
      }
    } else {
      for (std::int64_t k = 0; k < x.size; ++k) x.slope[k] = V(0);
      for (std::int64_t i = 0; i < x.size; ++i)
        for (std::int64_t j = 0; j < i; ++j) {
          const V sign = select(x.label[i] > x.label[j], V(1), select(x.label[j] > x.label[i], V(-1), V(0)));
          const mask_t<V> ordered = sign != V(0);
          const V d = sign * (scale * (x.ratio[i] - x.ratio[j]));
          V pull;
          if constexpr (Kind == ranking_loss::pair_logistic) {
            const auto t = softplus_sigmoid(-d);
            loss += select(ordered, t.softplus, V(0));
            pull = t.sigmoid;
          } else {
            const V missing = V(1) - d;
            loss += select(ordered && missing > V(0), missing, V(0));
            pull = select(missing > V(0), V(1), V(0));
          }
          const V push = select(ordered, sign * (scale * pull), V(0));
          x.slope[i] -= push;
          x.slope[j] += push;
        }
    }
    return loss;
  }

  template <class V>
  ZERMELO_FN mask_t<V> refuses(const list_terms<V>& x) const {
    mask_t<V> bad = x.label[0] != x.label[0];
    for (std::int64_t k = 0; k < x.size; ++k) {
      if constexpr (Kind == ranking_loss::point_sigmoid) bad = bad || !(x.label[k] >= V(0) && x.label[k] <= V(1));
      if constexpr (Kind == ranking_loss::softmax) bad = bad || !(x.label[k] >= V(0));
    }
    return bad;
  }
  ZERMELO_INLINE domain_error refusal(std::int64_t i) const {
    return {"labels", i,
            Kind == ranking_loss::softmax ? "this list has a negative label, expected zero or more"
                                          : "this list has a label outside [0, 1]"};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_positive("beta", beta); }
};

/// LiPO-λ:  ℓ = Σ_{ψᵢ > ψⱼ} Δᵢⱼ softplus(−(sᵢ − sⱼ)),   Δᵢⱼ = |2^ψᵢ − 2^ψⱼ|·|1/ln(1 + τᵢ) − 1/ln(1 + τⱼ)|,
///
/// τ the rank of s from 1, ties by position: what the pair weighs in the discounted cumulative gain, held fixed in derivatives.
/// Source: Liu et al. 2025, eq. 9; the options are those of google/rax, whose logarithm is to the base 2.
struct lipo_lambda {
  double beta = 0.1;                                              ///< > 0
  std::int64_t top = (std::numeric_limits<std::int64_t>::max)();  ///< ranks behind have a discount of 0
  bool by_distance = false;     ///< Δ from the ranks' distance d instead: |1/ln(1 + d) − 1/ln(2 + d)| (LambdaLoss@k)
  bool scaled_by_size = false;  ///< Δ times K
  bool normalised = false;      ///< gains divided by the ideal discounted cumulative gain
  bool mean_over_pairs = false;  ///< divided by the number of pairs with ψᵢ > ψⱼ

  template <class V>
  ZERMELO_FN V operator()(const list_terms<V>& x) const {
    using T = scalar_t<V>;
    const V scale = V(beta), ln2 = V(static_cast<T>(0.69314718055994530942));
    V* const rank = x.scratch;
    V pairs = V(0), ideal = V(0);
    for (std::int64_t i = 0; i < x.size; ++i) {
      V before = V(1), better = V(1);
      for (std::int64_t j = 0; j < x.size; ++j) {
        const mask_t<V> ahead = j < i ? x.ratio[j] >= x.ratio[i] : x.ratio[j] > x.ratio[i];
        const mask_t<V> above = j < i ? x.label[j] >= x.label[i] : x.label[j] > x.label[i];
        if (j != i) {
          before += select(ahead, V(1), V(0));
          better += select(above, V(1), V(0));
          pairs += select(x.label[i] > x.label[j], V(1), V(0));
        }
      }
      rank[i] = before;
      ideal += expm1(ln2 * x.label[i]) * discount(better);
      x.slope[i] = V(0);
    }
    V factor = scaled_by_size ? V(static_cast<T>(x.size)) : V(1);
    if (normalised) factor = select(ideal > V(0), factor / ideal, V(0));
    if (mean_over_pairs) factor = factor / select(pairs > V(0), pairs, V(1));
    V loss = V(0);
    for (std::int64_t i = 0; i < x.size; ++i)
      for (std::int64_t j = 0; j < i; ++j) {
        const V sign = select(x.label[i] > x.label[j], V(1), select(x.label[j] > x.label[i], V(-1), V(0)));
        const V low = select(x.label[i] < x.label[j], x.label[i], x.label[j]), gap = abs(x.label[i] - x.label[j]);
        const V gain = exp(ln2 * low) * expm1(ln2 * gap);
        const V apart = abs(rank[i] - rank[j]);
        const V cut =
            by_distance ? abs(discount(apart) - discount(apart + V(1))) : abs(discount(rank[i]) - discount(rank[j]));
        const V weight = factor * gain * cut;
        const auto t = softplus_sigmoid(-(sign * (scale * (x.ratio[i] - x.ratio[j]))));
        loss += select(sign != V(0), weighted(weight, t.softplus), V(0));
        const V push = select(sign != V(0), sign * (scale * weight * t.sigmoid), V(0));
        x.slope[i] -= push;
        x.slope[j] += push;
      }
    return loss;
  }

  /// Gains overflow beyond.
  template <class V>
  ZERMELO_FN mask_t<V> refuses(const list_terms<V>& x) const {
    mask_t<V> bad = x.label[0] != x.label[0];
    for (std::int64_t k = 0; k < x.size; ++k) bad = bad || !(x.label[k] <= V(sizeof(scalar_t<V>) == 4 ? 126 : 1022));
    return bad;
  }
  ZERMELO_INLINE domain_error refusal(std::int64_t i) const {
    return {"labels", i, "this list has a label of which the gain, two to its power, overflows: normalise labels"};
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    if (top < 1)
      throw domain_error("top", domain_error::whole,
                         std::to_string(top) + ", expected the number of ranks, at least 1");
  }

 private:
  template <class V>
  ZERMELO_FN V discount(V rank) const {
    return select(rank > V(static_cast<scalar_t<V>>(top)), V(0), V(1) / log1p(rank));
  }
};

/// Preference ranking optimisation: a contrast at every place of the ranking, with the gaps of rewards as temperatures,
/// and the likelihood of the best:
///
///   ℓ = Σ_{k<n} [log(e^(sₖTₖₖ) + Σ_{j>k} e^(sⱼTₖⱼ)) − sₖTₖₖ] − λ (n−1)² a_best
///   Tₖⱼ = rₖ − rⱼ,   Tₖₖ = rₖ − rₙ,   s = a/length
///
/// Labels are the rewards, in descending order. Log-probabilities without reference, with item_lengths; `picking` names the
/// best, else it is the first.   Source: Song et al. 2024, eq. 7 (PRO).   Cost: O(n²).
struct pro {
  double sft_weight = 0.05;  ///< λ ≥ 0

  template <class V>
  ZERMELO_FN V operator()(const list_terms<V>& x) const {
    const V supervised = V(sft_weight) * V(static_cast<scalar_t<V>>((x.size - 1) * (x.size - 1)));
    V* const s = x.scratch;
    V loss = V(0);
    for (std::int64_t k = 0; k < x.size; ++k) {
      s[k] = x.ratio[k] / x.length[k];
      x.slope[k] = V(0);
    }
    for (std::int64_t k = 0; k + 1 < x.size; ++k) {
      const V widest = x.label[k] - x.label[x.size - 1], own = weighted(widest, s[k]);
      V most = V(0);
      for (std::int64_t j = k + 1; j < x.size; ++j) {
        const V other = weighted(x.label[k] - x.label[j], s[j]) - own;
        most = select(other > most, other, most);
      }
      V others = V(0);
      for (std::int64_t j = k + 1; j < x.size; ++j) others += exp(weighted(x.label[k] - x.label[j], s[j]) - own - most);
      const V all = exp(-most) + others;
      // Where nothing exceeds the own term, log(1 + others) keeps the tail.
      loss += most + select(most > V(0), log(all), log1p(others));
      for (std::int64_t j = k + 1; j < x.size; ++j) {
        const V gap = x.label[k] - x.label[j];
        x.slope[j] += gap * (exp(weighted(gap, s[j]) - own - most) / all);
      }
      x.slope[k] -= widest * (others / all);
    }
    for (std::int64_t k = 0; k < x.size; ++k) {
      x.slope[k] = x.slope[k] / x.length[k] - supervised * x.picked[k];
      loss -= weighted(supervised * x.picked[k], x.ratio[k]);
    }
    return loss;
  }

  template <class V>
  ZERMELO_FN mask_t<V> refuses(const list_terms<V>& x) const {
    mask_t<V> bad = x.label[0] != x.label[0];
    for (std::int64_t k = 0; k + 1 < x.size; ++k) bad = bad || x.label[k] < x.label[k + 1];
    return bad;
  }
  ZERMELO_INLINE domain_error refusal(std::int64_t i) const {
    return {"labels", i, "the rewards of this list are not in descending order"};
  }

  ZERMELO_INLINE void require_valid() const { parameters::require_nonnegative("sft_weight", sft_weight); }
};

/// Rank responses to align human feedback:  ℓ = w Σ_{rᵢ < rⱼ} max(0, qᵢ − qⱼ) − a_best,   q = a/length^p,  labels the rewards r,
/// best the first of the largest reward. Log-probabilities without reference, with item_lengths.
/// Source: Yuan et al. 2023, eq. 2–4; Duan et al. 2023 use it on programs. Equal rewards make no pair.   Cost: O(K²).
struct rrhf {
  double rank_weight = 1.0;     ///< w ≥ 0
  double length_penalty = 1.0;  ///< p

  template <class V>
  ZERMELO_FN V operator()(const list_terms<V>& x) const {
    V* const norm = x.scratch;
    for (std::int64_t k = 0; k < x.size; ++k) {
      norm[k] = length_penalty == 1 ? x.length[k] : exp(V(length_penalty) * log(x.length[k]));
      x.slope[k] = V(0);
    }
    V loss = V(0);
    for (std::int64_t i = 0; i < x.size; ++i)
      for (std::int64_t j = 0; j < i; ++j) {
        const V sign = select(x.label[i] > x.label[j], V(1), select(x.label[j] > x.label[i], V(-1), V(0)));
        const V ahead = sign * (x.ratio[j] / norm[j] - x.ratio[i] / norm[i]);  // how far the worse is ahead
        const mask_t<V> wrong = sign != V(0) && ahead > V(0);
        loss += select(wrong, weighted(V(rank_weight), ahead), V(0));
        const V push = select(wrong, sign * V(rank_weight), V(0));
        x.slope[i] -= push;
        x.slope[j] += push;
      }
    for (std::int64_t k = 0; k < x.size; ++k) {
      loss -= weighted(x.picked[k], x.ratio[k]);
      x.slope[k] = x.slope[k] / norm[k] - x.picked[k];
    }
    return loss;
  }

  ZERMELO_INLINE void require_valid() const {
    parameters::require_nonnegative("rank_weight", rank_weight);
    parameters::require_finite("length_penalty", length_penalty);
  }
};

}  // namespace zermelo::inline v1::alignment
