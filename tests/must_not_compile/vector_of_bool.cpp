// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// constraints not satisfied|no matching function
#include <vector>

#include "zermelo/preference/comparison_graph.hpp"

// A std::vector<bool> has no elements to point to.
auto counted(const std::vector<int>& first, const std::vector<int>& second, const std::vector<bool>& won) {
  return zermelo::preference::count_battles(first, second, won, 2);
}
