// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/default_policy.hpp"
#include "../core/execution/policy.hpp"
#include "../core/primitives/map_reduce.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

namespace zermelo::inline v1::alignment {

/// Parameters of ranking_accuracy.
struct ranking_parameters {
  double beta = 0.1;      ///< of the loss and of the idealised policy, > 0
  double tie_band = 0.0;  ///< pairs whose probabilities differ by less than this share are ties, which are not correct

  ZERMELO_INLINE void require_valid() const {
    parameters::require_positive("beta", beta);
    parameters::require_nonnegative("tie_band", tie_band);
  }
};

/// Counts of ranking_accuracy. They merge.
struct ranking_counts {
  std::int64_t pairs = 0, correct = 0, correct_by_length = 0, ideally_correct = 0;
  double loss = 0;  ///< Σ DPO losses

  ZERMELO_INLINE double accuracy() const { return share(correct); }
  ZERMELO_INLINE double accuracy_by_length() const { return share(correct_by_length); }
  /// Of the policy that optimises the loss perfectly.
  ZERMELO_INLINE double idealised_accuracy() const { return share(ideally_correct); }
  ZERMELO_INLINE double alignment_gap() const { return idealised_accuracy() - accuracy(); }

  ZERMELO_INLINE friend ranking_counts merge(const ranking_counts& a, const ranking_counts& b) {
    return {a.pairs + b.pairs, a.correct + b.correct, a.correct_by_length + b.correct_by_length,
            a.ideally_correct + b.ideally_correct, a.loss + b.loss};
  }

 private:
  ZERMELO_INLINE double share(std::int64_t n) const {
    if (pairs == 0) throw domain_error("pairs", domain_error::whole, "an accuracy over no pairs is undefined");
    return static_cast<double>(n) / static_cast<double>(pairs);
  }
};

/// One pair of ranking_accuracy: a kernel of map_reduce.
struct ranked_pair {
  ranking_parameters with;

  template <class V>
  struct result {
    bundle<V, V, V, V, V, V, V> elements;
    bundle<total<V>, total<V>, total<V>, total<V>, total<V>> statistics;
    mask_t<V> fault;
  };

  template <class V>
  ZERMELO_FN result<V> operator()(V chosen, V rejected, V reference_chosen, V reference_rejected, V chosen_length,
                                  V rejected_length, V share) const {
    const V gap = chosen - rejected, reference_gap = reference_chosen - reference_rejected;
    const V beta = V(with.beta);
    const V correct = ahead(gap), by_length = ahead(chosen / chosen_length - rejected / rejected_length);
    const V ideal = reference_gap + (log(share) - log1p(-share)) / beta;
    const V loss = softplus(-beta * ((chosen - reference_chosen) - (rejected - reference_rejected)));
    const V ideally = select(ideal > V(0), V(1), V(0));
    return {{correct, by_length, ideal, ideally, -reference_gap, softplus(beta * reference_gap), loss},
            {total<V>(V(1)), total<V>(correct), total<V>(by_length), total<V>(ideally), total<V>(loss)},
            is_nan(gap) || is_nan(reference_gap) || is_nan(ideal) || !(share >= V(0) && share <= V(1)) ||
                !(chosen_length > V(0)) || !(rejected_length > V(0)) || !is_finite(chosen_length) ||
                !is_finite(rejected_length)};
  }

  ZERMELO_INLINE domain_error explain(std::int64_t k, double chosen, double rejected, double, double,
                                      double chosen_length, double rejected_length, double share) const {
    if (!(share >= 0 && share <= 1))
      return {"preference", k, zermelo::detail::text(share) + ", expected a probability"};
    if (!(chosen_length > 0) || !is_finite(chosen_length))
      return {"chosen_lengths", k, zermelo::detail::text(chosen_length) + ", expected a positive length"};
    if (!(rejected_length > 0) || !is_finite(rejected_length))
      return {"rejected_lengths", k, zermelo::detail::text(rejected_length) + ", expected a positive length"};
    return {is_nan(chosen - rejected) ? "chosen" : "reference_chosen", k,
            "the difference from the rejected is one of equal infinities, which is undefined"};
  }

 private:
  /// Whether a ratio of probabilities e^gap is above 1, and not a tie.
  template <class V>
  ZERMELO_FN V ahead(V gap) const {
    return select(gap > V(0) && !(expm1(gap) <= V(with.tie_band)), V(1), V(0));
  }
};

inline namespace ZERMELO_ISA {

/// How a policy itself ranks pairs, how one would that optimised DPO perfectly, and how hard each pair is to flip.
///
///   correct              1[log π(w) > log π(l)],   correct_by_length  1[log π(w)/n_w > log π(l)/n_l]
///   ideal_log_ratio      log π*(w)/π*(l) = log π_ref(w)/π_ref(l) + logit(preference)/β,   ideal_correct  1[it is > 0]
///   difficulty           c = log π_ref(l)/π_ref(w)
///   loss_threshold       softplus(−βc): the policy ranks a pair correctly if and only if its DPO loss is below
///   losses               the DPO loss
///
/// chosen, rejected, reference_…, lengths  [B];   preference [B] the share of raters who prefer the chosen: 1 gives +∞, 0 −∞;
/// 0.75 is usual where only the majority is known.  Outputs [B]: written, `discard` what is not wanted.
/// Ties are not correct. Errors: shape_error; domain_error naming tensor and position.   Cost: one pass.
/// Source: Chen et al. 2024, "Preference learning algorithms do not learn preference rankings", theorem 3.1 and eq. 5.
template <execution P, tensor C, tensor R, tensor RC, tensor RR, tensor NC, tensor NR, tensor S, class O1, class O2,
          class O3, class O4, class O5, class O6, class O7>
ranking_counts ranking_accuracy(P&& policy, const C& chosen, const R& rejected, const RC& reference_chosen,
                                const RR& reference_rejected, const NC& chosen_lengths, const NR& rejected_lengths,
                                const S& preference, O1&& correct, O2&& correct_by_length, O3&& ideal_log_ratio,
                                O4&& ideal_correct, O5&& difficulty, O6&& loss_threshold, O7&& losses,
                                ranking_parameters with = {}) {
  with.require_valid();
  named<const C> a("chosen", chosen);
  named<const R> b("rejected", rejected);
  named<const RC> c("reference_chosen", reference_chosen);
  named<const RR> d("reference_rejected", reference_rejected);
  named<const NC> e("chosen_lengths", chosen_lengths);
  named<const NR> f("rejected_lengths", rejected_lengths);
  named<const S> g("preference", preference);
  const auto s = map_reduce(
      policy, ranked_pair{with}, inputs(a, b, c, d, e, f, g),
      outputs(correct, correct_by_length, ideal_log_ratio, ideal_correct, difficulty, loss_threshold, losses));
  const auto count = [](double x) { return static_cast<std::int64_t>(x); };
  return {count(get<0>(s).value), count(get<1>(s).value), count(get<2>(s).value), count(get<3>(s).value),
          get<4>(s).value};
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment
