// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <limits>

#include "catch.hpp"
#include "reliability/registry.hpp"

using namespace registry;

// Bugs of this class: trl#6654, trl#7024, ROLL#447, SkyRL#1305.
TEST_CASE("what lies under a mask is never looked at") {
  const auto policies = all_policies();
  const double rubbish[] = {std::nan(""), std::numeric_limits<double>::infinity(),
                            -std::numeric_limits<double>::infinity(), 1e30, -1e30};
  int maskable = 0;
  for (const function& f : all()) {
    if (!f.call_masked) continue;
    ++maskable;
    INFO(f);
    for (const std::size_t n : {1u, 7u, 64u, 5000u}) {
      const columns clean = f.sample(n, n);
      values mask(n, 1);
      columns dirty = clean, kept = clean;
      for (values& x : kept) x.clear();
      for (std::size_t k = 0; k < n; ++k) {
        if (zm::uniform(3, 0, k) < 0.4) {
          mask[k] = 0;
          for (values& x : dirty) x[k] = rubbish[k % 5];
        } else {
          for (std::size_t a = 0; a < clean.size(); ++a) kept[a].push_back(clean[a][k]);
        }
      }
      const values parameters = usual(f), sizes = sizes_of(f, kept, parameters);
      for (const auto& [name, p] : policies) {
        INFO("on " << name);
        const values expected = f.call_masked(p, clean, mask, parameters),
                     got = f.call_masked(p, dirty, mask, parameters);
        CHECK(got == expected);  // the same layout: the same bits
        const values packed = f.call(p, kept, parameters);
        for (std::size_t k = 0; k < packed.size(); ++k)
          CHECK(std::abs(got[k] - packed[k]) <= f.tolerance * sizes[k]);  // another layout: another order of additions
      }
      CHECK_THROWS_AS(f.call_masked(zm::simd{}, clean, values(n + 1, 1), parameters), zm::shape_error);
    }
  }
  CHECK(maskable >= 8);
}
