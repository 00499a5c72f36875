// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "config.hpp"

/// A tensor is anything that can say where its numbers are.
///
/// `tensor_traits<X>` is the customisation point: a type for which it is enabled is a `tensor`, and `view(x)` turns it
/// into a `tensor_view`, a pointer with shape and strides. Types are recognised by their members, not by their names:
/// contiguous ranges (std::vector, std::array, std::span), arrays of the language, Eigen's dense types with storage.
/// A type of another library enters by a specialisation:
///
///     template <>
///     struct zermelo::tensor_traits<my_column> {
///       static constexpr bool enabled = true;
///       static zermelo::tensor_view<const float, 1> view(const my_column& x);
///     };
namespace zermelo::inline v1 {

/// Where the numbers are.
enum class memory : std::uint8_t { host, device };

/// Pointer, shape and strides (in elements; zero repeats one element). Copies of a view share the numbers.
template <class T, std::size_t Rank, memory Where = memory::host>
struct tensor_view {
  static_assert(Rank >= 1);
  using element_type = T;
  using value_type = std::remove_cv_t<T>;
  static constexpr std::size_t rank = Rank;
  static constexpr memory where = Where;

  T* data = nullptr;
  std::int64_t shape[Rank] = {};
  std::int64_t strides[Rank] = {};

  ZERMELO_FN constexpr std::int64_t size() const {
    std::int64_t n = 1;
    for (const std::int64_t extent : shape) n *= extent;
    return n;
  }

  template <std::integral... Index>
    requires(sizeof...(Index) == Rank)
  ZERMELO_FN constexpr T& operator()(Index... index) const {
    const std::int64_t at[] = {static_cast<std::int64_t>(index)...};
    std::int64_t offset = 0;
    for (std::size_t r = 0; r < Rank; ++r) offset += at[r] * strides[r];
    return data[offset];
  }

  /// The element at position k of the row-major order, whatever the strides.
  ZERMELO_FN constexpr T& element(std::int64_t k) const {
    if constexpr (Rank == 1) return data[k * strides[0]];
    std::int64_t offset = 0;
    for (std::size_t r = Rank; r-- > 0;) {
      offset += (k % shape[r]) * strides[r];
      k /= shape[r];
    }
    return data[offset];
  }

  /// Whether element k of the row-major order lies at data[k].
  ZERMELO_FN constexpr bool contiguous() const {
    std::int64_t step = 1;
    for (std::size_t r = Rank; r-- > 0;) {
      if (shape[r] != 1 && strides[r] != step) return size() == 0;
      step *= shape[r];
    }
    return true;
  }

  /// Views of numbers are views of constant numbers. (A template, for nvcc warns of conversions to the same type.)
  template <class Constant>
    requires(std::is_same_v<Constant, const T> && !std::is_const_v<T>)
  ZERMELO_FN constexpr operator tensor_view<Constant, Rank, Where>() const {
    tensor_view<const T, Rank, Where> same{.data = data};
    for (std::size_t r = 0; r < Rank; ++r) same.shape[r] = shape[r], same.strides[r] = strides[r];
    return same;
  }
};

/// n numbers, one after another.
template <class T>
ZERMELO_FN constexpr tensor_view<T, 1> vector_view(T* data, std::int64_t n) {
  return {.data = data, .shape = {n}, .strides = {1}};
}

/// rows × columns numbers, row after row.
template <class T>
ZERMELO_FN constexpr tensor_view<T, 2> matrix_view(T* data, std::int64_t rows, std::int64_t columns) {
  return {.data = data, .shape = {rows, columns}, .strides = {columns, 1}};
}

namespace detail {

template <class X>
concept is_tensor_view = requires(const X& x) {
  typename X::element_type;
  { X::rank } -> std::convertible_to<std::size_t>;
  { X::where } -> std::convertible_to<memory>;
  x.element(std::int64_t{});
};

template <class P>
concept pointer_to_numbers = std::is_pointer_v<P> && (std::is_arithmetic_v<std::remove_pointer_t<P>> ||
                                                      std::is_enum_v<std::remove_pointer_t<P>>);

template <class X>
concept eigen_like = requires(const X& x) {
  x.rows();
  x.cols();
  { X::IsVectorAtCompileTime } -> std::convertible_to<bool>;
};

template <class X>
concept eigen_with_storage = eigen_like<X> && requires(X& x) {
  { x.data() } -> pointer_to_numbers;
  x.innerStride();
  x.outerStride();
};

template <class X>
concept contiguous_range = !eigen_like<X> && !is_tensor_view<std::remove_const_t<X>> && requires(X& x) {
  { x.data() } -> pointer_to_numbers;
  { x.size() } -> std::convertible_to<std::size_t>;
  typename X::value_type;
  x[0];
};

}  // namespace detail

/// The customisation point; X may be const, and the view's element type then is.
template <class X>
struct tensor_traits {
  static constexpr bool enabled = false;
};

template <class X>
  requires detail::is_tensor_view<std::remove_const_t<X>>
struct tensor_traits<X> {
  static constexpr bool enabled = true;
  ZERMELO_FN static constexpr std::remove_const_t<X> view(X& x) { return x; }
};

template <detail::contiguous_range X>
struct tensor_traits<X> {
  static constexpr bool enabled = true;
  ZERMELO_INLINE static constexpr auto view(X& x) { return vector_view(x.data(), static_cast<std::int64_t>(x.size())); }
};

template <class T, std::size_t N>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
struct tensor_traits<T[N]> {
  static constexpr bool enabled = true;
  ZERMELO_FN static constexpr auto view(T (&x)[N]) { return vector_view(x, static_cast<std::int64_t>(N)); }
};

template <class T, std::size_t M, std::size_t N>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
struct tensor_traits<T[M][N]> {
  static constexpr bool enabled = true;
  ZERMELO_FN static constexpr auto view(T(&x)[M][N]) {
    return matrix_view(x[0], static_cast<std::int64_t>(M), static_cast<std::int64_t>(N));
  }
};

template <detail::eigen_with_storage X>
struct tensor_traits<X> {
  static constexpr bool enabled = true;
  ZERMELO_INLINE static constexpr auto view(X& x) {
    using element = std::remove_pointer_t<decltype(x.data())>;
    const auto inner = static_cast<std::int64_t>(x.innerStride());
    const auto outer = static_cast<std::int64_t>(x.outerStride());
    const auto rows = static_cast<std::int64_t>(x.rows());
    const auto columns = static_cast<std::int64_t>(x.cols());
    if constexpr (X::IsVectorAtCompileTime)
      return tensor_view<element, 1>{.data = x.data(), .shape = {rows * columns}, .strides = {inner}};
    else if constexpr (X::IsRowMajor)
      return tensor_view<element, 2>{.data = x.data(), .shape = {rows, columns}, .strides = {outer, inner}};
    else
      return tensor_view<element, 2>{.data = x.data(), .shape = {rows, columns}, .strides = {inner, outer}};
  }
};

/// An expression that has a shape but no numbers yet. It counts as a tensor so that `view` can say what to do.
template <detail::eigen_like X>
  requires(!detail::eigen_with_storage<X>)
struct tensor_traits<X> {
  static constexpr bool enabled = true;
  static constexpr bool lazy = true;
};

/// Anything that `view` takes.
template <class X>
concept tensor = tensor_traits<std::remove_reference_t<X>>::enabled;

/// Where the numbers of x are: pointer, shape and strides. Nothing is copied.
template <tensor X>
ZERMELO_INLINE constexpr auto view(X&& x) {
  using traits = tensor_traits<std::remove_reference_t<X>>;
  constexpr bool lazy = requires { requires traits::lazy; };
  static_assert(!lazy, "zermelo: a lazy expression has no numbers to point to; pass expression.eval() instead");
  if constexpr (!lazy) return traits::view(x);
}

template <tensor X>
using view_t = decltype(view(std::declval<X&>()));

template <tensor X>
using element_t = typename view_t<X>::value_type;

/// An output that is not wanted.
struct discard_t {};
inline constexpr discard_t discard{};

}  // namespace zermelo::inline v1
