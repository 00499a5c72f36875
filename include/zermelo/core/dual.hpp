// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <type_traits>

#include "config.hpp"
#include "value.hpp"

/// Dual numbers: a kernel evaluated at {x, 1} returns its value and its exact derivative. This is how hand-written
/// slopes are checked. `dual<dual<double>>` gives second derivatives.
namespace zermelo::inline v1 {

/// value + derivative·ε with ε² = 0. Comparisons look at the value. V: float, double or a dual number again.
template <class V>
struct dual {
  V value{}, derivative{};

  dual() = default;
  template <class U>
    requires std::is_arithmetic_v<U>
  ZERMELO_FN explicit(!std::is_integral_v<U> && !std::is_same_v<U, scalar_t<V>>) dual(U x)
      : value(static_cast<scalar_t<V>>(x)) {}
  ZERMELO_FN dual(V x, V dx) : value(x), derivative(dx) {}

  ZERMELO_FN friend dual operator+(dual a, dual b) { return {a.value + b.value, a.derivative + b.derivative}; }
  ZERMELO_FN friend dual operator-(dual a, dual b) { return {a.value - b.value, a.derivative - b.derivative}; }
  ZERMELO_FN friend dual operator*(dual a, dual b) {
    return {a.value * b.value, a.value * b.derivative + a.derivative * b.value};
  }
  ZERMELO_FN friend dual operator/(dual a, dual b) {
    const V quotient = a.value / b.value;
    return {quotient, (a.derivative - quotient * b.derivative) / b.value};
  }
  ZERMELO_FN friend dual operator-(dual a) { return {-a.value, -a.derivative}; }
  ZERMELO_FN friend dual operator+(dual a) { return a; }
  ZERMELO_FN dual& operator+=(dual b) { return *this = *this + b; }
  ZERMELO_FN dual& operator-=(dual b) { return *this = *this - b; }
  ZERMELO_FN dual& operator*=(dual b) { return *this = *this * b; }
  ZERMELO_FN dual& operator/=(dual b) { return *this = *this / b; }

  ZERMELO_FN friend auto operator<(dual a, dual b) { return a.value < b.value; }
  ZERMELO_FN friend auto operator>(dual a, dual b) { return a.value > b.value; }
  ZERMELO_FN friend auto operator<=(dual a, dual b) { return a.value <= b.value; }
  ZERMELO_FN friend auto operator>=(dual a, dual b) { return a.value >= b.value; }
  ZERMELO_FN friend auto operator==(dual a, dual b) { return a.value == b.value; }
  ZERMELO_FN friend auto operator!=(dual a, dual b) { return a.value != b.value; }
};

template <class V>
struct value_traits<dual<V>> {
  static constexpr bool has_bits = false;
  using scalar = scalar_t<V>;
  using mask = mask_t<V>;
};

/// x as the variable that derivatives are taken by.
template <class V>
ZERMELO_FN dual<V> variable(V x) {
  return {x, V(1)};
}

template <class V>
ZERMELO_FN dual<V> select(mask_t<V> m, dual<V> a, dual<V> b) {
  return {select(m, a.value, b.value), select(m, a.derivative, b.derivative)};
}

/// Of the value alone.
template <class V>
ZERMELO_FN mask_t<V> is_nan(dual<V> x) {
  return is_nan(x.value);
}
template <class V>
ZERMELO_FN mask_t<V> is_finite(dual<V> x) {
  return is_finite(x.value);
}

template <class V>
ZERMELO_FN dual<V>(max)(dual<V> a, dual<V> b) {
  return select(a.value > b.value, a, b);
}
template <class V>
ZERMELO_FN dual<V>(min)(dual<V> a, dual<V> b) {
  return select(a.value < b.value, a, b);
}
/// The derivative at 0 is taken from the right.
template <class V>
ZERMELO_FN dual<V> abs(dual<V> x) {
  return select(x.value < V(0), -x, x);
}
template <class V>
ZERMELO_FN dual<V> multiply_add(dual<V> a, dual<V> b, dual<V> c) {
  return a * b + c;
}
/// A zero weight silences an infinite term and an infinite slope alike.
template <class V>
ZERMELO_FN dual<V> weighted(dual<V> w, dual<V> x) {
  return {weighted(w.value, x.value), weighted(w.value, x.derivative) + weighted(w.derivative, x.value)};
}

namespace detail {

/// f(x) with slope f′(x): the chain rule. Where x does not move, the result doesn't, however steep f is.
template <class V>
ZERMELO_FN dual<V> chain(V value, V slope, V derivative) {
  return {value, weighted(derivative, slope)};
}

}  // namespace detail

template <class V>
ZERMELO_FN dual<V> exp(dual<V> x) {
  const V y = exp(x.value);
  return detail::chain(y, y, x.derivative);
}
template <class V>
ZERMELO_FN dual<V> expm1(dual<V> x) {
  return detail::chain(expm1(x.value), exp(x.value), x.derivative);
}
template <class V>
ZERMELO_FN dual<V> log(dual<V> x) {
  return detail::chain(log(x.value), V(1) / x.value, x.derivative);
}
template <class V>
ZERMELO_FN dual<V> log1p(dual<V> x) {
  return detail::chain(log1p(x.value), V(1) / (V(1) + x.value), x.derivative);
}
/// Slope −eˣ/(1 − eˣ) = eˣ/expm1(x).
template <class V>
ZERMELO_FN dual<V> log1mexp(dual<V> x) {
  return detail::chain(log1mexp(x.value), exp(x.value) / expm1(x.value), x.derivative);
}
template <class V>
ZERMELO_FN dual<V> softplus(dual<V> x) {
  return detail::chain(softplus(x.value), sigmoid(x.value), x.derivative);
}
template <class V>
ZERMELO_FN dual<V> sigmoid(dual<V> x) {
  const V p = sigmoid(x.value);
  return detail::chain(p, p * sigmoid(-x.value), x.derivative);
}
template <class V>
ZERMELO_FN dual<V> log_sigmoid(dual<V> x) {
  return detail::chain(log_sigmoid(x.value), sigmoid(-x.value), x.derivative);
}
/// Slope 1 − tanh² = 4σ(2x)σ(−2x), which does not cancel.
template <class V>
ZERMELO_FN dual<V> tanh(dual<V> x) {
  const V doubled = x.value + x.value;
  return detail::chain(tanh(x.value), V(4) * (sigmoid(doubled) * sigmoid(-doubled)), x.derivative);
}
template <class V>
ZERMELO_FN logistic_terms<dual<V>> softplus_sigmoid(dual<V> x) {
  const auto t = softplus_sigmoid(x.value);
  const V curvature = t.sigmoid * t.complement;
  return {detail::chain(t.softplus, t.sigmoid, x.derivative), detail::chain(t.sigmoid, curvature, x.derivative),
          detail::chain(t.complement, -curvature, x.derivative)};
}

template <class V>
ZERMELO_FN value_slope<dual<V>> logistic_cross_entropy(dual<V> x, dual<V> p, dual<V> q) {
  const dual<V> right = sigmoid(x), wrong = sigmoid(-x);
  return {weighted(p, softplus(-x)) + weighted(q, softplus(x)), q * right - p * wrong};
}

}  // namespace zermelo::inline v1
