// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <cstdint>

#include "../config.hpp"
#include "first_failure.hpp"
#include "policy.hpp"

namespace zermelo::inline v1 {

/// Vector units on an arena of TBB's threads. Pass it by reference; one object can serve many calls.
class tbb {
 public:
  /// An arena of its own, of n threads with the caller's; 0 takes as many as TBB would.
  ZERMELO_INLINE explicit tbb(int n = 0) : own_(n > 0 ? n : ::tbb::task_arena::automatic), arena_(&own_) {}
  /// The arena given, which outlives this.
  ZERMELO_INLINE explicit tbb(::tbb::task_arena& arena) : arena_(&arena) {}
  tbb(const tbb&) = delete;
  tbb& operator=(const tbb&) = delete;

  ZERMELO_INLINE ::tbb::task_arena& arena() const { return *arena_; }

 private:
  mutable ::tbb::task_arena own_;
  ::tbb::task_arena* arena_;
};

template <>
struct host_policy_traits<tbb> {
  static constexpr bool enabled = true;
  static constexpr bool vector_units = true;
  ZERMELO_INLINE static int concurrency(const tbb& policy) { return policy.arena().max_concurrency(); }
  template <class F>
  ZERMELO_INLINE static void for_each_tile(const tbb& policy, std::int64_t tiles, F& f) {
    if (tiles <= 1) {
      for (std::int64_t t = 0; t < tiles; ++t) f(t);
      return;
    }
    first_failure failure;  // TBB would throw whichever came first
    const auto one = [&](std::int64_t t) { failure.run(f, t); };
    policy.arena().execute([&] {
      // Isolated: while this thread waits for its tiles, it takes up no others, which may not be entered twice.
      ::tbb::this_task_arena::isolate(
          [&] { ::tbb::parallel_for(std::int64_t{0}, tiles, std::int64_t{1}, one, ::tbb::simple_partitioner()); });
    });
    failure.rethrow();
  }
};

}  // namespace zermelo::inline v1
