// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "config.hpp"
#include "execution/policy.hpp"
#include "simd.hpp"

/// Values and memory: the same words for a scalar, which has one lane, and for a pack.
namespace zermelo::inline v1 {

namespace detail {
template <class V>
struct lane_count {
  static constexpr std::int64_t value = 1;
};
template <class T, int N>
struct lane_count<pack<T, N>> {
  static constexpr std::int64_t value = N;
};
}  // namespace detail

template <class V>
inline constexpr std::int64_t lanes = detail::lane_count<V>::value;

/// The value type that a policy computes in. nvcc reads the host's code once more on behalf of the device, where packs are
/// refused; what it makes of it there is thrown away.
#if defined(__CUDA_ARCH__)
template <host_policy P, std::floating_point T>
using value_of = T;
#else
template <host_policy P, std::floating_point T>
using value_of = std::conditional_t<uses_vector_units<P>, native_pack<T>, T>;
#endif

template <class V, class T>
ZERMELO_INLINE V load(const T* from) {
  if constexpr (lanes<V> == 1)
    return V(*from);
  else
    return V::load(from);
}

/// The first `count` numbers, and `fill` in the lanes behind them.
template <class V, class T>
ZERMELO_INLINE V load(const T* from, std::int64_t count, T fill) {
  if constexpr (lanes<V> == 1)
    return V(count > 0 ? *from : fill);
  else
    return V::load(from, count, fill);
}

/// base[index[0]], base[index[1]], …
template <class V, class T, class Index>
ZERMELO_INLINE V gather(const T* base, const Index* index) {
  if constexpr (lanes<V> == 1)
    return V(base[*index]);
  else
    return V::gather(base, index);
}

template <class V, class T>
ZERMELO_INLINE void store(T* to, V x) {
  if constexpr (lanes<V> == 1)
    *to = x;
  else
    x.store(to);
}

/// The first `count` lanes.
template <class V, class T>
ZERMELO_INLINE void store(T* to, V x, std::int64_t count) {
  if constexpr (lanes<V> == 1) {
    if (count > 0) *to = x;
  } else {
    x.store(to, count);
  }
}

namespace detail {
/// Asks for what lies so many bytes behind `from`, whatever is there: a processor that is busy does not look far ahead itself.
template <class T>
ZERMELO_INLINE void prefetch(const T* from, std::int64_t bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(from) + static_cast<std::uintptr_t>(bytes);
  __builtin_prefetch(reinterpret_cast<const void*>(address));
}
}  // namespace detail

template <std::floating_point T>
ZERMELO_INLINE T reduce_add(T x) {
  return x;
}
template <std::floating_point T>
ZERMELO_INLINE T reduce_max(T x) {
  return x;
}
template <std::floating_point T>
ZERMELO_INLINE T reduce_min(T x) {
  return x;
}

}  // namespace zermelo::inline v1
