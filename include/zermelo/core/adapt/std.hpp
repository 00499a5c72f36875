// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "../config.hpp"
#include "../error.hpp"
#include "../make_like.hpp"
#include "../tensor.hpp"

/// The standard library's ranges of numbers. They have one dimension.
namespace zermelo::inline v1 {
namespace detail {

/// What views, spans and arrays of the language, which own nothing, are answered with.
template <class T>
struct like_standard {
  static constexpr bool enabled = true;
  template <class X>
  ZERMELO_INLINE static std::vector<T> make(const X& x) {
    static_assert(view_t<const X>::rank == 1,
                  "zermelo: the standard library has no tensors of more than one dimension");
    return std::vector<T>(static_cast<std::size_t>(view(x).shape[0]));
  }
  template <class X, std::size_t Rank>
  ZERMELO_INLINE static std::vector<T> make(const X&, const std::int64_t (&shape)[Rank]) {
    static_assert(Rank == 1, "zermelo: the standard library has no tensors of more than one dimension");
    return std::vector<T>(static_cast<std::size_t>(shape[0]));
  }
};

}  // namespace detail

template <class T, class Allocator>
struct like_traits<std::vector<T, Allocator>> {
  static constexpr bool enabled = true;
  using vector = std::vector<T, Allocator>;
  ZERMELO_INLINE static vector make(const vector& x) { return vector(x.size(), x.get_allocator()); }
  template <std::size_t Rank>
  ZERMELO_INLINE static vector make(const vector& x, const std::int64_t (&shape)[Rank]) {
    static_assert(Rank == 1, "zermelo: the standard library has no tensors of more than one dimension");
    return vector(static_cast<std::size_t>(shape[0]), x.get_allocator());
  }
};

template <class T, std::size_t N>
struct like_traits<std::array<T, N>> : detail::like_standard<T> {
  using detail::like_standard<T>::make;
  ZERMELO_INLINE static std::array<T, N> make(const std::array<T, N>&) { return {}; }
};

template <class T, std::size_t N>
struct like_traits<T[N]> : detail::like_standard<std::remove_const_t<T>> {
  using detail::like_standard<std::remove_const_t<T>>::make;
  ZERMELO_INLINE static std::array<std::remove_const_t<T>, N> make(const T (&)[N]) { return {}; }
};

template <class T, std::size_t Extent>
struct like_traits<std::span<T, Extent>> : detail::like_standard<std::remove_const_t<T>> {};

template <class T, std::size_t Rank>
struct like_traits<tensor_view<T, Rank>> : detail::like_standard<std::remove_const_t<T>> {};

/// The numbers of x, which lie one after another, in row-major order.
/// Errors: shape_error("x") if they do not.
template <tensor X>
ZERMELO_INLINE auto as_span(X&& x) {
  const auto v = view(x);
  using view_type = std::remove_const_t<decltype(v)>;
  static_assert(view_type::where == memory::host, "zermelo: a span is in host memory");
  if (!v.contiguous()) throw shape_error("x", "its numbers do not lie one after another, as those of a span do");
  return std::span<typename view_type::element_type>(v.data, static_cast<std::size_t>(v.size()));
}

}  // namespace zermelo::inline v1
