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

/// The driver of losses over single responses, each with a label, a score or another column beside its log-probability.
/// Losses that depend on the batch as a whole take that as a parameter, which is made from sums that merge: see
/// alignment/kto.hpp and alignment/bco.hpp.
namespace zermelo::inline v1 {

/// Sums over the responses that count. They merge: any split into batches gives the same sums.
struct response_sums {
  double loss = 0;             ///< Σ weight·loss
  double weight = 0;           ///< Σ weight; the number of responses without weights
  std::int64_t responses = 0;  ///< responses that count

  /// Σ weight·loss / responses: weights do not enter the denominator. Errors: domain_error if there are no responses.
  ZERMELO_INLINE double mean_over_responses() const {
    return detail::mean_over(loss, static_cast<double>(responses), "responses");
  }
  /// Σ weight·loss / Σ weight.
  ZERMELO_INLINE double mean_over_weight() const { return detail::mean_over(loss, weight, "responses"); }

  ZERMELO_INLINE friend response_sums merge(const response_sums& a, const response_sums& b) {
    return {a.loss + b.loss, a.weight + b.weight, a.responses + b.responses};
  }
};

namespace detail {

template <class Elements, class V>
struct response_result {
  Elements elements;                                ///< loss, gradient, what is beside
  bundle<total<V>, total<V>, total<V>> statistics;  ///< as in response_sums
  mask_t<V> fault;
};

/// One response, from what there is of (log-probability, its reference, weight, columns alongside).
template <class Kernel, bool Referenced, bool Weighted, std::size_t Alongside, bool Further>
struct response_kernel {
  Kernel kernel;

  static constexpr std::size_t weight_at = Referenced ? 2 : 1;
  static constexpr std::size_t alongside_at = weight_at + (Weighted ? 1 : 0);
  using each_alongside = std::make_index_sequence<Alongside>;

  template <class V, class... X>
  ZERMELO_FN auto operator()(V policy, X... rest) const {
    const V x[] = {policy, rest...};
    return mapped_with(x, each_alongside{});
  }

  /// Why a response at position k has no loss.
  template <class... X>
  ZERMELO_INLINE domain_error explain(std::int64_t k, double policy, X... rest) const {
    const double x[] = {policy, rest...};
    return explained(k, x, each_alongside{});
  }

 private:
  template <class V>
  ZERMELO_FN static V ratio_of(const V* x) {
    return Referenced ? x[0] - x[weight_at - 1] : x[0];
  }
  template <class V>
  ZERMELO_FN static V greatest(const V* x) {
    return Referenced ? (max)(x[0], x[weight_at - 1]) : x[0];
  }
  template <class V, class... X>
  ZERMELO_FN mask_t<V> refused(V ratio, X... x) const {
    if constexpr (requires { kernel.refuses(ratio, x...); })
      return is_nan(ratio) || kernel.refuses(ratio, x...);
    else
      return is_nan(ratio);
  }

  template <class V, std::size_t... K>
  ZERMELO_FN auto mapped_with(const V* x, std::index_sequence<K...>) const {
    const V ratio = ratio_of(x);
    const auto result = kernel(ratio, x[alongside_at + K]...);
    const auto loss = plain_result(result);
    const V weight = Weighted ? x[Weighted ? weight_at : 0] : V(1);
    const V value = Weighted ? weighted(weight, loss.value) : loss.value;
    mask_t<V> fault = refused(ratio, x[alongside_at + K]...) || is_nan(loss.value) || is_plus_infinity(greatest(x));
    if constexpr (Weighted) fault = fault || weight < V(0) || !is_finite(weight);
    // Not const, which would keep GCC from taking bundles apart into registers.
    bundle<V, V> usual(value, Weighted ? weighted(weight, loss.slope) : loss.slope);
    bundle<total<V>, total<V>, total<V>> statistics{total<V>(value), total<V>(weight), total<V>(V(1))};
    if constexpr (Further) {
      auto all = joined(usual, further_of(weight, result));
      return response_result<decltype(all), V>{all, statistics, fault};
    } else {
      return response_result<bundle<V, V>, V>{usual, statistics, fault};
    }
  }

  template <std::size_t... K>
  ZERMELO_INLINE domain_error explained(std::int64_t k, const double* x, std::index_sequence<K...>) const {
    if constexpr (Weighted)
      if (!(x[weight_at] >= 0 && is_finite(x[weight_at])))
        return {"weights", k, text(x[weight_at]) + ", expected a finite number, zero or more"};
    for (std::size_t j = 0; j < weight_at; ++j)
      if (is_plus_infinity(x[j]))
        return {j == 0 ? "policy" : "reference", k, "a log-probability of this response is +∞"};
    const double ratio = ratio_of(x);
    if (is_nan(ratio)) return {"policy", k, "the log-ratio is a difference of equal infinities, which is undefined"};
    if constexpr (requires { kernel.refusal(k, x[alongside_at + K]...); })
      if (refused(ratio, x[alongside_at + K]...)) return kernel.refusal(k, x[alongside_at + K]...);
    return {"policy", k, "the loss is a difference of equal infinities, which is undefined"};
  }
};

struct to_response_sums {
  template <class Statistics>
  ZERMELO_INLINE response_sums operator()(const Statistics& s) const {
    response_sums result;
    result.loss = get<0>(s).value;
    result.weight = get<1>(s).value;
    result.responses = static_cast<std::int64_t>(get<2>(s).value);
    return result;
  }
};

}  // namespace detail

inline namespace ZERMELO_ISA {

/// A loss over single responses, its gradient and its sums, in one pass.
///
///   a = policy − reference,   losses = w·ℓ(a, …),   gradient = w·∂ℓ/∂a
///
/// kernel     kernel(a, columns alongside…) → value_slope, or extended{value_slope, …}; see alignment/
/// log_probs  [B]  log-probabilities under the policy, in nats
/// reference  [B]  under the reference, or no_reference
/// losses, gradient  [B]  written; `discard` what is not wanted. Gradients are those of the sum of the losses
/// options    alongside(labels, …), weighted_by(w), counted_where(mask), also_into(outputs…), in any order
/// Errors: shape_error and domain_error naming tensor and position: NaN, +∞, a difference of equal infinities, weights that
///         are negative or not finite; what the kernel refuses; its parameters. What a mask leaves out is never looked at,
///         and its loss and gradient are zero.
/// Returns response_sums; under a device policy that writes into a record, a device_result of them.
/// Cost: one pass, memory-bound.
template <execution P, class Kernel, tensor X, class R, class L, class G, class... Options>
auto response_loss(P&& policy, const Kernel& kernel, const X& log_probs, const R& reference, L&& losses, G&& gradient,
                   const Options&... options) {
  kernel.require_valid();
  auto references = std::tuple_cat(detail::references_of("reference", reference));
  auto weights = detail::weights_of(options...);
  auto columns = detail::columns_of<Kernel>(options...);
  auto also = detail::also_of(options...);
  const auto masks = detail::masks_of(options...);
  constexpr bool referenced = std::tuple_size_v<decltype(references)> > 0;
  constexpr bool weighted = std::tuple_size_v<decltype(weights)> > 0;
  constexpr bool further = std::tuple_size_v<decltype(also)> > 0;
  constexpr std::size_t with_columns = std::tuple_size_v<decltype(columns)>;
  using known = detail::options_known<weighted_by, counted_where, alongside, also_into>;
  static_assert(known::include<Options...>,
                "zermelo: options of response_loss are alongside, weighted_by, counted_where and also_into");
  static_assert(known::once<Options...>, "zermelo: an option of response_loss is given twice");
  static_assert(
      !requires { Kernel::columns[0]; } || with_columns > 0,
      "zermelo: this kernel reads columns beside the log-ratios: give them by alongside(…)");
  named<const X> first("policy", log_probs);
  named to_losses("losses", losses);
  named to_gradient("gradient", gradient);
  auto ratio = std::tie(first);
  auto outputs = std::tie(to_losses, to_gradient);
  const auto sums = detail::map_reduce_tied(
      policy, detail::response_kernel<Kernel, referenced, weighted, with_columns, further>{kernel},
      detail::tied(ratio, references, weights, columns), detail::tied(outputs, also), masks);
  return detail::conclude(sums, detail::to_response_sums{});
}

template <class Kernel, tensor X, class R, class L, class G, class... Options>
  requires(!execution<Kernel>)
response_sums response_loss(const Kernel& kernel, const X& log_probs, const R& reference, L&& losses, G&& gradient,
                            const Options&... options) {
  return response_loss(detail::default_policy<X, R, L, G>(), kernel, log_probs, reference, losses, gradient,
                       options...);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1
