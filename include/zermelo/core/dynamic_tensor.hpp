// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "config.hpp"
#include "error.hpp"
#include "tensor.hpp"

/// Tensors of which the element type, the rank or the memory is known only when the program runs: DLPack's, xt::xarray.
///
///     const auto logits = zermelo::as<float, 2>(x);                       // checked: a tensor_view<float, 2>
///     zermelo::visit(x, []<class T>(zermelo::tensor_view<T, 1> v) {...}); // whichever it is, of those the function takes
///
/// They are recognised by their members; no library is included. Nothing is copied.
namespace zermelo::inline v1 {

/// What a number is made of.
struct element_format {
  enum class kind : std::uint8_t { integer, unsigned_integer, floating, brain_floating, complex, boolean, other };
  kind is = kind::other;
  int bits = 0;
  int lanes = 1;

  ZERMELO_INLINE friend bool operator==(const element_format& a, const element_format& b) {
    return a.is == b.is && a.bits == b.bits && a.lanes == b.lanes;
  }
};

/// A tensor_view whose parameters are values. Memory that host and device share is in both.
struct dynamic_view {
  static constexpr int max_rank = 8;

  void* data = nullptr;
  element_format element;
  bool read_only = false;
  bool on_host = true;
  bool on_device = false;
  int rank = 0;
  std::int64_t shape[max_rank] = {};
  std::int64_t strides[max_rank] = {};
};

namespace detail::inline ZERMELO_ISA {

template <class T>
ZERMELO_INLINE constexpr element_format format_of() {
  using plain = std::remove_cv_t<T>;
  using kind = element_format::kind;
  constexpr int bits = 8 * static_cast<int>(sizeof(plain));
  if constexpr (std::is_enum_v<plain>)
    return format_of<std::underlying_type_t<plain>>();
  else if constexpr (std::is_same_v<plain, bool>)
    return {kind::boolean, bits};
  else if constexpr (std::is_floating_point_v<plain>)
    return {kind::floating, bits};
  else
    return {std::is_signed_v<plain> ? kind::integer : kind::unsigned_integer, bits};
}

inline std::string name_of(element_format e) {
  constexpr const char* names[] = {"int", "uint", "float", "bfloat", "complex", "bool", "unknown"};
  std::string name = names[static_cast<int>(e.is)];
  if (e.is != element_format::kind::boolean) name += std::to_string(e.bits);
  if (e.lanes != 1) name += "x" + std::to_string(e.lanes);
  return name;
}

inline std::string name_of(memory where) { return where == memory::host ? "host memory" : "device memory"; }

/// "rank 3 (2×3×4)"
inline std::string shape_of(const dynamic_view& x) {
  std::string text = "rank " + std::to_string(x.rank);
  for (int r = 0; r < x.rank; ++r) text += (r == 0 ? " (" : "×") + std::to_string(x.shape[r]);
  return x.rank > 0 ? text + ")" : text;
}

ZERMELO_INLINE void require_rank(std::int64_t rank) {
  if (rank < 0 || rank > dynamic_view::max_rank)
    throw shape_error("tensor",
                      "rank " + std::to_string(rank) + ", expected at most " + std::to_string(dynamic_view::max_rank));
}

/// DLPack's codes: dlpack.h, DLDataTypeCode and DLDeviceType.
template <class X>
dynamic_view view_of_dlpack(const X& x) {
  using kind = element_format::kind;
  dynamic_view v;
  v.data = static_cast<char*>(static_cast<void*>(x.data)) + x.byte_offset;
  const int code = static_cast<int>(x.dtype.code);
  constexpr kind kinds[] = {kind::integer,        kind::unsigned_integer, kind::floating, kind::other,
                            kind::brain_floating, kind::complex,          kind::boolean};
  v.element = {code >= 0 && code <= 6 ? kinds[code] : kind::other, static_cast<int>(x.dtype.bits),
               static_cast<int>(x.dtype.lanes)};
  const int device = static_cast<int>(x.device.device_type);
  constexpr int cpu = 1, cuda = 2, cuda_host = 3, cuda_managed = 13;
  v.on_host = device == cpu || device == cuda_host || device == cuda_managed;
  v.on_device = device == cuda || device == cuda_host || device == cuda_managed;
  require_rank(x.ndim);
  v.rank = static_cast<int>(x.ndim);
  std::int64_t step = 1;
  for (int r = v.rank; r-- > 0;) {
    v.shape[r] = x.shape[r];
    if (v.shape[r] < 0)
      throw shape_error("tensor",
                        "dimension " + std::to_string(r) + " has " + std::to_string(v.shape[r]) + " elements");
    v.strides[r] = x.strides ? x.strides[r] : step;  // no strides: row after row
    step *= v.shape[r];
  }
  return v;
}

template <class X>
dynamic_view view_of_xarray(X& x) {
  using element = std::remove_pointer_t<decltype(x.data())>;
  dynamic_view v;
  v.data = const_cast<std::remove_const_t<element>*>(x.data() + x.data_offset());
  v.element = format_of<element>();
  v.read_only = std::is_const_v<element>;
  require_rank(static_cast<std::int64_t>(x.dimension()));
  v.rank = static_cast<int>(x.dimension());
  for (int r = 0; r < v.rank; ++r) {
    v.shape[r] = static_cast<std::int64_t>(x.shape()[static_cast<std::size_t>(r)]);
    v.strides[r] = static_cast<std::int64_t>(x.strides()[static_cast<std::size_t>(r)]);
  }
  return v;
}

/// A static tensor. What Thrust calls universal is device memory whose numbers the host can name as well.
template <class X>
dynamic_view view_of_tensor(X& x) {
  const auto s = view(x);
  using static_view = std::remove_const_t<decltype(s)>;
  using element = typename static_view::element_type;
  static_assert(static_view::rank <= static_cast<std::size_t>(dynamic_view::max_rank));
  dynamic_view v;
  v.data = const_cast<std::remove_const_t<element>*>(s.data);
  v.element = format_of<element>();
  v.read_only = std::is_const_v<element>;
  v.on_device = static_view::where == memory::device;
  v.on_host = !v.on_device;
  if constexpr (thrust_like<X>) v.on_host = std::is_reference_v<typename decltype(x.data())::reference>;
  v.rank = static_cast<int>(static_view::rank);
  for (std::size_t r = 0; r < static_view::rank; ++r) v.shape[r] = s.shape[r], v.strides[r] = s.strides[r];
  return v;
}

}  // namespace detail::inline ZERMELO_ISA

/// The customisation point for types of other libraries: `static dynamic_view view(X&)`, and whether the type alone says
/// that the numbers are only to be read.
template <class X>
struct dynamic_traits {
  static constexpr bool enabled = false;
};

template <detail::dlpack_like X>
struct dynamic_traits<X> {
  static constexpr bool enabled = true;
  static constexpr bool read_only = false;
  ZERMELO_INLINE static dynamic_view view(X& x) { return detail::view_of_dlpack(x); }
};

template <detail::dlpack_owner_like X>
struct dynamic_traits<X> {
  static constexpr bool enabled = true;
  static constexpr bool read_only = requires(const X& x) { x.flags; };  // versioned: a bit may forbid to write
  ZERMELO_INLINE static dynamic_view view(X& x) {
    dynamic_view v = detail::view_of_dlpack(x.dl_tensor);
    if constexpr (requires { x.flags; }) v.read_only = (x.flags & 1) != 0;
    return v;
  }
};

template <detail::xtensor_with_storage X>
  requires(!detail::xtensor_of_known_rank<X>)
struct dynamic_traits<X> {
  static constexpr bool enabled = true;
  static constexpr bool read_only = std::is_const_v<std::remove_pointer_t<decltype(std::declval<X&>().data())>>;
  ZERMELO_INLINE static dynamic_view view(X& x) { return detail::view_of_xarray(x); }
};

/// Tensors whose type says all are dynamic tensors as well.
template <tensor X>
  requires(!detail::known_at_run_time<X>)
struct dynamic_traits<X> {
  static constexpr bool enabled = true;
  static constexpr bool read_only = std::is_const_v<typename view_t<X>::element_type>;
  ZERMELO_INLINE static dynamic_view view(X& x) { return detail::view_of_tensor(x); }
};

/// Anything that `as` and `visit` take.
template <class X>
concept dynamic_tensor = dynamic_traits<std::remove_reference_t<X>>::enabled;

/// What x is, as values.
template <dynamic_tensor X>
ZERMELO_INLINE dynamic_view inspect(X&& x) {
  return dynamic_traits<std::remove_reference_t<X>>::view(x);
}

namespace detail::inline ZERMELO_ISA {

template <class T, std::size_t Rank, memory Where>
ZERMELO_INLINE bool matches(const dynamic_view& x) {
  return x.element == format_of<T>() && x.rank == static_cast<int>(Rank) &&
         (Where == memory::host ? x.on_host : x.on_device);
}

template <class T, std::size_t Rank, memory Where>
ZERMELO_INLINE tensor_view<T, Rank, Where> fixed(const dynamic_view& x) {
  tensor_view<T, Rank, Where> v{.data = static_cast<T*>(x.data)};
  for (std::size_t r = 0; r < Rank; ++r) v.shape[r] = x.shape[r], v.strides[r] = x.strides[r];
  return v;
}

inline std::string place_of(const dynamic_view& x) {
  if (x.on_host && x.on_device) return "memory shared by host and device";
  return x.on_host ? "host memory" : x.on_device ? "device memory" : "the memory of another kind of device";
}

[[noreturn]] inline void refuse_dynamic(const dynamic_view& x, element_format element, int rank, memory where) {
  if (!(x.element == element))
    throw domain_error("tensor", domain_error::whole,
                       "elements of type " + name_of(x.element) + ", expected " + name_of(element));
  if (x.rank != rank) throw shape_error("tensor", shape_of(x) + ", expected rank " + std::to_string(rank));
  throw domain_error("tensor", domain_error::whole, "lies in " + place_of(x) + ", expected " + name_of(where));
}

}  // namespace detail::inline ZERMELO_ISA

/// The view of x, checked to have elements of type T, this rank and this memory: `as<float, 2>(x)`, `as<const double, 1>(x)`.
/// Errors: domain_error("tensor") if elements or memory differ or x is only to be read and T is not const; shape_error.
template <class T, std::size_t Rank, memory Where = memory::host, dynamic_tensor X>
ZERMELO_INLINE tensor_view<T, Rank, Where> as(X&& x) {
  const dynamic_view v = inspect(x);
  if (!detail::matches<T, Rank, Where>(v))
    detail::refuse_dynamic(v, detail::format_of<T>(), static_cast<int>(Rank), Where);
  if (v.read_only && !std::is_const_v<T>)
    throw domain_error("tensor", domain_error::whole, "is only to be read, expected one that can be written");
  return detail::fixed<T, Rank, Where>(v);
}

namespace detail {

template <class... View>
struct candidates {};

template <class F, class... View>
struct accepted;
template <class F>
struct accepted<F> {
  using type = candidates<>;
};
template <class View, class Candidates>
struct prepend;
template <class View, class... Views>
struct prepend<View, candidates<Views...>> {
  using type = candidates<View, Views...>;
};
template <class F, class View, class... Views>
struct accepted<F, View, Views...> {
  using rest = typename accepted<F, Views...>::type;
  using type =
      typename std::conditional_t<std::is_invocable_v<F, View>, prepend<View, rest>, std::type_identity<rest>>::type;
};

/// Every view of rank 1 to 4 in host and device memory.
template <class F, class... T>
using accepted_of =
    typename accepted<F, tensor_view<T, 1>..., tensor_view<T, 2>..., tensor_view<T, 3>..., tensor_view<T, 4>...,
                      tensor_view<T, 1, memory::device>..., tensor_view<T, 2, memory::device>...,
                      tensor_view<T, 3, memory::device>..., tensor_view<T, 4, memory::device>...>::type;

inline namespace ZERMELO_ISA {

template <class F, class View, class... Views>
ZERMELO_INLINE decltype(auto) call_accepted(const dynamic_view& v, F& f, candidates<View, Views...>) {
  using T = typename View::element_type;
  if (matches<T, View::rank, View::where>(v)) return f(fixed<T, View::rank, View::where>(v));
  if constexpr (sizeof...(Views) > 0) {
    return call_accepted(v, f, candidates<Views...>{});
  } else {
    throw domain_error("tensor", domain_error::whole,
                       name_of(v.element) + " of " + shape_of(v) + " in " + place_of(v) +
                           " is none of the tensors that are taken here");
  }
}

}  // namespace ZERMELO_ISA
}  // namespace detail

/// Calls f with the view of x. Of the views of rank 1 to 4, in host or device memory, whose elements are one of T
/// (without a list: float, double, int32 and int64), those count that f can be called with, and f is compiled for each:
/// `[]<class T>(tensor_view<T, 1>)` is compiled four times, `[](auto)` thirty-two times.
/// Views have const elements if the type of x says that they are only to be read. All calls of f return the same type.
/// Errors: domain_error("tensor") if f takes no such tensor.
template <class... T, dynamic_tensor X, class F>
ZERMELO_INLINE decltype(auto) visit(X&& x, F&& f) {
  if constexpr (sizeof...(T) == 0) {
    return visit<float, double, std::int32_t, std::int64_t>(x, f);
  } else {
    constexpr bool read_only = dynamic_traits<std::remove_reference_t<X>>::read_only;
    using accepted = detail::accepted_of<F&, std::conditional_t<read_only, const T, T>...>;
    static_assert(!std::is_same_v<accepted, detail::candidates<>>, "zermelo: this function takes no tensor_view");
    return detail::call_accepted(inspect(x), f, accepted{});
  }
}

}  // namespace zermelo::inline v1
