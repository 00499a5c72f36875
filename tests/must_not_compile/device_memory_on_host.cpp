// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// zermelo: a host policy needs tensors in host memory
#include "zermelo/core/primitives/map_reduce.hpp"

struct doubled {
  template <class V>
  V operator()(V x) const {
    return x + x;
  }
};

void run(zermelo::tensor_view<double, 1, zermelo::memory::device> x) {
  zermelo::map_reduce(zermelo::simd{}, doubled{}, zermelo::inputs(x), zermelo::outputs(x));
}
