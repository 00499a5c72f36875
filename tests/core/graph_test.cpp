// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/graph.hpp"

#include <cstdint>
#include <random>
#include <vector>

#include "../catch.hpp"
#include "zermelo/core/execution/threads.hpp"

namespace {

using zermelo::item_sets;

/// wins[i][j] > 0: the edge i → j. Entries exist for every pair, as in a comparison graph.
struct dense_graph {
  std::vector<std::vector<int>> wins;
  bool reversed = false;

  std::int64_t size() const { return static_cast<std::int64_t>(wins.size()); }
  std::int64_t begin(std::int64_t) const { return 0; }
  std::int64_t end(std::int64_t) const { return size(); }
  std::int64_t target(std::int64_t, std::int64_t e) const { return e; }
  bool present(std::int64_t i, std::int64_t e) const {
    const auto a = static_cast<std::size_t>(reversed ? e : i), b = static_cast<std::size_t>(reversed ? i : e);
    return wins[a][b] > 0;
  }
};

/// The same edges in compressed rows without absent entries.
struct sparse_graph {
  std::vector<std::int64_t> offsets{0};
  std::vector<std::int32_t> columns;

  explicit sparse_graph(const dense_graph& g) {
    for (std::int64_t i = 0; i < g.size(); ++i) {
      for (std::int64_t j = 0; j < g.size(); ++j)
        if (g.present(i, j)) columns.push_back(static_cast<std::int32_t>(j));
      offsets.push_back(static_cast<std::int64_t>(columns.size()));
    }
  }
  zermelo::compressed_digraph view() const { return {offsets, columns}; }
};

using relation = std::vector<std::vector<char>>;

relation closure(const dense_graph& g, bool undirected) {
  const auto n = g.wins.size();
  relation r(n, std::vector<char>(n, 0));
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      r[i][j] = i == j || g.wins[i][j] > 0 || (undirected && g.wins[j][i] > 0) ? 1 : 0;
  for (std::size_t k = 0; k < n; ++k)
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        if (r[i][k] && r[k][j]) r[i][j] = 1;
  return r;
}

item_sets classes(const relation& reach) {
  const auto n = reach.size();
  item_sets sets;
  std::vector<char> done(n, 0);
  for (std::size_t i = 0; i < n; ++i) {
    if (done[i]) continue;
    sets.emplace_back();
    for (std::size_t j = i; j < n; ++j)
      if (reach[i][j] && reach[j][i]) {
        done[j] = 1;
        sets.back().push_back(static_cast<std::int64_t>(j));
      }
  }
  return sets;  // ascending by smallest item
}

/// The definition, word for word: of the components that nothing unlisted leads into, the smallest item's comes next.
item_sets winners_first(const relation& reach) {
  item_sets rest = classes(reach), order;
  while (!rest.empty()) {
    for (auto c = rest.begin(); c != rest.end(); ++c) {
      bool free = true;
      for (auto d = rest.begin(); d != rest.end(); ++d)
        if (d != c && reach[static_cast<std::size_t>(d->front())][static_cast<std::size_t>(c->front())]) free = false;
      if (!free) continue;
      order.push_back(*c);
      rest.erase(c);
      break;
    }
  }
  return order;
}

/// Everything that is wrong with the three functions on one graph: 0 when all agree with the closure.
int disagreements(const dense_graph& g, const zermelo::threads& pool) {
  const relation directed = closure(g, false);
  const item_sets strong = winners_first(directed), weak = classes(closure(g, true));
  const bool one = strong.size() <= 1;
  dense_graph back = g;
  back.reversed = true;
  const sparse_graph forward_rows(g), backward_rows(back);
  const auto f = forward_rows.view(), b = backward_rows.view();
  int wrong = 0;
  wrong += zermelo::strong_components(g) != strong;
  wrong += zermelo::strong_components(f) != strong;
  wrong += zermelo::connected_components(g) != weak;
  wrong += zermelo::connected_components(f) != weak;
  wrong += zermelo::is_strongly_connected(g, back) != one;
  wrong += zermelo::is_strongly_connected(f, b) != one;
  wrong += zermelo::is_strongly_connected(pool, f, b) != one;
  return wrong;
}

}  // namespace

TEST_CASE("Components are those of the reference cases") {
  const auto strong = [](dense_graph g) { return zermelo::strong_components(g); };
  const auto weak = [](dense_graph g) { return zermelo::connected_components(g); };
  const dense_graph cycle{{{0, 1, 0}, {0, 0, 1}, {1, 0, 0}}};
  CHECK(strong(cycle) == item_sets{{0, 1, 2}});
  CHECK(weak(cycle) == item_sets{{0, 1, 2}});
  const dense_graph undefeated{{{0, 2, 1}, {0, 0, 1}, {0, 1, 0}}};
  CHECK(strong(undefeated) == item_sets{{0}, {1, 2}});
  CHECK(weak(undefeated) == item_sets{{0, 1, 2}});
  const dense_graph winless{{{0, 2, 1}, {3, 0, 1}, {0, 0, 0}}};
  CHECK(strong(winless) == item_sets{{0, 1}, {2}});
  const dense_graph islands{{{0, 1, 0, 0}, {1, 0, 0, 0}, {0, 0, 0, 2}, {0, 0, 1, 0}}};
  CHECK(strong(islands) == item_sets{{0, 1}, {2, 3}});
  CHECK(weak(islands) == item_sets{{0, 1}, {2, 3}});
  const dense_graph never_compared{{{0, 1, 0}, {1, 0, 0}, {0, 0, 0}}};
  CHECK(strong(never_compared) == item_sets{{0, 1}, {2}});
  CHECK(weak(never_compared) == item_sets{{0, 1}, {2}});
  CHECK(strong(dense_graph{{{0}}}) == item_sets{{0}});
  CHECK(strong(dense_graph{}).empty());
  CHECK(weak(dense_graph{}).empty());
  CHECK(zermelo::is_strongly_connected(dense_graph{}, dense_graph{}));
  CHECK(zermelo::is_strongly_connected(dense_graph{{{0}}}, dense_graph{{{0}}}));
}

TEST_CASE("Components and connectedness agree with the transitive closure on every digraph of up to four vertices") {
  const zermelo::threads pool(2);
  int wrong = 0;
  for (std::size_t n = 1; n <= 4; ++n) {
    const unsigned cells = static_cast<unsigned>(n * n);
    for (unsigned code = 0; code < 1u << cells; ++code) {  // with self-loops, which change nothing
      if (n == 4 && (code & 0x8421u) != 0) continue;
      dense_graph g{std::vector<std::vector<int>>(n, std::vector<int>(n, 0))};
      for (unsigned c = 0; c < cells; ++c) g.wins[c / n][c % n] = static_cast<int>(code >> c & 1u);
      wrong += disagreements(g, pool);
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("Components and connectedness agree with the transitive closure on random digraphs") {
  const zermelo::threads pool(2);
  std::mt19937_64 random(1913);
  int wrong = 0;
  for (int trial = 0; trial < 1500; ++trial) {
    const std::size_t n = 5 + random() % 8;
    const unsigned sparseness = 2 + static_cast<unsigned>(random() % (2 * n));
    dense_graph g{std::vector<std::vector<int>>(n, std::vector<int>(n, 0))};
    for (auto& row : g.wins)
      for (auto& w : row) w = random() % sparseness == 0;
    wrong += disagreements(g, pool);
  }
  for (int trial = 0; trial < 40; ++trial) {  // large enough that the search turns bottom-up
    const std::size_t n = 100 + random() % 100;
    const unsigned sparseness = static_cast<unsigned>(n / (1 + random() % 4));
    dense_graph g{std::vector<std::vector<int>>(n, std::vector<int>(n, 0))};
    for (auto& row : g.wins)
      for (auto& w : row) w = random() % sparseness == 0;
    if (trial % 2 == 0)
      for (std::size_t i = 0; i < n; ++i) g.wins[i][(i + 1) % n] = 1;
    wrong += disagreements(g, pool);
  }
  CHECK(wrong == 0);
}

TEST_CASE("A path of a million vertices needs no deep stack") {
  const std::int64_t n = 1'000'000;
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(n) + 1), backward_offsets(offsets);
  std::vector<std::int32_t> columns, backward_columns;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    columns.push_back(static_cast<std::int32_t>((i + 1) % n));
    backward_columns.push_back(static_cast<std::int32_t>((i + n - 1) % n));
    offsets[k + 1] = backward_offsets[k + 1] = i + 1;
  }
  const zermelo::compressed_digraph ring{offsets, columns}, reversed{backward_offsets, backward_columns};
  CHECK(zermelo::strong_components(ring).size() == 1);
  CHECK(zermelo::is_strongly_connected(ring, reversed));
  CHECK(zermelo::is_strongly_connected(reversed, ring));

  columns.pop_back();
  --offsets.back();
  backward_columns.erase(backward_columns.begin());
  for (std::size_t k = 1; k < backward_offsets.size(); ++k) --backward_offsets[k];
  const zermelo::compressed_digraph path{offsets, columns}, path_reversed{backward_offsets, backward_columns};
  const item_sets order = zermelo::strong_components(path);
  REQUIRE(order.size() == static_cast<std::size_t>(n));
  CHECK(order.front() == std::vector<std::int64_t>{0});
  CHECK(order.back() == std::vector<std::int64_t>{n - 1});
  CHECK(zermelo::connected_components(path).size() == 1);
  CHECK_FALSE(zermelo::is_strongly_connected(path, path_reversed));
}

TEST_CASE("Graphs of different size are refused") {
  const dense_graph two{{{0, 1}, {1, 0}}}, one{{{0}}};
  CHECK_THROWS_AS(zermelo::is_strongly_connected(two, one), zermelo::shape_error);
}
