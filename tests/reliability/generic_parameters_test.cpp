// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstddef>

#include "catch.hpp"
#include "reliability/registry.hpp"

// Parameters that are ignored, or applied twice (trl#5837, trl#7062, maxtext#1530).

using namespace registry;

TEST_CASE("every parameter matters, to every function") {
  for (const auto& f : all()) {
    const columns x = f.sample(43, 60);
    const values before = f.call(zm::simd{}, x, usual(f));
    for (std::size_t k = 0; k < f.parameters.size(); ++k) {
      values p = usual(f);
      p[k] = f.parameters[k].other;
      INFO(f << ", " << f.parameters[k].name);
      CHECK(f.call(zm::simd{}, x, p) != before);
    }
  }
}
