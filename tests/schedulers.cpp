// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "schedulers.hpp"

#include "zermelo/core/execution/threads.hpp"

#ifdef ZERMELO_WITH_OPENMP
#include "zermelo/core/execution/openmp.hpp"
#endif
#ifdef ZERMELO_WITH_TBB
#include "zermelo/core/execution/tbb.hpp"
#endif
#ifdef ZERMELO_WITH_THRUST
#include "zermelo/core/execution/thrust.hpp"
#ifdef ZERMELO_WITH_OPENMP
#include <thrust/system/omp/execution_policy.h>
#endif
#ifdef ZERMELO_WITH_TBB
#include <thrust/system/tbb/execution_policy.h>
#endif
#endif

namespace schedulers {

const std::vector<named_scheduler>& all() {
  using zermelo::detail::schedule_on;
  static const zermelo::threads two(2);
  static const std::vector<named_scheduler> list = [] {
    std::vector<named_scheduler> found{{"threads", schedule_on(two)}};
#ifdef ZERMELO_WITH_OPENMP
    static const zermelo::openmp openmp{2};
    found.push_back({"openmp", schedule_on(openmp)});
#endif
#ifdef ZERMELO_WITH_TBB
    static const zermelo::tbb tbb(2);
    found.push_back({"tbb", schedule_on(tbb)});
#endif
#ifdef ZERMELO_WITH_THRUST
    found.push_back({"thrust::cpp", schedule_on(thrust::cpp::par)});
#ifdef ZERMELO_WITH_OPENMP
    found.push_back({"thrust::omp", schedule_on(thrust::omp::par)});
#endif
#ifdef ZERMELO_WITH_TBB
    found.push_back({"thrust::tbb", schedule_on(thrust::tbb::par)});
#endif
#endif
    return found;
  }();
  return list;
}

}  // namespace schedulers
