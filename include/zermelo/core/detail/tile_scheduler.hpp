// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <type_traits>

#include "../config.hpp"
#include "../execution/policy.hpp"

namespace zermelo::inline v1 {
namespace detail {

/// Any host policy behind one type. Long algorithms are compiled once for it, not once for each policy: that is quicker
/// to compile, and the bits of a result cannot depend on the policy, whatever a compiler does to sums.
/// Refers to the policy it was made from.
struct tile_scheduler {
  using tile_function = void (*)(void* context, std::int64_t tile);

  const void* policy;
  void (*run)(const void* policy, std::int64_t tiles, tile_function f, void* context);
  int concurrency;
};

inline namespace ZERMELO_ISA {

template <class P>
void run_erased(const void* policy, std::int64_t tiles, tile_scheduler::tile_function f, void* context) {
  const auto one = [=](std::int64_t t) { f(context, t); };
  for_each_tile(*static_cast<const P*>(policy), tiles, one);
}

template <class F>
void call_erased(void* f, std::int64_t tile) {
  (*static_cast<F*>(f))(tile);
}

template <host_policy P>
tile_scheduler schedule_on(P&& policy) {
  using plain = std::remove_cvref_t<P>;
  if constexpr (std::is_same_v<plain, tile_scheduler>)
    return policy;
  else
    return {&policy, &run_erased<plain>, zermelo::concurrency(policy)};
}

}  // namespace ZERMELO_ISA
}  // namespace detail

template <>
struct host_policy_traits<detail::tile_scheduler> {
  static constexpr bool enabled = true;
  static constexpr bool vector_units = true;
  ZERMELO_INLINE static int concurrency(const detail::tile_scheduler& policy) { return policy.concurrency; }
  template <class F>
  ZERMELO_INLINE static void for_each_tile(const detail::tile_scheduler& policy, std::int64_t tiles, F& f) {
    policy.run(policy.policy, tiles, &detail::call_erased<F>, const_cast<void*>(static_cast<const void*>(&f)));
  }
};

}  // namespace zermelo::inline v1
