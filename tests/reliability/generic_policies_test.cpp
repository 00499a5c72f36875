// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstddef>

#include "catch.hpp"
#include "reliability/registry.hpp"
#include "zermelo/core/execution/threads.hpp"

// Hidden state and order (torchtune#2335, reward-bench#137), and backends that disagree.

using namespace registry;

TEST_CASE("every function has the same bits again and again, on every scheduler, for any number of threads") {
  const zm::threads one(1), three(3);
  auto policies = all_policies();
  policies.erase(policies.begin());  // scalar code
  policies.push_back({"one thread", zm::detail::schedule_on(one)});
  policies.push_back({"three threads", zm::detail::schedule_on(three)});
  for (const auto& f : all())
    for (const std::size_t n : {30u, 20001u}) {
      const columns x = f.sample(37, n);
      const values first = f.call(zm::simd{}, x, usual(f));
      INFO(f);
      f.call(zm::simd{}, f.sample(38, n), usual(f));  // something else in between
      for (const auto& [name, how] : policies) {
        INFO("on " << name);
        CHECK(f.call(how, x, usual(f)) == first);
      }
    }
}

TEST_CASE("scalar code and vector units agree within the stated bound, for every function") {
  for (const auto& f : all())
    for (const std::size_t n : {1u, 7u, 100u, 20001u}) {
      if (f.is == trait::batch_coupled && n < 30) continue;
      const columns x = f.sample(41, n);
      const values scalar = f.call(zm::serial{}, x, usual(f)), lanes = f.call(zm::simd{}, x, usual(f));
      const values size = sizes_of(f, x, usual(f));
      REQUIRE(scalar.size() == lanes.size());
      for (std::size_t k = 0; k < scalar.size(); ++k) {
        INFO(f << ", result " << k << " of " << n << " elements");
        CHECK(std::abs(scalar[k] - lanes[k]) <= f.tolerance * size[k]);
      }
    }
}
