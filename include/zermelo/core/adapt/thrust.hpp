// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <thrust/detail/vector_base.h>
#include <thrust/device_ptr.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../config.hpp"
#include "../error.hpp"
#include "../make_like.hpp"
#include "../tensor.hpp"

/// Thrust's vectors: host_vector, device_vector, universal_vector. They have one dimension.
namespace zermelo::inline v1 {
namespace detail {

template <class T, class Allocator>
std::true_type derives_from_vector_base(const thrust::detail::vector_base<T, Allocator>*);
std::false_type derives_from_vector_base(const void*);

template <class X>
concept thrust_vector = decltype(derives_from_vector_base(static_cast<const X*>(nullptr)))::value;

}  // namespace detail

/// New vectors begin with zeros, as Thrust's own do.
template <detail::thrust_vector X>
struct like_traits<X> {
  static constexpr bool enabled = true;
  ZERMELO_INLINE static X make(const X& x) { return X(x.size()); }
  template <std::size_t Rank>
  ZERMELO_INLINE static X make(const X&, const std::int64_t (&shape)[Rank]) {
    static_assert(Rank == 1, "zermelo: Thrust has no tensors of more than one dimension");
    return X(static_cast<std::size_t>(shape[0]));
  }
};

/// Where the numbers of x begin, for Thrust's algorithms: a pointer on the host, a thrust::device_ptr on the device.
/// Errors: shape_error("x") if they do not lie one after another.
template <tensor X>
ZERMELO_INLINE auto as_thrust(X&& x) {
  const auto v = view(x);
  if (!v.contiguous()) throw shape_error("x", "its numbers do not lie one after another");
  if constexpr (decltype(v)::where == memory::device)
    return thrust::device_pointer_cast(v.data);
  else
    return v.data;
}

}  // namespace zermelo::inline v1
