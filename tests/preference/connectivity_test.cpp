// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/preference/connectivity.hpp"

#include "catch.hpp"
#include "tournaments.hpp"

using namespace tournaments;
using zermelo::item_sets;

TEST_CASE("a cycle of wins is one component, and has a maximum") {
  win_table w(3);
  w(0, 1) = w(1, 2) = w(2, 0) = 1;
  const auto parts = zp::connectivity_of(w.graph());
  CHECK(parts.strong_components == item_sets{{0, 1, 2}});
  CHECK(parts.islands == item_sets{{0, 1, 2}});
  CHECK(parts.has_maximum());
  CHECK(parts.identifiable());
}

TEST_CASE("components come winners first, the smallest item first among equals") {
  win_table w(4);
  w(2, 0) = w(2, 3) = 1;  // 2 beat 0 and 3, both of which beat 1
  w(0, 1) = w(3, 1) = 1;
  const auto parts = zp::connectivity_of(w.graph());
  CHECK(parts.strong_components == item_sets{{2}, {0}, {3}, {1}});
  CHECK_FALSE(parts.has_maximum());
  CHECK(parts.identifiable());
}

TEST_CASE("islands and items without battles are parts of their own") {
  win_table w(5);
  w(0, 3) = w(3, 0) = 1;
  w(2, 1) = 1;
  const auto parts = zp::connectivity_of(w.graph());
  CHECK(parts.islands == item_sets{{0, 3}, {1, 2}, {4}});
  CHECK_FALSE(parts.identifiable());
  CHECK_FALSE(parts.has_maximum());
}

TEST_CASE("a tie leads both ways, a battle of weight zero leads nowhere, however the graph is stored") {
  const std::vector<int> first{0, 1, 2}, second{1, 2, 0};
  const std::vector<double> outcomes{0.5, 1, 1}, weights{2, 1, 0};
  for (const std::int64_t dense_limit : {0, 100}) {
    const auto graph = zp::count_battles(first, second, outcomes, weights, 3, {.dense_limit = dense_limit});
    const auto parts = zp::connectivity_of(graph);
    CHECK(parts.strong_components == item_sets{{0, 1}, {2}});
    CHECK(parts.islands == item_sets{{0, 1, 2}});
  }
}

TEST_CASE("one item alone has a maximum") {
  const auto parts = zp::connectivity_of(win_table(1).graph());
  CHECK(parts.has_maximum());
  CHECK(parts.identifiable());
}
