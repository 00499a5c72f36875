// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// zermelo: wins is a matrix
#include <vector>

#include "zermelo/preference/comparison_graph.hpp"

auto graph(const std::vector<double>& wins) { return zermelo::preference::graph_from_wins(wins); }
