// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>

#include "config.hpp"
#include "error.hpp"
#include "execution/default_policy.hpp"
#include "execution/policy.hpp"
#include "primitives/map_reduce.hpp"
#include "tensor.hpp"
#include "value.hpp"

/// The driver of losses over pairs of a chosen and a rejected response. A loss is a kernel of the margin; log-ratios,
/// lengths, weights, masks, gradients, sums and errors are the driver's.
namespace zermelo::inline v1 {

/// Sums over the pairs that count. They merge: any split into batches gives the same sums.
struct pair_sums {
  double loss = 0;           ///< Σ weight·loss
  double weight = 0;         ///< Σ weight; the number of pairs without weights
  std::int64_t pairs = 0;    ///< pairs that count
  std::int64_t correct = 0;  ///< of those, chosen strictly ahead of rejected

  /// Σ weight·loss / pairs: weights do not enter the denominator. Errors: domain_error if there are no pairs.
  ZERMELO_INLINE double mean_over_pairs() const { return ratio(loss, static_cast<double>(pairs)); }
  /// Σ weight·loss / Σ weight.
  ZERMELO_INLINE double mean_over_weight() const { return ratio(loss, weight); }
  /// The share of pairs that are ranked as labelled; ties count as wrong.
  ZERMELO_INLINE double accuracy() const { return ratio(static_cast<double>(correct), static_cast<double>(pairs)); }

  ZERMELO_INLINE friend pair_sums merge(const pair_sums& a, const pair_sums& b) {
    return {a.loss + b.loss, a.weight + b.weight, a.pairs + b.pairs, a.correct + b.correct};
  }

 private:
  ZERMELO_INLINE static double ratio(double numerator, double denominator) {
    if (denominator == 0)
      throw domain_error("pairs", domain_error::whole, "a mean over no pairs, or over a weight of zero, is undefined");
    return numerator / denominator;
  }
};

/// Pass it in place of the references: the log-ratio then is the policy's log-probability itself.
struct no_reference_t {};
inline constexpr no_reference_t no_reference{};

/// An option: weights [B], finite and zero or more, multiply losses and gradients.
template <class W>
struct weighted_by {
  W& weights;
  ZERMELO_INLINE explicit weighted_by(W& w) : weights(w) {}
};

/// An option: lengths [B], positive, divide the log-ratios of the chosen and of the rejected responses.
template <class C, class R>
struct normalised_by {
  C& chosen;
  R& rejected;
  ZERMELO_INLINE normalised_by(C& c, R& r) : chosen(c), rejected(r) {}
};

namespace detail {

template <class V>
struct pair_result {
  bundle<V, V, V> elements;                                   ///< loss, gradients for chosen and rejected
  bundle<total<V>, total<V>, total<V>, total<V>> statistics;  ///< as in pair_sums
  mask_t<V> fault;
};

/// One pair, from what there is of (chosen, rejected, reference of both, weight, lengths of both).
template <class Kernel, bool Referenced, bool Weighted, bool Normalised>
struct pair_kernel {
  Kernel kernel;

  template <class V>
  struct arguments {
    V chosen, rejected, weight, chosen_length, rejected_length;
    V greatest;  ///< of the log-probabilities: none may be +∞
  };

  template <class V, class... X>
  ZERMELO_FN static arguments<V> name(V chosen, V rejected, X... rest) {
    arguments<V> out{chosen, rejected, V(1), V(1), V(1), (max)(chosen, rejected)};
    take<Referenced, Weighted, Normalised>(out, rest...);
    return out;
  }

  template <class V, class... X>
  ZERMELO_FN auto operator()(V chosen, V rejected, X... rest) const {
    const auto x = name(chosen, rejected, rest...);
    const V a = x.chosen, b = x.rejected;
    const V margin = Normalised ? a / x.chosen_length - b / x.rejected_length : a - b;
    const auto loss = kernel(margin);
    const V slope = x.weight * loss.slope;
    const V value = Weighted ? weighted(x.weight, loss.value) : loss.value;
    mask_t<V> fault = is_nan(margin) || x.greatest == infinity<V>();  // ∞ − ∞ somewhere, or certainty beyond 1
    if constexpr (Weighted) fault = fault || x.weight < V(0) || !is_finite(x.weight);
    if constexpr (Normalised)
      fault = fault || !(x.chosen_length > V(0)) || !(x.rejected_length > V(0)) || !is_finite(x.chosen_length) ||
              !is_finite(x.rejected_length);
    return pair_result<V>{.elements = {value, Normalised ? slope / x.chosen_length : slope,
                                       Normalised ? -slope / x.rejected_length : -slope},
                          .statistics = {total(value), total(x.weight), total(V(1)), total(select(a > b, V(1), V(0)))},
                          .fault = fault};
  }

  /// Why a pair at position k has no loss.
  template <class... X>
  domain_error explain(std::int64_t k, double chosen, double rejected, X... rest) const {
    const auto x = name(chosen, rejected, rest...);
    if (Weighted && !(x.weight >= 0 && is_finite(x.weight)))
      return {"weights", k, text(x.weight) + ", expected a finite number, zero or more"};
    if (Normalised && !(x.chosen_length > 0 && is_finite(x.chosen_length)))
      return {"chosen_lengths", k, text(x.chosen_length) + ", expected a positive length"};
    if (Normalised && !(x.rejected_length > 0 && is_finite(x.rejected_length)))
      return {"rejected_lengths", k, text(x.rejected_length) + ", expected a positive length"};
    if (x.greatest == infinity<double>()) return {"chosen", k, "a log-probability of this pair is +∞"};
    if (is_nan(x.chosen)) return {"chosen", k, "the log-ratio is a difference of equal infinities, which is undefined"};
    if (is_nan(x.rejected))
      return {"rejected", k, "the log-ratio is a difference of equal infinities, which is undefined"};
    return {"chosen", k, "the margin is a difference of equal infinities, which is undefined"};
  }

 private:
  template <bool References, bool Weights, bool Lengths, class V, class... X>
  ZERMELO_FN static void take(arguments<V>& out, V first, X... rest) {
    if constexpr (References) {
      take_reference<Weights, Lengths>(out, first, rest...);
    } else if constexpr (Weights) {
      out.weight = first;
      if constexpr (Lengths) take<false, false, true>(out, rest...);
    } else {
      out.chosen_length = first;
      take_last(out, rest...);
    }
  }
  template <bool References, bool Weights, bool Lengths, class V>
  ZERMELO_FN static void take(arguments<V>&) {}
  template <bool Weights, bool Lengths, class V, class... X>
  ZERMELO_FN static void take_reference(arguments<V>& out, V chosen, V rejected, X... rest) {
    out.greatest = (max)(out.greatest, (max)(chosen, rejected));
    out.chosen = out.chosen - chosen;
    out.rejected = out.rejected - rejected;
    take<false, Weights, Lengths>(out, rest...);
  }
  template <class V>
  ZERMELO_FN static void take_last(arguments<V>& out, V rejected_length) {
    out.rejected_length = rejected_length;
  }
};

struct to_pair_sums {
  template <class Statistics>
  ZERMELO_INLINE pair_sums operator()(const Statistics& s) const {
    pair_sums result;
    result.loss = get<0>(s).value;
    result.weight = get<1>(s).value;
    result.pairs = static_cast<std::int64_t>(get<2>(s).value);
    result.correct = static_cast<std::int64_t>(get<3>(s).value);
    return result;
  }
};

template <class X>
ZERMELO_INLINE auto references_of(const char* name, X& x) {
  if constexpr (std::is_same_v<std::remove_const_t<X>, no_reference_t>)
    return std::tuple<>();
  else
    return std::tuple(named(name, x));
}

/// What the options say, in the order that pair_kernel expects.
template <class W>
ZERMELO_INLINE auto weights_of(const weighted_by<W>& o) {
  return std::tuple(named("weights", o.weights));
}
template <class O>
ZERMELO_INLINE std::tuple<> weights_of(const O&) {
  return {};
}
template <class C, class R>
ZERMELO_INLINE auto lengths_of(const normalised_by<C, R>& o) {
  return std::tuple(named("chosen_lengths", o.chosen), named("rejected_lengths", o.rejected));
}
template <class O>
ZERMELO_INLINE std::tuple<> lengths_of(const O&) {
  return {};
}
template <class X>
ZERMELO_INLINE auto masks_of(const counted_where<X>& o) {
  return std::tuple<const counted_where<X>&>(o);
}
template <class O>
ZERMELO_INLINE std::tuple<> masks_of(const O&) {
  return {};
}

}  // namespace detail

inline namespace ZERMELO_ISA {

/// A loss over pairs, its gradients and its sums, in one pass.
///
///   a = chosen − reference_chosen,   b = rejected − reference_rejected,   h = a/n_w − b/n_l
///   losses = w·ℓ(h),   grad_chosen = w·ℓ′(h)/n_w,   grad_rejected = −w·ℓ′(h)/n_l
///
/// kernel                a loss of the margin: kernel(h) → value_slope; see alignment/
/// chosen, rejected      [B]  log-probabilities under the policy, in nats
/// reference_…           [B]  under the reference, or no_reference for both
/// losses, grad_…        [B]  written; `discard` what is not wanted. Gradients are those of the sum of the losses
/// options               weighted_by(w), normalised_by(n_w, n_l), counted_where(mask), in any order, each at most once
/// Errors: shape_error and domain_error naming tensor and position: NaN, +∞, a difference of equal infinities, weights that
///         are negative or not finite, lengths that are not positive; parameters of the kernel. What a mask leaves out
///         is never looked at, and its losses and gradients are zero.
/// Returns pair_sums; under a device policy that writes into a record, a device_result of them.
/// Cost: one pass, memory-bound.
template <execution P, class Kernel, tensor C, tensor R, class RC, class RR, class L, class GC, class GR,
          class... Options>
auto pair_loss(P&& policy, const Kernel& kernel, const C& chosen, const R& rejected, const RC& reference_chosen,
               const RR& reference_rejected, L&& losses, GC&& grad_chosen, GR&& grad_rejected,
               const Options&... options) {
  kernel.require_valid();
  auto references = std::tuple_cat(detail::references_of("reference_chosen", reference_chosen),
                                   detail::references_of("reference_rejected", reference_rejected));
  auto weights = std::tuple_cat(std::tuple<>(), detail::weights_of(options)...);
  auto lengths = std::tuple_cat(std::tuple<>(), detail::lengths_of(options)...);
  const auto masks = std::tuple_cat(std::tuple<>(), detail::masks_of(options)...);
  constexpr std::size_t with_references = std::tuple_size_v<decltype(references)>;
  constexpr std::size_t with_weights = std::tuple_size_v<decltype(weights)>;
  constexpr std::size_t with_lengths = std::tuple_size_v<decltype(lengths)>;
  static_assert(with_references != 1, "zermelo: give both references, or no_reference twice");
  static_assert(with_weights <= 1 && with_lengths <= 2 && std::tuple_size_v<decltype(masks)> <= 1,
                "zermelo: an option of pair_loss is given twice");
  static_assert(with_weights + with_lengths / 2 + std::tuple_size_v<decltype(masks)> == sizeof...(Options),
                "zermelo: options of pair_loss are weighted_by, normalised_by and counted_where");
  named<const C> first("chosen", chosen);
  named<const R> second("rejected", rejected);
  auto all = std::tuple_cat(std::tie(first, second), std::apply([](auto&... x) { return std::tie(x...); }, references),
                            std::apply([](auto&... x) { return std::tie(x...); }, weights),
                            std::apply([](auto&... x) { return std::tie(x...); }, lengths));
  const detail::pair_kernel<Kernel, (with_references > 0), (with_weights > 0), (with_lengths > 0)> pair{kernel};
  const auto sums = std::apply(
      [&](auto&... in) {
        return std::apply(
            [&](const auto&... mask) {
              return map_reduce(policy, pair, inputs(in...), outputs(losses, grad_chosen, grad_rejected), mask...);
            },
            masks);
      },
      all);
  return detail::conclude(sums, detail::to_pair_sums{});
}

template <class Kernel, tensor C, tensor R, class RC, class RR, class L, class GC, class GR, class... Options>
  requires(!execution<Kernel>)
pair_sums pair_loss(const Kernel& kernel, const C& chosen, const R& rejected, const RC& reference_chosen,
                    const RR& reference_rejected, L&& losses, GC&& grad_chosen, GR&& grad_rejected,
                    const Options&... options) {
  return pair_loss(detail::default_policy<C, R, RC, RR, L, GC, GR>(), kernel, chosen, rejected, reference_chosen,
                   reference_rejected, losses, grad_chosen, grad_rejected, options...);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1
