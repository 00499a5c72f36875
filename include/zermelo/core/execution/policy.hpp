// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "../config.hpp"

/// Execution policies are objects that carry their resources; the policy is an optional first argument everywhere.
///
/// Work is cut into tiles whose number and size depend on the problem alone, and results of tiles are merged in a fixed
/// order: the same input gives the same bits, whatever the number of threads.
namespace zermelo::inline v1 {

/// Portable scalar code, one tile after another.
struct serial {};

/// The host's vector units, one tile after another. The default for tensors in host memory.
struct simd {};

/// A policy that runs on the host. Specialise `host_policy_traits` to bring another scheduler of tiles.
template <class P>
struct host_policy_traits {
  static constexpr bool enabled = false;
};

template <class P>
concept host_policy = host_policy_traits<std::remove_cvref_t<P>>::enabled;

/// A policy that runs where tensors in device memory are. See cuda.hpp.
template <class P>
struct device_policy_traits {
  static constexpr bool enabled = false;
};

template <class P>
concept device_policy = device_policy_traits<std::remove_cvref_t<P>>::enabled;

/// Any execution policy.
template <class P>
concept execution = host_policy<P> || device_policy<P>;

template <>
struct host_policy_traits<serial> {
  static constexpr bool enabled = true;
  static constexpr bool vector_units = false;
  static constexpr int concurrency(const serial&) { return 1; }
  template <class F>
  ZERMELO_INLINE static void for_each_tile(const serial&, std::int64_t tiles, F&& f) {
    for (std::int64_t t = 0; t < tiles; ++t) f(t);
  }
};

template <>
struct host_policy_traits<simd> {
  static constexpr bool enabled = true;
  static constexpr bool vector_units = true;
  static constexpr int concurrency(const simd&) { return 1; }
  template <class F>
  ZERMELO_INLINE static void for_each_tile(const simd&, std::int64_t tiles, F&& f) {
    for (std::int64_t t = 0; t < tiles; ++t) f(t);
  }
};

/// Calls f(t) for every t in [0, tiles), possibly at the same time on several threads.
/// An exception leaves with the smallest tile that threw one; later tiles may not have run.
template <host_policy P, class F>
ZERMELO_INLINE void for_each_tile(P&& policy, std::int64_t tiles, F&& f) {
  host_policy_traits<std::remove_cvref_t<P>>::for_each_tile(policy, tiles, f);
}

/// How many tiles can run at the same time.
template <host_policy P>
ZERMELO_INLINE int concurrency(P&& policy) {
  return host_policy_traits<std::remove_cvref_t<P>>::concurrency(policy);
}

/// Whether tiles use the host's vector units.
template <host_policy P>
inline constexpr bool uses_vector_units = host_policy_traits<std::remove_cvref_t<P>>::vector_units;

}  // namespace zermelo::inline v1
