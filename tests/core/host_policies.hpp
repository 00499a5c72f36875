// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "thrown.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/primitives/gather.hpp"
#include "zermelo/core/primitives/map_reduce.hpp"
#include "zermelo/preference/bootstrap.hpp"
#include "zermelo/preference/bradley_terry.hpp"

/// What every policy that schedules tiles must do, and compute.
namespace host_policies {

namespace zm = zermelo;
namespace zp = zermelo::preference;

struct softplus_and_slope {
  template <class V>
  auto operator()(V x, V y) const {
    const V h = x * y;
    const V value = zm::softplus(h);
    return zm::mapped{zm::bundle(value, zm::sigmoid(h)), zm::bundle(zm::total(value), zm::largest(h))};
  }
};

/// What every policy is asked to compute, and what came out.
struct results {
  std::vector<float> value, slope;
  double total = 0, largest = 0;
  std::vector<double> gathered, scattered;
  std::vector<double> dense_wins, sparse_wins;
  std::vector<double> strength, replicates, lower;

  bool operator==(const results&) const = default;
};

struct problem {
  std::vector<float> x, y;
  std::vector<double> source;
  std::vector<std::int32_t> index, first, second;
  std::vector<zp::outcome> outcomes;

  problem() {
    std::mt19937 draw(7);
    const std::size_t n = 200'003;
    std::uniform_real_distribution<float> number(-4, 4);
    for (std::size_t k = 0; k < n; ++k) {
      x.push_back(number(draw));
      y.push_back(number(draw));
      source.push_back(number(draw));
      index.push_back(static_cast<std::int32_t>(draw() % n));
      const auto i = draw() % 30;
      first.push_back(static_cast<std::int32_t>(i));
      second.push_back(static_cast<std::int32_t>((i + 1 + draw() % 29) % 30));
      outcomes.push_back(static_cast<zp::outcome>(draw() % 3));
    }
  }
};

template <class P>
results computed_by(const P& policy) {
  static const problem given;
  results r;
  r.value.resize(given.x.size());
  r.slope.resize(given.x.size());
  const auto sums =
      zm::map_reduce(policy, softplus_and_slope{}, zm::inputs(given.x, given.y), zm::outputs(r.value, r.slope));
  r.total = zm::get<0>(sums).value;
  r.largest = zm::get<1>(sums).value;
  r.gathered.resize(given.index.size());
  zm::gather(policy, given.source, given.index, r.gathered);
  r.scattered.resize(given.index.size());
  zm::scatter_add(policy, given.source, given.index, r.scattered);
  const auto graph = zp::count_battles(policy, given.first, given.second, given.outcomes, 30);
  r.dense_wins = graph.wins;
  r.sparse_wins = zp::count_battles(policy, given.first, given.second, given.outcomes, 30, {.dense_limit = 1}).wins;
  const zp::bradley_terry model;
  const auto fitted = zp::fit(policy, model, graph);
  r.strength = fitted.strength;
  const auto replicates = zp::bootstrap(policy, model, graph, fitted, {.replicates = 50, .seed = 3});
  r.replicates = replicates.strength;
  r.lower = replicates.lower;
  return r;
}

template <class P>
void agrees_with_threads(const P& policy) {
  static const results expected = computed_by(zm::threads(2));
  REQUIRE(expected.replicates.size() == 50 * 30);
  const results found = computed_by(policy);
  CHECK(found.value == expected.value);
  CHECK(found.slope == expected.slope);
  CHECK(found.total == expected.total);
  CHECK(found.largest == expected.largest);
  CHECK(found.gathered == expected.gathered);
  CHECK(found.scattered == expected.scattered);
  CHECK(found.dense_wins == expected.dense_wins);
  CHECK(found.sparse_wins == expected.sparse_wins);
  CHECK(found.strength == expected.strength);
  CHECK(found.replicates == expected.replicates);
  CHECK(found.lower == expected.lower);
}

template <class P>
void schedules_tiles(const P& policy) {
  STATIC_REQUIRE(zm::host_policy<P>);
  STATIC_REQUIRE(zm::uses_vector_units<P>);
  CHECK(zm::concurrency(policy) >= 1);
  for (const std::int64_t tiles : {0, 1, 2, 3, 1000}) {
    std::vector<std::atomic<int>> visits(static_cast<std::size_t>(tiles));
    zm::for_each_tile(policy, tiles, [&](std::int64_t t) { ++visits[static_cast<std::size_t>(t)]; });
    CHECK(std::all_of(visits.begin(), visits.end(), [](const auto& v) { return v == 1; }));
  }
  std::atomic<int> inner{0};
  zm::for_each_tile(policy, 8, [&](std::int64_t) { zm::for_each_tile(policy, 8, [&](std::int64_t) { ++inner; }); });
  CHECK(inner == 64);
  for (int repeat = 0; repeat < 20; ++repeat) {
    const auto error = thrown<std::runtime_error>([&] {
      zm::for_each_tile(policy, 100, [](std::int64_t t) {
        if (t % 10 == 7) throw std::runtime_error(std::to_string(t));
      });
    });
    CHECK(std::string(error.what()) == "7");
  }
  const std::vector<float> wrong = {0, 1};
  const std::vector<std::int32_t> index = {1, 0, 2};
  std::vector<float> out(3);
  CHECK(thrown<zm::domain_error>([&] { zm::gather(policy, wrong, index, out); }).index() == 2);
}

template <class P>
void check(const P& policy) {
  schedules_tiles(policy);
  agrees_with_threads(policy);
}

}  // namespace host_policies
