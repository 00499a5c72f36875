// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdint>
#include <vector>

#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/graph.hpp"
#include "zermelo/core/random.hpp"
#include "zermelo/core/statistics.hpp"
#include "zermelo/preference/comparison_graph.hpp"

double use();

/// A little of everything, compiled twice under two names.
double use() {
  using namespace zermelo::preference;
  const zermelo::threads pool(2);
  const std::vector<std::int64_t> first = {0, 1, 2, 0, 2, 1, 3, 0}, second = {1, 2, 0, 2, 1, 0, 0, 3};
  std::vector<double> u(1000);
  zermelo::fill_uniform(pool, 1, 2, u);
  const std::vector<double> outcomes = {1, 1, 1, 0, 0.5, 1, 1, 1};
  const comparison_graph g = count_battles(pool, first, second, outcomes, 4);
  return zermelo::mean(pool, u) + g.between(0, 1).wins;
}
