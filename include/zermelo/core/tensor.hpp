// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "config.hpp"
#include "error.hpp"

/// A tensor is anything that can say where its numbers are.
///
/// `tensor_traits<X>` is the customisation point: a type for which it is enabled is a `tensor`, and `view(x)` turns it
/// into a `tensor_view`, a pointer with shape and strides. Types are recognised by their members, not by their names:
/// contiguous ranges (std::vector, std::array, std::span), arrays of the language, mdspans, Eigen's dense types and
/// xtensor's containers and views with storage, Thrust's vectors. No library is included for that. What a type does not
/// know before the program runs (the rank of an xt::xarray, the elements of a DLTensor) is checked by dynamic_tensor.hpp.
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

/// The same of numbers in the memory named: `vector_view<memory::device>(pointer, n)`.
template <memory Where, class T>
ZERMELO_FN constexpr tensor_view<T, 1, Where> vector_view(T* data, std::int64_t n) {
  return {.data = data, .shape = {n}, .strides = {1}};
}
template <memory Where, class T>
ZERMELO_FN constexpr tensor_view<T, 2, Where> matrix_view(T* data, std::int64_t rows, std::int64_t columns) {
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

/// What is only stored and not computed with says what it is read as: bfloat16 and float16, of half.hpp.
template <class T>
concept stored_number = requires { typename T::stored_number; };

template <class P>
concept pointer_to_numbers =
    std::is_pointer_v<P> && (std::is_arithmetic_v<std::remove_pointer_t<P>> ||
                             std::is_enum_v<std::remove_pointer_t<P>> || stored_number<std::remove_pointer_t<P>>);

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
concept xtensor_like = requires(const X& x) {
  x.shape();
  x.layout();
  { x.dimension() } -> std::convertible_to<std::size_t>;
  X::static_layout;
  requires std::is_arithmetic_v<typename X::value_type>;
};

template <class X>
concept xtensor_with_storage = xtensor_like<X> && requires(X& x) {
  { x.data() } -> pointer_to_numbers;
  x.data_offset();
  x.strides()[0];
};

/// Whether the type of an xtensor expression says how many dimensions it has.
template <class X>
concept xtensor_of_known_rank =
    requires(const X& x) { std::tuple_size<std::remove_cvref_t<decltype(x.shape())>>::value; };

template <class X>
concept mdspan_like = requires(const X& x) {
  x.data_handle();
  x.extent(0);
  x.stride(0);
  requires pointer_to_numbers<typename X::data_handle_type>;
  requires(X::rank() >= 1);
  requires(X::is_always_strided());
  requires std::is_same_v<typename X::reference, typename X::element_type&>;
};

/// Vectors whose data() is no pointer of the language but says in which system's memory it points: Thrust's.
template <class X>
concept thrust_like = requires(X& x) {
  { x.data().get() } -> pointer_to_numbers;
  { x.size() } -> std::convertible_to<std::size_t>;
  typename decltype(x.data())::iterator_category;
};

/// Thrust's iterator category is a plain one in the memory of its host system, or names the system of its memory.
template <class Category>
struct system_of_category {
  using type = void;
};
template <template <class, class, class> class With, class Category, class System, class Traversal>
struct system_of_category<With<Category, System, Traversal>> {
  using type = System;
};

/// The tags of Thrust's parallel host systems refine the one of its sequential system, and say so by their `tag_type`;
/// a system of its own names itself.
template <class System>
inline constexpr memory memory_of_system = memory::host;
template <class System>
  requires std::is_same_v<typename System::tag_type, System>
inline constexpr memory memory_of_system<System> = memory::device;

template <class X>
concept dlpack_like = requires(const X& x) {
  { x.data } -> std::convertible_to<const void*>;
  x.ndim;
  x.dtype.code;
  x.dtype.bits;
  x.dtype.lanes;
  x.shape[0];
  x.strides[0];
  x.byte_offset;
  x.device.device_type;
};

template <class X>
concept dlpack_owner_like = requires(const X& x) {
  { x.dl_tensor } -> dlpack_like;
};

/// Numbers, of which the type does not say how many dimensions they have, or not what they are.
template <class X>
concept known_at_run_time =
    dlpack_like<X> || dlpack_owner_like<X> || (xtensor_with_storage<X> && !xtensor_of_known_rank<X>);

template <class X>
concept contiguous_range =
    !eigen_like<X> && !xtensor_like<X> && !is_tensor_view<std::remove_const_t<X>> && requires(X& x) {
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
  requires detail::pointer_to_numbers<T*>
struct tensor_traits<T[N]> {
  static constexpr bool enabled = true;
  ZERMELO_FN static constexpr auto view(T (&x)[N]) { return vector_view(x, static_cast<std::int64_t>(N)); }
};

template <class T, std::size_t M, std::size_t N>
  requires detail::pointer_to_numbers<T*>
struct tensor_traits<T[M][N]> {
  static constexpr bool enabled = true;
  ZERMELO_FN static constexpr auto view(T(&x)[M][N]) {
    return matrix_view(x[0], static_cast<std::int64_t>(M), static_cast<std::int64_t>(N));
  }
};

template <class T, std::size_t L, std::size_t M, std::size_t N>
  requires detail::pointer_to_numbers<T*>
struct tensor_traits<T[L][M][N]> {
  static constexpr bool enabled = true;
  ZERMELO_FN static constexpr auto view(T(&x)[L][M][N]) {
    constexpr auto l = static_cast<std::int64_t>(L), m = static_cast<std::int64_t>(M), n = static_cast<std::int64_t>(N);
    return tensor_view<T, 3>{.data = x[0][0], .shape = {l, m, n}, .strides = {m * n, n, 1}};
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

template <detail::xtensor_with_storage X>
  requires detail::xtensor_of_known_rank<X>
struct tensor_traits<X> {
  static constexpr bool enabled = true;
  ZERMELO_INLINE static constexpr auto view(X& x) {
    constexpr std::size_t rank = std::tuple_size<std::remove_cvref_t<decltype(x.shape())>>::value;
    static_assert(rank >= 1, "zermelo: a tensor of rank 0 is one number; pass the number");
    tensor_view<std::remove_pointer_t<decltype(x.data())>, rank> v{.data = x.data() + x.data_offset()};
    for (std::size_t r = 0; r < rank; ++r) {
      v.shape[r] = static_cast<std::int64_t>(x.shape()[r]);
      v.strides[r] = static_cast<std::int64_t>(x.strides()[r]);
    }
    return v;
  }
};

template <detail::mdspan_like X>
struct tensor_traits<X> {
  static constexpr bool enabled = true;
  ZERMELO_INLINE static constexpr auto view(X& x) {
    tensor_view<typename X::element_type, X::rank()> v{.data = x.data_handle()};
    for (std::size_t r = 0; r < X::rank(); ++r) {
      using index = decltype(X::rank());
      v.shape[r] = static_cast<std::int64_t>(x.extent(static_cast<index>(r)));
      v.strides[r] = static_cast<std::int64_t>(x.stride(static_cast<index>(r)));
    }
    return v;
  }
};

template <detail::thrust_like X>
struct tensor_traits<X> {
  static constexpr bool enabled = true;
  using category = typename decltype(std::declval<X&>().data())::iterator_category;
  static constexpr memory where = detail::memory_of_system<typename detail::system_of_category<category>::type>;
  ZERMELO_INLINE static auto view(X& x) {
    return vector_view<where>(x.data().get(), static_cast<std::int64_t>(x.size()));
  }
};

/// An expression that has a shape but no numbers yet. It counts as a tensor so that `view` can say what to do.
template <class X>
  requires(detail::eigen_like<X> && !detail::eigen_with_storage<X>) ||
          (detail::xtensor_like<X> && !detail::xtensor_with_storage<X>)
struct tensor_traits<X> {
  static constexpr bool enabled = true;
  static constexpr bool lazy = true;
};

/// Likewise: what the type does not say is to be checked first.
template <detail::known_at_run_time X>
struct tensor_traits<X> {
  static constexpr bool enabled = true;
  static constexpr bool dynamic = true;
};

/// Anything that `view` takes.
template <class X>
concept tensor = tensor_traits<std::remove_reference_t<X>>::enabled;

/// Where the numbers of x are: pointer, shape and strides. Nothing is copied.
template <tensor X>
ZERMELO_INLINE constexpr auto view(X&& x) {
  using traits = tensor_traits<std::remove_reference_t<X>>;
  constexpr bool lazy = requires { requires traits::lazy; };
  constexpr bool dynamic = requires { requires traits::dynamic; };
  static_assert(!lazy || detail::xtensor_like<std::remove_reference_t<X>>,
                "zermelo: a lazy expression has no numbers to point to; pass expression.eval() instead");
  static_assert(!lazy || !detail::xtensor_like<std::remove_reference_t<X>>,
                "zermelo: a lazy expression has no numbers to point to; pass xt::eval(expression) instead");
  static_assert(
      !dynamic,
      "zermelo: the type of this tensor does not say its rank and elements; pass zermelo::as<double, 2>(x), of "
      "core/dynamic_tensor.hpp, which checks them");
  if constexpr (!lazy && !dynamic) return traits::view(x);
}

template <tensor X>
using view_t = decltype(view(std::declval<X&>()));

template <tensor X>
using element_t = typename view_t<X>::value_type;

/// The same numbers with the dimensions in reverse order.
template <tensor X>
ZERMELO_INLINE constexpr auto transposed(X&& x) {
  const auto v = view(x);
  using view_type = std::remove_const_t<decltype(v)>;
  view_type reversed{.data = v.data};
  for (std::size_t r = 0; r < view_type::rank; ++r) {
    reversed.shape[r] = v.shape[view_type::rank - 1 - r];
    reversed.strides[r] = v.strides[view_type::rank - 1 - r];
  }
  return reversed;
}

/// The numbers of x repeated, by strides of zero, to a larger shape: `broadcast(row, {3, 4})`.
///
/// Dimensions are matched from the last one; x may lack leading ones, and those of extent 1 are repeated. The view is for
/// reading. Errors: shape_error("x").   Cost: none.
template <tensor X, std::size_t Rank>
ZERMELO_INLINE auto broadcast(X&& x, const std::int64_t (&shape)[Rank]) {
  const auto v = view(x);
  using view_type = std::remove_const_t<decltype(v)>;
  static_assert(Rank >= view_type::rank, "zermelo: broadcast adds dimensions and repeats those of extent 1");
  tensor_view<const typename view_type::value_type, Rank, view_type::where> repeated{.data = v.data};
  for (std::size_t r = 0; r < Rank; ++r) repeated.shape[r] = shape[r];
  for (std::size_t r = 0; r < view_type::rank; ++r) {
    const std::size_t to = Rank - view_type::rank + r;
    if (v.shape[r] != shape[to] && v.shape[r] != 1)
      throw shape_error("x", "dimension " + std::to_string(r) + " has " + std::to_string(v.shape[r]) +
                                 " elements, expected 1 or " + std::to_string(shape[to]));
    repeated.strides[to] = v.shape[r] == shape[to] ? v.strides[r] : 0;
  }
  return repeated;
}

/// An output that is not wanted.
struct discard_t {};
inline constexpr discard_t discard{};

}  // namespace zermelo::inline v1
