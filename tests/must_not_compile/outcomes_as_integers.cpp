// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// zermelo: outcomes are preference::outcome, or floats 1, 0 and 0.5
#include <vector>

#include "zermelo/preference/comparison_graph.hpp"

// Whether 2 means "the second won" or a tie, an integer does not say.
auto counted(const std::vector<int>& first, const std::vector<int>& second, const std::vector<int>& winner) {
  return zermelo::preference::count_battles(first, second, winner, 2);
}
