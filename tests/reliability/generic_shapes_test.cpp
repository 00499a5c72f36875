// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstddef>
#include <string>

#include "catch.hpp"
#include "reliability/registry.hpp"

// Silent broadcasts (trl#6533, OpenRLHF#1250).

using namespace registry;

TEST_CASE("an argument of another length is named, by every function") {
  for (const auto& f : all())
    for (std::size_t a = 1; a < f.arguments.size(); ++a)
      for (const int change : {-1, 1, -30}) {
        columns x = f.sample(31, 30);
        x[a].resize(static_cast<std::size_t>(static_cast<int>(x[a].size()) + change), x[a][0]);
        std::string named = "nothing was thrown";
        try {
          f.call(zm::simd{}, x, usual(f));
        } catch (const zm::shape_error& e) {
          named = e.argument();
        }
        INFO(f << " with " << x[a].size() << " elements in " << f.arguments[a].name << ", " << x[0].size()
               << " in the others");
        CHECK(named == f.arguments[a].name);
      }
}
