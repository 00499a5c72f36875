// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "config.hpp"
#include "error.hpp"
#include "execution/default_policy.hpp"
#include "execution/policy.hpp"
#include "loss_options.hpp"
#include "options.hpp"
#include "primitives/map_reduce.hpp"
#include "tensor.hpp"
#include "value.hpp"

/// The driver of losses over pairs of a chosen and a rejected response. A loss is a kernel; log-ratios, lengths, weights,
/// masks, gradients, sums and errors are the driver's.
///
/// A kernel has one of three forms, each followed by a value for every column that comes alongside:
///
///     kernel(h, …)      a function of the margin of the log-ratios, h = a − b: returns value_slope
///     kernel(a, b, …)   a function of both log-ratios: returns pair_slopes
///     kernel(pair, …)   a function of all that is known of the pair, a pair_terms: returns pair_slopes
///
/// If it writes more than a loss and two gradients, it returns `extended{…}` around that.
namespace zermelo::inline v1 {

/// What a loss says of one pair: its value, and its derivatives by the log-probabilities of chosen and rejected.
template <class V>
struct pair_slopes {
  V value, chosen, rejected;
};

/// One pair, for kernels that need more than its log-ratios.
template <class V, bool Normalised = false>
struct pair_terms {
  V chosen, rejected;                      ///< log-probabilities under the policy
  V reference_chosen, reference_rejected;  ///< under the reference; 0 without one
  V chosen_length, rejected_length;        ///< 1 where no lengths are given
  V chosen_ratio, rejected_ratio;          ///< a and b: policy less reference, divided by the lengths if so asked
};

/// Sums over the pairs that count. They merge: any split into batches gives the same sums.
struct pair_sums {
  double loss = 0;           ///< Σ weight·loss
  double weight = 0;         ///< Σ weight; the number of pairs without weights
  std::int64_t pairs = 0;    ///< pairs that count
  std::int64_t correct = 0;  ///< of those, chosen strictly ahead of rejected

  /// Σ weight·loss / pairs: weights do not enter the denominator. Errors: domain_error if there are no pairs.
  ZERMELO_INLINE double mean_over_pairs() const { return detail::mean_over(loss, static_cast<double>(pairs), "pairs"); }
  /// Σ weight·loss / Σ weight.
  ZERMELO_INLINE double mean_over_weight() const { return detail::mean_over(loss, weight, "pairs"); }
  /// The share of pairs that are ranked as labelled; ties count as wrong.
  ZERMELO_INLINE double accuracy() const {
    return detail::mean_over(static_cast<double>(correct), static_cast<double>(pairs), "pairs");
  }

  ZERMELO_INLINE friend pair_sums merge(const pair_sums& a, const pair_sums& b) {
    return {a.loss + b.loss, a.weight + b.weight, a.pairs + b.pairs, a.correct + b.correct};
  }
};

/// An option: lengths [B], positive, divide the log-ratios of the chosen and of the rejected responses.
template <class C, class R>
struct normalised_by {
  C& chosen;
  R& rejected;
  ZERMELO_INLINE normalised_by(C& c, R& r) : chosen(c), rejected(r) {}
};

/// An option: lengths [B], positive, for kernels that ask for them; the log-ratios are not divided.
template <class C, class R>
struct with_lengths {
  C& chosen;
  R& rejected;
  ZERMELO_INLINE with_lengths(C& c, R& r) : chosen(c), rejected(r) {}
};

namespace detail {

/// What the driver does with lengths.
enum class length_use : std::uint8_t { none, given, divides };

template <class Kernel, class V, class... X>
inline constexpr bool takes_margin = requires(const Kernel& k, V v, X... x) { plain_result(k(v, x...)).slope; };
template <class Kernel, class V, class... X>
inline constexpr bool takes_ratios = requires(const Kernel& k, V v, X... x) { plain_result(k(v, v, x...)).chosen; };

/// What the kernel, whatever its form, returns for a pair.
template <class Kernel, class V, bool Normalised, class... X>
ZERMELO_FN auto called(const Kernel& kernel, const pair_terms<V, Normalised>& pair, X... x) {
  if constexpr (takes_margin<Kernel, V, X...>)
    return kernel(pair.chosen_ratio - pair.rejected_ratio, x...);
  else if constexpr (takes_ratios<Kernel, V, X...>)
    return kernel(pair.chosen_ratio, pair.rejected_ratio, x...);
  else
    return kernel(pair, x...);
}

/// What it returns, as value and derivatives by the policy's log-probabilities.
template <class Kernel, class V, bool Normalised, class Result, class... X>
ZERMELO_FN pair_slopes<V> slopes_of(const Kernel&, const pair_terms<V, Normalised>& pair, const Result& result, X...) {
  const auto r = plain_result(result);
  if constexpr (takes_margin<Kernel, V, X...>) {
    if constexpr (Normalised)
      return {r.value, r.slope / pair.chosen_length, -r.slope / pair.rejected_length};
    else
      return {r.value, r.slope, -r.slope};
  } else if constexpr (takes_ratios<Kernel, V, X...> && Normalised) {
    return {r.value, r.chosen / pair.chosen_length, r.rejected / pair.rejected_length};
  } else {
    return {r.value, r.chosen, r.rejected};
  }
}

/// Where log-ratios leave a kernel without a loss.
template <class Kernel, class V, bool Normalised, class... X>
ZERMELO_FN mask_t<V> undefined(const Kernel&, const pair_terms<V, Normalised>& pair, X...) {
  const V a = pair.chosen_ratio, b = pair.rejected_ratio;
  if constexpr (takes_margin<Kernel, V, X...>)
    return is_nan(a - b);  // ∞ − ∞ somewhere
  else
    return is_nan(a) || is_nan(b);
}

/// Whether a kernel may refuse pairs of finite log-ratios.
template <class Kernel, class V, bool Normalised, class... X>
inline constexpr bool refuses_some = !takes_margin<Kernel, V, X...> || sizeof...(X) > 0 ||
                                     requires(const Kernel& k, V v, X... x) { k.refuses(v, x...); };

/// Where it does; kernels may have a member `refuses` of the same arguments.
template <class Kernel, class V, bool Normalised, class... X>
ZERMELO_FN mask_t<V> refused(const Kernel& kernel, const pair_terms<V, Normalised>& pair, V value, X... x) {
  const V a = pair.chosen_ratio, b = pair.rejected_ratio;
  mask_t<V> bad = is_nan(value);
  if constexpr (takes_margin<Kernel, V, X...>) {
    if constexpr (requires { kernel.refuses(a, x...); }) bad = bad || kernel.refuses(a - b, x...);
  } else if constexpr (takes_ratios<Kernel, V, X...>) {
    if constexpr (requires { kernel.refuses(a, b, x...); }) bad = bad || kernel.refuses(a, b, x...);
  } else {
    if constexpr (requires { kernel.refuses(pair, x...); }) bad = bad || kernel.refuses(pair, x...);
  }
  return bad;
}

template <class Elements, class Statistics, class V>
struct pair_result {
  Elements elements;      ///< loss, gradients for chosen and rejected, what is beside
  Statistics statistics;  ///< of pair_sums, what does not follow from the others
  mask_t<V> fault;
  V suspect;  ///< the difference of the log-ratios: infinite ones may well be legal
};

/// Sums of losses, of pairs that are ranked right, of weights if there are any, of pairs if some may be masked.
template <bool Weighted, bool Masked, class V>
ZERMELO_FN auto statistics_of_pair(V loss, V weight, V correct) {
  if constexpr (Weighted && Masked)
    return bundle(total(loss), total(correct), total(weight), total(V(1)));
  else if constexpr (Weighted)
    return bundle(total(loss), total(correct), total(weight));
  else if constexpr (Masked)
    return bundle(total(loss), total(correct), total(V(1)));
  else
    return bundle(total(loss), total(correct));
}

/// One pair, from what there is of (chosen, rejected, references of both, weight, lengths of both, columns alongside).
template <class Kernel, bool Referenced, bool Weighted, length_use Lengths, std::size_t Alongside, bool Further,
          bool Masked = false>
struct pair_kernel {
  Kernel kernel;

  static constexpr bool refuses_nan = Alongside == 0;  ///< NaN comes out of differences, lengths and weights
  static constexpr std::size_t weight_at = Referenced ? 4 : 2;
  static constexpr std::size_t length_at = weight_at + (Weighted ? 1 : 0);
  static constexpr std::size_t alongside_at = length_at + (Lengths == length_use::none ? 0 : 2);
  static constexpr bool divides = Lengths == length_use::divides;
  using each_alongside = std::make_index_sequence<Alongside>;

  /// The pair in the values x, of which there are as many as tensors.
  template <class V>
  ZERMELO_FN static pair_terms<V, divides> name(const V* x) {
    pair_terms<V, divides> p{x[0], x[1], V(0), V(0), V(1), V(1), x[0], x[1]};
    if constexpr (Referenced) {
      p.reference_chosen = x[2];
      p.reference_rejected = x[3];
      p.chosen_ratio = p.chosen - p.reference_chosen;
      p.rejected_ratio = p.rejected - p.reference_rejected;
    }
    if constexpr (Lengths != length_use::none) {
      p.chosen_length = x[length_at];
      p.rejected_length = x[length_at + 1];
    }
    return p;
  }

  template <class V>
  ZERMELO_FN static pair_terms<V, divides> divided(pair_terms<V, divides> p) {
    if constexpr (divides) {
      p.chosen_ratio = p.chosen_ratio / p.chosen_length;
      p.rejected_ratio = p.rejected_ratio / p.rejected_length;
    }
    return p;
  }

  /// The largest of the log-probabilities: none may be +∞.
  template <class V>
  ZERMELO_FN static V greatest(const pair_terms<V, divides>& p) {
    const V policy = (max)(p.chosen, p.rejected);
    if constexpr (Referenced)
      return (max)(policy, (max)(p.reference_chosen, p.reference_rejected));
    else
      return policy;
  }

  template <class V, class... X>
  ZERMELO_FN auto operator()(V chosen, X... rest) const {
    const V x[] = {chosen, rest...};
    return mapped_with(x, each_alongside{});
  }

  /// Why a pair at position k has no loss.
  template <class... X>
  ZERMELO_INLINE domain_error explain(std::int64_t k, double chosen, X... rest) const {
    const double x[] = {chosen, rest...};
    return explained(k, x, each_alongside{});
  }

 private:
  template <class V, std::size_t... K>
  ZERMELO_FN auto mapped_with(const V* x, std::index_sequence<K...>) const {
    const auto given = name(x);
    const auto pair = divided(given);
    const auto result = called(kernel, pair, x[alongside_at + K]...);
    const pair_slopes<V> loss = slopes_of(kernel, pair, result, x[alongside_at + K]...);
    const V weight = Weighted ? x[weight_at] : V(1);
    const V value = Weighted ? weighted(weight, loss.value) : loss.value;
    mask_t<V> fault = undefined(kernel, pair, x[alongside_at + K]...) || is_plus_infinity(greatest(given));
    V suspect = pair.chosen_ratio - pair.rejected_ratio;
    const auto refuse = [&](mask_t<V> bad) ZERMELO_LAMBDA_INLINE {
      fault = fault || bad;
      suspect = select(bad, not_a_number<V>(), suspect);
    };
    if constexpr (refuses_some<Kernel, V, divides, std::remove_cvref_t<decltype(x[alongside_at + K])>...>)
      refuse(refused(kernel, pair, loss.value, x[alongside_at + K]...));
    if constexpr (Weighted) refuse(weight < V(0) || !is_finite(weight));
    if constexpr (Lengths != length_use::none)
      refuse(!(pair.chosen_length > V(0)) || !(pair.rejected_length > V(0)) || !is_finite(pair.chosen_length) ||
             !is_finite(pair.rejected_length));
    // Not const, which would keep GCC from taking bundles apart into registers.
    bundle<V, V, V> usual(value, Weighted ? weighted(weight, loss.chosen) : loss.chosen,
                          Weighted ? weighted(weight, loss.rejected) : loss.rejected);
    auto statistics = statistics_of_pair<Weighted, Masked>(
        value, weight, select(given.chosen_ratio > given.rejected_ratio, V(1), V(0)));
    if constexpr (Further) {
      auto all = joined(usual, further_of(weight, result));
      return pair_result<decltype(all), decltype(statistics), V>{all, statistics, fault, suspect};
    } else {
      return pair_result<bundle<V, V, V>, decltype(statistics), V>{usual, statistics, fault, suspect};
    }
  }

  template <std::size_t... K>
  ZERMELO_INLINE domain_error explained(std::int64_t k, const double* x, std::index_sequence<K...>) const {
    const auto given = name(x);
    if constexpr (Weighted)
      if (!(x[weight_at] >= 0 && is_finite(x[weight_at])))
        return {"weights", k, text(x[weight_at]) + ", expected a finite number, zero or more"};
    if (!(given.chosen_length > 0 && is_finite(given.chosen_length)))
      return {"chosen_lengths", k, text(given.chosen_length) + ", expected a positive length"};
    if (!(given.rejected_length > 0 && is_finite(given.rejected_length)))
      return {"rejected_lengths", k, text(given.rejected_length) + ", expected a positive length"};
    const char* const names[] = {"chosen", "rejected", "reference_chosen", "reference_rejected"};
    for (std::size_t j = 0; j < weight_at; ++j)
      if (is_plus_infinity(x[j])) return {names[j], k, "a log-probability of this pair is +∞"};
    if (is_nan(given.chosen_ratio))
      return {"chosen", k, "the log-ratio is a difference of equal infinities, which is undefined"};
    if (is_nan(given.rejected_ratio))
      return {"rejected", k, "the log-ratio is a difference of equal infinities, which is undefined"};
    const auto pair = divided(given);
    if constexpr (requires { kernel.refusal(k, x[alongside_at + K]...); })
      if (refused(kernel, pair, 0.0, x[alongside_at + K]...)) return kernel.refusal(k, x[alongside_at + K]...);
    if constexpr (requires { kernel.refusal(k, pair, x[alongside_at + K]...); })
      if (refused(kernel, pair, 0.0, x[alongside_at + K]...)) return kernel.refusal(k, pair, x[alongside_at + K]...);
    return {"chosen", k, "the margin is a difference of equal infinities, which is undefined"};
  }
};

template <bool Weighted, bool Masked>
struct to_pair_sums {
  std::int64_t given;  ///< pairs, masked or not

  template <class Statistics>
  ZERMELO_INLINE pair_sums operator()(const Statistics& s) const {
    pair_sums result;
    result.loss = get<0>(s).value;
    result.correct = static_cast<std::int64_t>(get<1>(s).value);
    result.pairs = given;
    if constexpr (Masked) result.pairs = static_cast<std::int64_t>(get<(Weighted ? 3 : 2)>(s).value);
    result.weight = static_cast<double>(result.pairs);
    if constexpr (Weighted) result.weight = get<2>(s).value;
    return result;
  }
};

}  // namespace detail

inline namespace ZERMELO_ISA {

/// A loss over pairs, its gradients and its sums, in one pass.
///
///   a = chosen − reference_chosen,   b = rejected − reference_rejected
///   losses = w·ℓ(a, b),   grad_chosen = w·∂ℓ/∂a,   grad_rejected = w·∂ℓ/∂b
///
/// For a loss of the margin, ℓ(h) with h = a/n_w − b/n_l, the gradients are w·ℓ′(h)/n_w and −w·ℓ′(h)/n_l.
///
/// kernel                a loss of the margin, of both log-ratios or of all of a pair (above); see alignment/
/// chosen, rejected      [B]  log-probabilities under the policy, in nats
/// reference_…           [B]  under the reference, or no_reference for both
/// losses, grad_…        [B]  written; `discard` what is not wanted. Gradients are those of the sum of the losses
/// options               weighted_by(w), normalised_by(n_w, n_l) or with_lengths(n_w, n_l), counted_where(mask),
///                       alongside(columns…), also_into(outputs…), in any order, each at most once
/// Errors: shape_error and domain_error naming tensor and position: NaN, +∞, a difference of equal infinities, weights that
///         are negative or not finite, lengths that are not positive; what the kernel refuses; its parameters. What a mask
///         leaves out is never looked at, and its losses and gradients are zero.
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
  const auto named_lengths = [](const auto& o) {
    return std::tuple(named("chosen_lengths", o.chosen), named("rejected_lengths", o.rejected));
  };
  auto weights = detail::weights_of(options...);
  auto dividing = detail::given<normalised_by>(named_lengths, options...);
  auto lengths = detail::given<with_lengths>(named_lengths, options...);
  auto columns = detail::columns_of<Kernel>(options...);
  auto also = detail::also_of(options...);
  const auto masks = detail::masks_of(options...);
  constexpr bool referenced = std::tuple_size_v<decltype(references)> > 0;
  constexpr bool weighted = std::tuple_size_v<decltype(weights)> > 0;
  constexpr bool masked = std::tuple_size_v<decltype(masks)> > 0;
  constexpr bool further = std::tuple_size_v<decltype(also)> > 0;
  constexpr std::size_t with_columns = std::tuple_size_v<decltype(columns)>;
  using known = detail::options_known<weighted_by, normalised_by, with_lengths, counted_where, alongside, also_into>;
  static_assert(std::tuple_size_v<decltype(references)> != 1, "zermelo: give both references, or no_reference twice");
  static_assert(known::include<Options...>,
                "zermelo: options of pair_loss are weighted_by, normalised_by, with_lengths, counted_where, alongside "
                "and also_into");
  static_assert(
      known::once<Options...> && std::tuple_size_v<decltype(dividing)> + std::tuple_size_v<decltype(lengths)> <= 2,
      "zermelo: an option of pair_loss is given twice");
  static_assert(
      !requires { Kernel::columns[0]; } || with_columns > 0,
      "zermelo: this kernel reads columns beside the log-ratios: give them by alongside(…)");
  constexpr auto use = std::tuple_size_v<decltype(dividing)> > 0  ? detail::length_use::divides
                       : std::tuple_size_v<decltype(lengths)> > 0 ? detail::length_use::given
                                                                  : detail::length_use::none;
  named<const C> first("chosen", chosen);
  named<const R> second("rejected", rejected);
  named to_losses("losses", losses);
  named to_chosen("grad_chosen", grad_chosen);
  named to_rejected("grad_rejected", grad_rejected);
  auto pair = std::tie(first, second);
  auto gradients = std::tie(to_losses, to_chosen, to_rejected);
  const auto sums = detail::map_reduce_tied(
      policy, detail::pair_kernel<Kernel, referenced, weighted, use, with_columns, further, masked>{kernel},
      detail::tied(pair, references, weights, dividing, lengths, columns), detail::tied(gradients, also), masks);
  return detail::conclude(sums, detail::to_pair_sums<weighted, masked>{view(chosen).size()});
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
