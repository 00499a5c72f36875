// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>
#include <zermelo/bandit/regret.hpp>

#include "../catch.hpp"
#include "../thrown.hpp"
#include "worlds.hpp"

using namespace zermelo::bandit;
using worlds::square;

TEST_CASE("The Condorcet winner's duel with itself costs nothing by any notion, and every other duel costs something") {
  const auto table = regrets_of(worlds::five().view(), std::vector<double>{0, 0, 1, 0, 0});
  CHECK(table.condorcet == 2);
  const auto own = table(2, 2);
  CHECK(*own.strong_condorcet == 0);
  CHECK(*own.weak_condorcet == 0);
  CHECK(own.copeland == 0);
  CHECK(own.borda == 0);
  CHECK(*own.von_neumann == 0);
  for (std::int64_t i = 0; i < 5; ++i)
    for (std::int64_t j = 0; j < 5; ++j) {
      const auto r = table(i, j), turned = table(j, i);
      CHECK(*r.strong_condorcet == *turned.strong_condorcet);
      CHECK(r.copeland == turned.copeland);
      CHECK(r.borda == turned.borda);
      CHECK(*r.weak_condorcet <= *r.strong_condorcet);
      CHECK(*r.strong_condorcet <= *r.strong_condorcet_max);
      // the winner's lottery is the winner itself
      CHECK(*r.von_neumann == Approx(*r.strong_condorcet).margin(1e-15));
      if (i == 2 && j == 2) continue;
      CHECK(*r.strong_condorcet > 0);
      CHECK(r.copeland > 0);
      CHECK(r.borda > 0);
    }
}

TEST_CASE("In a cycle no Condorcet regret exists, and the arms of the winning lottery cost nothing") {
  const square p = worlds::cycle(5, 0.7);
  const auto table = regrets_of(p.view(), std::vector<double>(5, 0.2));
  CHECK(table.condorcet == -1);
  for (std::int64_t i = 0; i < 5; ++i)
    for (std::int64_t j = 0; j < 5; ++j) {
      const auto r = table(i, j);
      CHECK_FALSE(r.strong_condorcet.has_value());
      CHECK_FALSE(r.strong_condorcet_max.has_value());
      CHECK_FALSE(r.weak_condorcet.has_value());
      CHECK(r.copeland == 0);
      CHECK(*r.von_neumann == Approx(0).margin(1e-15));
    }
  CHECK_FALSE(regrets_of(p.view())(0, 1).von_neumann.has_value());
  CHECK_THROWS_AS(table.of(regret_kind::strong_condorcet, 0, 1), zermelo::domain_error);
  CHECK_THROWS_AS(regrets_of(p.view()).of(regret_kind::von_neumann, 0, 1), zermelo::domain_error);
}

TEST_CASE("Every regret is one of the table's") {
  const auto table = regrets_of(worlds::five().view(), std::vector<double>{0, 0, 1, 0, 0});
  const auto r = table(0, 4);
  CHECK(table.of(regret_kind::strong_condorcet, 0, 4) == *r.strong_condorcet);
  CHECK(table.of(regret_kind::strong_condorcet_max, 0, 4) == *r.strong_condorcet_max);
  CHECK(table.of(regret_kind::weak_condorcet, 0, 4) == *r.weak_condorcet);
  CHECK(table.of(regret_kind::copeland, 0, 4) == r.copeland);
  CHECK(table.of(regret_kind::borda, 0, 4) == r.borda);
  CHECK(table.of(regret_kind::von_neumann, 0, 4) == *r.von_neumann);
}

TEST_CASE("Names of arms do not matter to regret") {
  const std::vector<std::int64_t> label{3, 0, 4, 1, 2};
  const square p = worlds::five();
  const auto table = regrets_of(p.view()), renamed = regrets_of(worlds::relabelled(p, label).view());
  for (std::int64_t i = 0; i < 5; ++i)
    for (std::int64_t j = 0; j < 5; ++j) {
      const auto a = table(i, j), b = renamed(label[static_cast<std::size_t>(i)], label[static_cast<std::size_t>(j)]);
      CHECK(*a.strong_condorcet == *b.strong_condorcet);
      CHECK(a.copeland == b.copeland);
      CHECK(a.borda == Approx(b.borda).margin(1e-15));
    }
}

TEST_CASE("Ties are wins of nobody, and a single arm lacks nothing") {
  const double p[2][2] = {{0.5, 0.5 + 1e-12}, {0.5 - 1e-12, 0.5}};
  CHECK(regrets_of(p).condorcet == 0);
  CHECK(regrets_of(p, 1e-9).condorcet == -1);
  const double one[1][1] = {{0.5}};
  const auto r = regrets_of(one)(0, 0);
  CHECK(*r.strong_condorcet == 0);
  CHECK(r.copeland == 0);
  CHECK(r.borda == 0);
  CHECK(utility_regret(std::vector<double>{1, 3, 2}, 0, 2) == 1.5);
}

TEST_CASE("Preferences that are none are refused with their place") {
  square p = worlds::five();
  p(1, 3) = 0.9;
  CHECK(thrown<zermelo::domain_error>([&] { regrets_of(p.view()); }).index() == 8);
  p = worlds::five();
  p(4, 0) = std::numeric_limits<double>::quiet_NaN();
  CHECK(thrown<zermelo::domain_error>([&] { regrets_of(p.view()); }).index() == 4);  // seen as P[0, 4]'s counterpart
  p = worlds::five();
  p(0, 0) = 0.6;
  CHECK(thrown<zermelo::domain_error>([&] { regrets_of(p.view()); }).index() == 0);
  const double wide[1][2] = {{0.5, 0.5}};
  CHECK_THROWS_AS(regrets_of(wide), zermelo::shape_error);
  const auto good = worlds::five();
  CHECK_THROWS_AS(regrets_of(good.view(), std::vector<double>{1, 0}), zermelo::shape_error);
  CHECK_THROWS_AS(regrets_of(good.view(), std::vector<double>{1, 0, 0, 0, 0.1}), zermelo::domain_error);
  CHECK_THROWS_AS(regrets_of(good.view(), std::vector<double>{1.5, -0.5, 0, 0, 0}), zermelo::domain_error);
  CHECK_THROWS_AS(regrets_of(good.view())(0, 5), zermelo::domain_error);
}
