// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../config.hpp"
#include "../lanes.hpp"
#include "../value.hpp"
#include "arguments.hpp"

/// What elements are merged into by reductions and scans, beyond total, largest and smallest.
///
/// A monoid is a template M<V> over the value type with `M::identity()`, an associative `merge(a, b)`, `where(mask, a)`,
/// which is the identity where the mask is false, and `over_lanes(a)`, which merges the lanes of packs into M<double>.
/// What it answers is its `value`, a member or a member function. One with several parts says how they are walked: `zip_parts(a, b, f)` applies f part by part, and
/// `parts(a)` gives them as a bundle, for scans to write.
namespace zermelo::inline v1 {

/// log Σ exp(xₖ), in one pass and without overflow: the largest member m, and Σ exp(xₖ − m).
///
/// −∞ of none or of members that are all −∞; members of −∞ beside others count nothing; +∞ if a member is.
/// Source: Milakov and Gimelshein 2018, "Online normalizer calculation for softmax".
template <class V>
struct log_sum_exp {
  V largest, scaled;
  log_sum_exp() = default;
  ZERMELO_FN constexpr explicit log_sum_exp(V x) : largest(x), scaled(V(1)) {}
  ZERMELO_FN constexpr log_sum_exp(V most, V sum) : largest(most), scaled(sum) {}
  ZERMELO_FN static log_sum_exp identity() { return {-detail::infinity<V>(), V(0)}; }
  ZERMELO_FN V value() const { return largest + log(scaled); }

  ZERMELO_FN friend log_sum_exp merge(log_sum_exp a, log_sum_exp b) {
    const mask_t<V> first = a.largest > b.largest;
    // Equal infinities, whose difference is undefined, are no distance apart.
    const V apart = select(a.largest == b.largest, V(0), detail::negative_abs(a.largest - b.largest));
    const V e = detail::exp_nonpositive(apart);
    return {select(first, a.largest, b.largest),
            select(first, multiply_add(e, b.scaled, a.scaled), multiply_add(e, a.scaled, b.scaled))};
  }
  ZERMELO_INLINE friend log_sum_exp<double> over_lanes(log_sum_exp a) {
    const auto most = reduce_max(a.largest);
    const V below = select(a.largest == V(most), V(0), a.largest - V(most));
    return {static_cast<double>(most), static_cast<double>(reduce_add(V(detail::exp_nonpositive(below) * a.scaled)))};
  }
  ZERMELO_FN friend log_sum_exp where(mask_t<V> m, log_sum_exp a) {
    return {select(m, a.largest, identity().largest), select(m, a.scaled, V(0))};
  }
  template <class F>
  ZERMELO_FN friend auto zip_parts(log_sum_exp a, log_sum_exp b, F f) {
    return log_sum_exp<decltype(f(a.scaled, b.scaled))>(f(a.largest, b.largest), f(a.scaled, b.scaled));
  }
  ZERMELO_FN friend auto parts(log_sum_exp a) { return bundle(a.value()); }
};
template <class V>
log_sum_exp(V) -> log_sum_exp<V>;
template <class V>
log_sum_exp(V, V) -> log_sum_exp<V>;

/// The map x ↦ scale·x + offset; merge(a, b) applies a first, then b. Not commutative: for scans, not for reductions.
///
/// A scan of affine(aₖ, bₖ) answers the recurrence xₖ = bₖ + aₖ·xₖ₋₁ from x₋₁ = 0 (in reverse: xₖ = bₖ + aₖ·xₖ₊₁); its parts
/// are xₖ, the offset, and the product of all scales so far. A scale of zero silences what came before, be it infinite.
template <class V>
struct affine {
  V scale, offset;
  affine() = default;
  ZERMELO_FN constexpr affine(V a, V b) : scale(a), offset(b) {}
  ZERMELO_FN static affine identity() { return {V(1), V(0)}; }
  ZERMELO_FN friend affine merge(affine a, affine b) {
    return {a.scale * b.scale, select(b.scale == V(0), b.offset, multiply_add(b.scale, a.offset, b.offset))};
  }
  ZERMELO_FN friend affine where(mask_t<V> m, affine a) {
    return {select(m, a.scale, V(1)), select(m, a.offset, V(0))};
  }
  template <class F>
  ZERMELO_FN friend auto zip_parts(affine a, affine b, F f) {
    return affine<decltype(f(a.scale, b.scale))>(f(a.scale, b.scale), f(a.offset, b.offset));
  }
  ZERMELO_FN friend auto parts(affine a) { return bundle(a.offset, a.scale); }
};
template <class V>
affine(V, V) -> affine<V>;

namespace detail {

/// f of every part of two monoids of one kind, as a monoid of that kind; f may change the value type.
template <class M, class F>
ZERMELO_FN auto zip_monoids(const M& a, const M& b, F f) {
  if constexpr (requires { zip_parts(a, b, f); })
    return zip_parts(a, b, f);
  else
    return [&]<template <class> class Monoid, class V>(const Monoid<V>&)
               ZERMELO_LAMBDA_INLINE { return Monoid<decltype(f(a.value, b.value))>(f(a.value, b.value)); }(a);
}

/// What a monoid answers.
template <class M>
ZERMELO_FN auto answer_of(const M& m) {
  if constexpr (requires { m.value(); })
    return m.value();
  else
    return m.value;
}

template <class M>
ZERMELO_FN auto parts_of(const M& m) {
  if constexpr (requires { parts(m); })
    return parts(m);
  else
    return bundle(answer_of(m));
}

/// What a kernel of a reduction gives for one element, as a bundle of monoids.
template <class... S>
ZERMELO_FN bundle<S...> statistics_of(const bundle<S...>& s) {
  return s;
}
template <class E, class S>
ZERMELO_FN S statistics_of(const mapped<E, S>& m) {
  return m.statistics;
}
template <class M>
ZERMELO_FN bundle<M> statistics_of(const M& monoid) {
  return bundle<M>(monoid);
}

}  // namespace detail
}  // namespace zermelo::inline v1
