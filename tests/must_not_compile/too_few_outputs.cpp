// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// zermelo: the kernel returns as many elements as there are outputs
#include <vector>

#include "zermelo/core/primitives/map_reduce.hpp"

struct doubled {
  template <class V>
  V operator()(V x) const {
    return x + x;
  }
};

void run(const std::vector<double>& x) { zermelo::map_reduce(doubled{}, zermelo::inputs(x)); }
