// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <vector>
#include <zermelo/core/execution/threads.hpp>
#include <zermelo/preference/bradley_terry.hpp>

int main() {
  const zermelo::threads two(2);
  const std::vector<int> winner = {0, 0, 1}, loser = {1, 1, 0};
  const std::vector<double> won = {1, 1, 1};
  const auto graph = zermelo::preference::count_battles(two, winner, loser, won, 2);
  const double p = zermelo::preference::fit(two, zermelo::preference::bradley_terry{}, graph).win_probability(0, 1);
  return p > 0.666 && p < 0.667 ? 0 : 1;
}
