// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// zermelo: the arguments lie in different memories. copy them into one
#include <vector>

#include "zermelo/core/primitives/map_reduce.hpp"

struct doubled {
  template <class V>
  V operator()(V x) const {
    return x + x;
  }
};

void run(zermelo::tensor_view<double, 1, zermelo::memory::device> x, std::vector<double> y) {
  zermelo::map_reduce(doubled{}, zermelo::inputs(x), zermelo::outputs(y));
}
