// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/policy.hpp"
#include "../core/loss_options.hpp"
#include "../core/primitives/gather.hpp"
#include "../core/primitives/map_reduce.hpp"
#include "../core/primitives/sort.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "dpo.hpp"

/// Alignment by optimal transport: distributions over a batch are compared quantile by quantile, so that every loss depends
/// on the whole batch.
namespace zermelo::inline v1::alignment {

/// The sum of losses that depend on their batch. It has no merge: a batch in parts is another batch.
struct batch_coupled_sums {
  double loss = 0;
  std::int64_t pairs = 0;

  /// loss / pairs. Errors: domain_error if there are none.
  ZERMELO_INLINE double mean_over_pairs() const {
    if (pairs == 0) throw domain_error("pairs", domain_error::whole, "a mean over no pairs is undefined");
    return loss / static_cast<double>(pairs);
  }
};

namespace transport {

/// x − y, refused where it is undefined or one of them is +∞.
struct difference {
  const char *first, *second;

  template <class V>
  struct result {
    bundle<V> elements;
    bundle<> statistics;
    mask_t<V> fault;
  };
  template <class V>
  ZERMELO_FN result<V> operator()(V x, V y) const {
    const V d = x - y;
    return {bundle<V>(d), {}, is_nan(d) || zermelo::detail::is_plus_infinity((max)(x, y))};
  }
  ZERMELO_INLINE domain_error explain(std::int64_t k, double x, double y) const {
    if (zermelo::detail::is_plus_infinity(x)) return {first, k, "is a log-probability of +∞"};
    if (zermelo::detail::is_plus_infinity(y)) return {second, k, "is a log-probability of +∞"};
    return {first, k, "the difference from " + std::string(second) + " is one of equal infinities, which is undefined"};
  }
};

/// The loss of one quantile, of which the margins of policy and reference may be infinite.
template <class Kernel>
struct quantile {
  Kernel kernel;

  template <class V>
  struct result {
    bundle<V, V> elements;
    bundle<total<V>> statistics;
    mask_t<V> fault;
  };
  template <class V>
  ZERMELO_FN result<V> operator()(V x, V y) const {
    const V margin = x - y;
    const auto loss = kernel(margin);
    return {bundle<V, V>(loss.value, loss.slope), bundle<total<V>>(total<V>(loss.value)), is_nan(margin)};
  }
  ZERMELO_INLINE domain_error explain(std::int64_t k, double, double) const {
    return {"quantile", k, "the margin is a difference of equal infinities, which is undefined"};
  }
};

}  // namespace transport

namespace transport::inline ZERMELO_ISA {

/// Losses and slopes of sorted columns.
template <class T, class P, class Kernel, class L>
batch_coupled_sums compare(P&& policy, const Kernel& kernel, const std::vector<T>& x, const std::vector<T>& y,
                           L&& losses, std::vector<T>& slope) {
  slope.resize(x.size());
  named to("losses", losses);
  const auto s = map_reduce(policy, quantile<Kernel>{kernel}, inputs(x, y), outputs(to, slope));
  return {get<0>(s).value, static_cast<std::int64_t>(x.size())};
}

template <class T, class P, class X, class Y>
std::vector<T> differences(P&& policy, const char* first, const X& x, const char* second, const Y& y) {
  std::vector<T> d(static_cast<std::size_t>(view(x).size()));
  named<const X> a(first, x);
  named<const Y> b(second, y);
  map_reduce(policy, difference{first, second}, inputs(a, b), outputs(d));
  return d;
}

/// Ascending, ties by position; and where each came from.
template <class T, class P>
std::vector<std::int64_t> sorted_with_positions(P&& policy, std::vector<T>& x) {
  std::vector<std::int64_t> from(x.size());
  argsort(policy, x, from);
  const std::vector<T> unsorted = x;
  gather(policy, unsorted, from, x);
  return from;
}

/// gradient[from[k]] = sign·slope[k]
template <class T, class G>
void scatter_slopes(const std::vector<T>& slope, const std::vector<std::int64_t>& from, double sign, G&& gradient) {
  if constexpr (!std::is_same_v<std::remove_cvref_t<G>, discard_t>) {
    const auto to = view(gradient);
    using element = typename std::remove_const_t<decltype(to)>::value_type;
    if (to.size() != static_cast<std::int64_t>(slope.size()))
      throw shape_error("gradient", std::to_string(to.size()) + " elements, expected as many as chosen, " +
                                        std::to_string(slope.size()));
    for (std::size_t k = 0; k < slope.size(); ++k)
      to.element(from[k]) = static_cast<element>(static_cast<T>(sign) * slope[k]);
  }
}

template <class X>
void require_length(const char* name, const X& x, std::int64_t n) {
  if (view(x).size() != n)
    throw shape_error(name,
                      std::to_string(view(x).size()) + " elements, expected as many as chosen, " + std::to_string(n));
}

/// Four columns of one length.
template <class C, class R, class RC, class RR>
void require_columns(const C& chosen, const R& rejected, const RC& reference_chosen, const RR& reference_rejected) {
  const std::int64_t n = view(chosen).size();
  require_length("rejected", rejected, n);
  require_length("reference_chosen", reference_chosen, n);
  require_length("reference_rejected", reference_rejected, n);
}

template <class... X>
using arithmetic = std::conditional_t<(std::is_same_v<element_t<const X&>, double> || ...), double, float>;

}  // namespace transport::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Alignment by optimal transport, pairs:  ℓ₍ₖ₎ = ℓ(u₍ₖ₎ − v₍ₖ₎),  u = chosen − rejected under the policy and v under the
/// reference, each sorted ascending by itself, ties by position.
///
/// kernel          a loss of the margin; dpo{.beta, .label_smoothing} is the paper's
/// losses          [B]  in the order of u; grad_… [B] in the order of the inputs; `discard` what is not wanted
/// A batch of one is DPO. Errors: as pair_loss.   Cost: two sorts; allocates a few columns. Host policies only.
/// Source: Melnyk et al. 2024, "Distributional preference alignment of LLMs via optimal transport".   TRL name: "aot".
template <host_policy P, class Kernel, tensor C, tensor R, tensor RC, tensor RR, class L, class GC, class GR>
batch_coupled_sums aot_paired(P&& policy, const Kernel& kernel, const C& chosen, const R& rejected,
                              const RC& reference_chosen, const RR& reference_rejected, L&& losses, GC&& grad_chosen,
                              GR&& grad_rejected) {
  using T = transport::arithmetic<C, R, RC, RR>;
  kernel.require_valid();
  transport::require_columns(chosen, rejected, reference_chosen, reference_rejected);
  auto u = transport::differences<T>(policy, "chosen", chosen, "rejected", rejected);
  auto v =
      transport::differences<T>(policy, "reference_chosen", reference_chosen, "reference_rejected", reference_rejected);
  const auto from = transport::sorted_with_positions(policy, u);
  sort(policy, v);
  std::vector<T> slope;
  const batch_coupled_sums sums = transport::compare(policy, kernel, u, v, losses, slope);
  transport::scatter_slopes(slope, from, 1, grad_chosen);
  transport::scatter_slopes(slope, from, -1, grad_rejected);
  return sums;
}

/// The same without pairs:  ℓ₍ₖ₎ = ℓ(a₍ₖ₎ − b₍ₖ₎),  a and b the log-ratios of as many chosen as rejected responses, each sorted
/// ascending by itself.   TRL name: "aot_unpaired".
template <host_policy P, class Kernel, tensor C, tensor R, tensor RC, tensor RR, class L, class GC, class GR>
batch_coupled_sums aot_unpaired(P&& policy, const Kernel& kernel, const C& chosen, const R& rejected,
                                const RC& reference_chosen, const RR& reference_rejected, L&& losses, GC&& grad_chosen,
                                GR&& grad_rejected) {
  using T = transport::arithmetic<C, R, RC, RR>;
  kernel.require_valid();
  transport::require_columns(chosen, rejected, reference_chosen, reference_rejected);
  auto a = transport::differences<T>(policy, "chosen", chosen, "reference_chosen", reference_chosen);
  auto b = transport::differences<T>(policy, "rejected", rejected, "reference_rejected", reference_rejected);
  const auto from_chosen = transport::sorted_with_positions(policy, a);
  const auto from_rejected = transport::sorted_with_positions(policy, b);
  std::vector<T> slope;
  const batch_coupled_sums sums = transport::compare(policy, kernel, a, b, losses, slope);
  transport::scatter_slopes(slope, from_chosen, 1, grad_chosen);
  transport::scatter_slopes(slope, from_rejected, -1, grad_rejected);
  return sums;
}

template <class Kernel, tensor C, tensor R, tensor RC, tensor RR, class L, class GC, class GR>
  requires(!execution<Kernel>)
batch_coupled_sums aot_paired(const Kernel& kernel, const C& chosen, const R& rejected, const RC& reference_chosen,
                              const RR& reference_rejected, L&& losses, GC&& grad_chosen, GR&& grad_rejected) {
  return aot_paired(simd{}, kernel, chosen, rejected, reference_chosen, reference_rejected, losses, grad_chosen,
                    grad_rejected);
}
template <class Kernel, tensor C, tensor R, tensor RC, tensor RR, class L, class GC, class GR>
  requires(!execution<Kernel>)
batch_coupled_sums aot_unpaired(const Kernel& kernel, const C& chosen, const R& rejected, const RC& reference_chosen,
                                const RR& reference_rejected, L&& losses, GC&& grad_chosen, GR&& grad_rejected) {
  return aot_unpaired(simd{}, kernel, chosen, rejected, reference_chosen, reference_rejected, losses, grad_chosen,
                      grad_rejected);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment
