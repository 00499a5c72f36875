// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "config.hpp"
#include "dynamic_tensor.hpp"
#include "tensor.hpp"

/// A new tensor of the library, element type and memory of another. To know how a library makes one takes the library:
/// include core/adapt/{std,eigen,xtensor,thrust,dlpack}.hpp for those that are used.
namespace zermelo::inline v1 {

/// The customisation point: `static auto make(const X&)` for the shape of x, and, for shapes given,
/// `template <std::size_t Rank> static auto make(const X&, const std::int64_t (&shape)[Rank])`.
template <class X>
struct like_traits {
  static constexpr bool enabled = false;
};

/// A tensor of x's library with x's element type, memory and shape. Its numbers are unspecified.
template <dynamic_tensor X>
ZERMELO_INLINE auto make_like(const X& x) {
  static_assert(like_traits<X>::enabled,
                "zermelo: to make a tensor of this type takes its library; include its header of zermelo/core/adapt");
  if constexpr (like_traits<X>::enabled) return like_traits<X>::make(x);
}

/// The same with a shape of its own: `make_like(x, {rows, columns})`.
template <dynamic_tensor X, std::size_t Rank>
ZERMELO_INLINE auto make_like(const X& x, const std::int64_t (&shape)[Rank]) {
  static_assert(like_traits<X>::enabled,
                "zermelo: to make a tensor of this type takes its library; include its header of zermelo/core/adapt");
  if constexpr (like_traits<X>::enabled) return like_traits<X>::make(x, shape);
}

}  // namespace zermelo::inline v1
