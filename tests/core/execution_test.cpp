// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "thrown.hpp"
#include "zermelo/core/execution/policy.hpp"
#include "zermelo/core/execution/threads.hpp"

namespace zm = zermelo;

namespace {

template <class P>
bool visits_every_tile_once(P&& policy, std::int64_t tiles) {
  std::vector<std::atomic<int>> visits(static_cast<std::size_t>(tiles));
  zm::for_each_tile(policy, tiles, [&](std::int64_t t) { ++visits[static_cast<std::size_t>(t)]; });
  for (const auto& v : visits)
    if (v != 1) return false;
  return true;
}

}  // namespace

TEST_CASE("every tile runs exactly once") {
  const zm::threads one(1), two(2), five(5);
  for (const std::int64_t tiles : {0, 1, 2, 3, 64, 1000}) {
    CHECK(visits_every_tile_once(zm::serial{}, tiles));
    CHECK(visits_every_tile_once(zm::simd{}, tiles));
    CHECK(visits_every_tile_once(one, tiles));
    for (int repeat = 0; repeat < 50; ++repeat) CHECK(visits_every_tile_once(two, tiles));
    for (int repeat = 0; repeat < 50; ++repeat) CHECK(visits_every_tile_once(five, tiles));
  }
}

TEST_CASE("policies say how many tiles can run at the same time") {
  CHECK(zm::concurrency(zm::serial{}) == 1);
  CHECK(zm::concurrency(zm::simd{}) == 1);
  CHECK(zm::concurrency(zm::threads(3)) == 3);
  CHECK(zm::threads().size() >= 1);
  STATIC_REQUIRE_FALSE(zm::uses_vector_units<zm::serial>);
  STATIC_REQUIRE(zm::uses_vector_units<zm::threads&>);
  STATIC_REQUIRE_FALSE(zm::host_policy<int>);
}

TEST_CASE("an exception leaves with the smallest tile that threw, and the pool lives on") {
  const zm::threads pool(3);
  for (int repeat = 0; repeat < 100; ++repeat) {
    const auto error = thrown<std::runtime_error>([&] {
      zm::for_each_tile(pool, 100, [](std::int64_t t) {
        if (t % 10 == 7) throw std::runtime_error(std::to_string(t));
      });
    });
    CHECK(std::string(error.what()) == "7");
    CHECK(visits_every_tile_once(pool, 20));
  }
}

TEST_CASE("a tile may use its own pool, and two callers may share one") {
  const zm::threads pool(2);
  std::atomic<int> inner{0};
  zm::for_each_tile(pool, 8, [&](std::int64_t) { zm::for_each_tile(pool, 8, [&](std::int64_t) { ++inner; }); });
  CHECK(inner == 64);
  std::atomic<int> good{0};
  const auto caller = [&] {
    for (int k = 0; k < 200; ++k) good += visits_every_tile_once(pool, 17);
  };
  std::thread other(caller);
  caller();
  other.join();
  CHECK(good == 400);
}

TEST_CASE("short batches follow one another whether workers are awake, asleep or late") {
  const zm::threads two(2), seven(7);
  bool good = true;
  for (int batch = 0; batch < 3000; ++batch) {
    if (batch % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // all fall asleep
    good = good && visits_every_tile_once(two, 2) && visits_every_tile_once(seven, batch % 9);
  }
  CHECK(good);
}
