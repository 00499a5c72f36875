// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#ifndef _OPENMP
#error "zermelo/core/execution/openmp.hpp needs OpenMP: compile with -fopenmp"
#endif
#include <omp.h>

#include <cstdint>

#include "../config.hpp"
#include "first_failure.hpp"
#include "policy.hpp"

namespace zermelo::inline v1 {

/// Vector units on a team of OpenMP's threads. Inside a parallel region, a team of one unless nesting is on.
struct openmp {
  int threads = 0;  ///< 0: as many as OpenMP would take, OMP_NUM_THREADS
};

template <>
struct host_policy_traits<openmp> {
  static constexpr bool enabled = true;
  static constexpr bool vector_units = true;
  ZERMELO_INLINE static int concurrency(const openmp& policy) {
    return policy.threads > 0 ? policy.threads : omp_get_max_threads();
  }
  template <class F>
  ZERMELO_INLINE static void for_each_tile(const openmp& policy, std::int64_t tiles, F& f) {
    const int team = concurrency(policy);
    if (team == 1 || tiles <= 1) {
      for (std::int64_t t = 0; t < tiles; ++t) f(t);
      return;
    }
    first_failure failure;  // no exception may leave a parallel region
#pragma omp parallel for schedule(dynamic, 1) num_threads(team)
    for (std::int64_t t = 0; t < tiles; ++t) failure.run(f, t);
    failure.rethrow();
  }
};

}  // namespace zermelo::inline v1
