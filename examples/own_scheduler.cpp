// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <future>
#include <vector>
#include <zermelo/core/execution/first_failure.hpp>
#include <zermelo/preference/bradley_terry.hpp>

namespace zm = zermelo;

/// Tiles on as many tasks of the standard library.
struct tasks {
  int count = 2;
};

template <>
struct zermelo::host_policy_traits<tasks> {
  static constexpr bool enabled = true;
  static constexpr bool vector_units = true;
  static int concurrency(const tasks& policy) { return policy.count; }

  template <class F>
  static void for_each_tile(const tasks& policy, std::int64_t tiles, F& f) {
    first_failure failure;
    std::atomic<std::int64_t> next{0};
    const auto draw = [&] {
      for (std::int64_t t = next++; t < tiles; t = next++) failure.run(f, t);
    };
    std::vector<std::future<void>> others;
    for (int k = 1; k < policy.count; ++k) others.push_back(std::async(std::launch::async, draw));
    draw();
    for (auto& other : others) other.wait();
    failure.rethrow();
  }
};

int main() {
  const double wins[3][3] = {{0, 4, 7}, {2, 0, 5}, {1, 3, 0}};
  const zm::preference::bradley_terry model;
  const auto graph = zm::preference::graph_from_wins(wins);
  const auto here = zm::preference::fit(model, graph);
  const auto there = zm::preference::fit(tasks{4}, model, graph);
  std::printf("%.3f %.3f %.3f\n", there.strength[0], there.strength[1], there.strength[2]);
  std::printf("%s bits\n", here.strength == there.strength ? "the same" : "other");
}
