// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdint>

#include "catch.hpp"
#include "reliability/registry.hpp"

// 32-bit indices (Liger 96ce8e8).

using namespace registry;

TEST_CASE("every primitive counts beyond 2³¹ elements") {
  const std::int64_t n = (std::int64_t{1} << 31) + 101;
  for (const auto& f : all()) {
    if (!f.count_repeated) continue;
    INFO(f);
    CHECK(f.count_repeated(n) == static_cast<double>(n));
  }
}
