// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Other people's schedulers run the same tiles as our own threads: the same bits come out. Thrust's: thrust_test.cpp.
#include "core/host_policies.hpp"

#include "catch.hpp"

#ifdef _OPENMP
#include "zermelo/core/execution/openmp.hpp"
#endif
#if __has_include(<tbb/task_arena.h>)
#include "zermelo/core/execution/tbb.hpp"
#endif

namespace zm = zermelo;
using namespace host_policies;

TEST_CASE("the checks of host policies hold for threads") { schedules_tiles(zm::threads(3)); }

#ifdef _OPENMP
TEST_CASE("OpenMP schedules the same tiles, for any number of threads") {
  check(zm::openmp{3});
  schedules_tiles(zm::openmp{});
  schedules_tiles(zm::openmp{1});
  CHECK(zm::concurrency(zm::openmp{5}) == 5);
}
#endif

#if __has_include(<tbb/task_arena.h>)
TEST_CASE("TBB schedules the same tiles, in an arena of its own or in another") {
  const zm::tbb two(2);
  check(two);
  schedules_tiles(zm::tbb());
  ::tbb::task_arena arena(3);
  const zm::tbb borrowed(arena);
  schedules_tiles(borrowed);
  CHECK(zm::concurrency(two) == 2);
  CHECK(zm::concurrency(borrowed) == 3);
}
#endif
