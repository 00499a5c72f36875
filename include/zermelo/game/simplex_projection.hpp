// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"

/// The nearest policy to a vector.
namespace zermelo::inline v1::game {
namespace detail::inline ZERMELO_ISA {

/// p = max(v − θ, 0) with Σp = 1; `sorted` is scratch. p may be v.
template <class T>
void project(const T* v, std::int64_t n, T* p, T* sorted) {
  std::copy(v, v + n, sorted);
  std::sort(sorted, sorted + n, [](T a, T b) { return a > b; });
  // Sums are of differences from the largest, so that numbers far from zero lose nothing.
  const double top = static_cast<double>(sorted[0]);
  double sum = 0, threshold = -1;
  for (std::int64_t k = 0; k < n; ++k) {
    const double u = static_cast<double>(sorted[k]) - top;
    sum += u;
    const double candidate = (sum - 1) / static_cast<double>(k + 1);
    if (!(u > candidate)) break;
    threshold = candidate;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const double x = (static_cast<double>(v[i]) - top) - threshold;
    p[i] = static_cast<T>(x > 0 ? x : 0.0);
  }
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// The Euclidean projection onto the simplex:  argminₚ ‖p − v‖₂ over p ≥ 0, Σp = 1.
///
///   p = max(v − θ, 0),   θ = (Σⱼ≤ₖ uⱼ − 1)/k for the largest k with uₖ > θ,   u = v in descending order
///
/// v, out [n]; out may be v. Errors: shape_error; domain_error with the index of what is not finite.
/// Cost: a sort.   Source: Held, Wolfe, Crowder 1974.
template <tensor X, tensor Y>
void simplex_projection(const X& v, Y&& out) {
  const auto from = view(v);
  const auto to = view(out);
  using T = typename std::remove_const_t<decltype(from)>::value_type;
  const std::int64_t n = from.size();
  if (n == 0) throw shape_error("v", "no elements");
  if (to.size() != n)
    throw shape_error("out", std::to_string(to.size()) + " elements, expected as many as v, " + std::to_string(n));
  std::vector<T> x(static_cast<std::size_t>(2 * n));
  for (std::int64_t i = 0; i < n; ++i) {
    if (!is_finite(from.element(i))) throw domain_error("v", i, "is not a finite number");
    x[static_cast<std::size_t>(i)] = from.element(i);
  }
  detail::project(x.data(), n, x.data(), x.data() + n);
  for (std::int64_t i = 0; i < n; ++i)
    to.element(i) = static_cast<typename std::remove_const_t<decltype(to)>::value_type>(x[static_cast<std::size_t>(i)]);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
