// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstddef>

#include "catch.hpp"
#include "reliability/registry.hpp"

// Wrong denominators (trl#6369, verl#906): a mean of means is not the mean.

using namespace registry;

TEST_CASE("any split into micro-batches gives the same sums, for every separable function") {
  for (const auto& f : all()) {
    if (f.is != trait::separable) continue;
    for (const std::size_t n : {0u, 1u, 100u, 9001u}) {
      const columns x = f.sample(17, n);
      const values whole = f.call(zm::simd{}, x, usual(f)), size = sizes_of(f, x, usual(f));
      for (const std::size_t parts : {2u, 3u, 7u}) {
        values sum(whole.size(), 0.0);
        for (std::size_t p = 0; p < parts; ++p) {
          columns part;
          for (const values& column : x)
            part.emplace_back(column.begin() + static_cast<std::ptrdiff_t>(n * p / parts),
                              column.begin() + static_cast<std::ptrdiff_t>(n * (p + 1) / parts));
          const values one = f.call(zm::simd{}, part, usual(f));
          for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += one[k];
        }
        for (std::size_t k = 0; k < sum.size(); ++k) {
          INFO(f << ", result " << k << ", " << n << " elements in " << parts << " parts");
          CHECK(std::abs(sum[k] - whole[k]) <= f.tolerance * size[k]);
        }
      }
    }
  }
}
