// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/preference/comparison_graph.hpp"

#include <Eigen/Core>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "property.hpp"
#include "thrown.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/random.hpp"

namespace zm = zermelo;
namespace zp = zermelo::preference;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr zp::counting_parameters dense{.dense_limit = 1000}, compressed{.dense_limit = 0};

template <class Id>
struct battles {
  std::int64_t items = 0;
  std::vector<Id> first, second;
  std::vector<zp::outcome> outcomes;
  std::vector<double> scores, weights;

  battles(std::int64_t n, std::int64_t m, std::uint64_t seed) : items(n) {
    for (std::uint64_t k = 0; k < static_cast<std::uint64_t>(m); ++k) {
      const std::int64_t i = zm::index_below(zm::random_bits(seed, 0, k), n);
      const std::int64_t j = zm::index_below(zm::random_bits(seed, 1, k), n - 1);
      add(i, j + (j >= i), static_cast<zp::outcome>(zm::index_below(zm::random_bits(seed, 2, k), 3)),
          static_cast<double>(zm::index_below(zm::random_bits(seed, 3, k), 9)) / 4);
    }
  }
  void add(std::int64_t i, std::int64_t j, zp::outcome o, double weight) {
    first.push_back(static_cast<Id>(i)), second.push_back(static_cast<Id>(j));
    outcomes.push_back(o), scores.push_back(zp::score(o)), weights.push_back(weight);
  }
  zp::comparison_graph unit(zp::counting_parameters p) const {
    return zp::count_battles(first, second, outcomes, items, p);
  }
  zp::comparison_graph weighted(zp::counting_parameters p) const {
    return zp::count_battles(first, second, outcomes, weights, items, p);
  }
};

struct sums {
  double wins = 0, ties = 0, squared_wins = 0, squared_ties = 0;
};

template <class Id>
std::map<std::pair<std::int64_t, std::int64_t>, sums> naive(const battles<Id>& b, bool weighted) {
  std::map<std::pair<std::int64_t, std::int64_t>, sums> all;
  for (std::size_t k = 0; k < b.first.size(); ++k) {
    const auto i = static_cast<std::int64_t>(b.first[k]), j = static_cast<std::int64_t>(b.second[k]);
    const double w = weighted ? b.weights[k] : 1;
    if (b.outcomes[k] == zp::outcome::first) all[{i, j}].wins += w, all[{i, j}].squared_wins += w * w;
    if (b.outcomes[k] == zp::outcome::second) all[{j, i}].wins += w, all[{j, i}].squared_wins += w * w;
    if (b.outcomes[k] == zp::outcome::tie)
      for (const auto& key : {std::pair(i, j), std::pair(j, i)}) all[key].ties += w, all[key].squared_ties += w * w;
  }
  return all;
}

/// Whether the graph says what the map says. Sums of weights in quarters are exact in any order.
template <class Map>
bool agrees(const zp::comparison_graph& g, Map expected) {
  bool same = true;
  double entries = 0, found = 0;
  for (const auto& [key, s] : expected) entries += s.wins + s.ties;
  for (std::int64_t i = 0; i < g.items; ++i) {
    for (std::int64_t j = 0; j < g.items; ++j) {
      const sums forward = expected.contains({i, j}) ? expected[{i, j}] : sums{};
      const sums backward = expected.contains({j, i}) ? expected[{j, i}] : sums{};
      const zp::pair_record r = g.between(i, j);
      same = same && r.wins == forward.wins && r.losses == backward.wins && r.ties == forward.ties;
    }
    zp::for_each_opponent(g, i, [&](std::int64_t j, std::int64_t e) {
      const auto k = static_cast<std::size_t>(e);
      found += g.wins[k] + (g.ties.empty() ? 0 : g.ties[k]);
      if (g.unit_weights()) return;
      const sums forward = expected.contains({i, j}) ? expected[{i, j}] : sums{};
      same = same && g.squared_wins[k] == forward.squared_wins &&
             (g.squared_ties.empty() ? 0 : g.squared_ties[k]) == forward.squared_ties;
    });
  }
  return same && entries == found;
}

bool identical(const zp::comparison_graph& a, const zp::comparison_graph& b) {
  return a.items == b.items && a.battles == b.battles && a.dense == b.dense && a.offsets == b.offsets &&
         a.opponents == b.opponents && a.wins == b.wins && a.losses == b.losses && a.ties == b.ties &&
         a.squared_wins == b.squared_wins && a.squared_losses == b.squared_losses && a.squared_ties == b.squared_ties;
}

/// The argument and index of the domain_error, as they stand in its message.
template <class F>
std::string complaint(F&& f) {
  const auto error = thrown<zm::domain_error>(f);
  return error.argument() + "[" + std::to_string(error.index()) + "]";
}

}  // namespace

TEMPLATE_TEST_CASE("dense and compressed graphs agree with a naive map for ids of every type", "", std::int8_t,
                   std::int16_t, std::int32_t, std::int64_t, std::uint32_t) {
  for (const std::int64_t n : {2, 3, 40, 120})
    for (const std::int64_t m : {0, 1, 7, 3000}) {
      const battles<TestType> b(n, m, 21);
      INFO(n << " items, " << m << " battles");
      for (const auto& p : {dense, compressed}) {
        CHECK(agrees(b.unit(p), naive(b, false)));
        CHECK(agrees(b.weighted(p), naive(b, true)));
        CHECK(agrees(zp::count_battles(b.first, b.second, b.scores, n, p), naive(b, false)));
        CHECK(b.unit(p).battles == m);
        CHECK(b.weighted(p).battles == m);
      }
    }
}

TEST_CASE("graphs have the same bits under every policy") {
  const battles<std::int32_t> b(300, 20000, 22);
  const zm::threads one(1), three(3);
  for (const auto& p : {dense, compressed}) {
    const auto counted = [&](auto&& policy) {
      return zp::count_battles(policy, b.first, b.second, b.outcomes, 300, p);
    };
    const auto weighted = [&](auto&& policy) {
      return zp::count_battles(policy, b.first, b.second, b.outcomes, b.weights, 300, p);
    };
    CHECK(identical(counted(zm::serial{}), counted(zm::simd{})));
    CHECK(identical(counted(one), counted(zm::simd{})));
    CHECK(identical(counted(three), counted(zm::simd{})));
    CHECK(identical(weighted(zm::serial{}), weighted(zm::simd{})));
    CHECK(identical(weighted(three), weighted(zm::simd{})));
  }
}

TEST_CASE("columns of a matrix, strided views and Eigen vectors are counted where they lie") {
  const battles<std::int32_t> b(30, 2000, 23);
  Eigen::Matrix<std::int32_t, Eigen::Dynamic, 2, Eigen::RowMajor> ids(2000, 2);
  Eigen::VectorXd scores(2000);
  std::vector<double> table;  // weight, noise, weight, noise, …
  for (int k = 0; k < 2000; ++k) {
    const auto at = static_cast<std::size_t>(k);
    ids(k, 0) = b.first[at], ids(k, 1) = b.second[at], scores(k) = b.scores[at];
    table.insert(table.end(), {b.weights[at], not_a_number});
  }
  const zm::tensor_view<const double, 1> weights{.data = table.data(), .shape = {2000}, .strides = {2}};
  const double half = 0.5;
  const zm::tensor_view<const double, 1> always_tied{.data = &half, .shape = {2000}, .strides = {0}};
  for (const auto& p : {dense, compressed}) {
    CHECK(identical(zp::count_battles(ids.col(0), ids.col(1), scores, 30, p), b.unit(p)));
    CHECK(identical(zp::count_battles(ids.col(0), ids.col(1), b.outcomes, weights, 30, p), b.weighted(p)));
    const auto tied = zp::count_battles(ids.col(0), ids.col(1), always_tied, 30, p);
    CHECK(tied.between(b.first[0], b.second[0]).wins == 0);
    CHECK(tied.between(b.first[0], b.second[0]).ties > 0);
  }
}

TEST_CASE("the merge of two graphs is the graph of all their battles") {
  check_property(
      [] {
        const auto n = *rc::gen::inRange<std::int64_t>(2, 20), fewer = *rc::gen::inRange<std::int64_t>(2, n + 1);
        const auto m = *rc::gen::inRange<std::int64_t>(0, 200), more = *rc::gen::inRange<std::int64_t>(0, 200);
        const battles<std::int32_t> a(n, m, *rc::gen::arbitrary<std::uint64_t>());
        const battles<std::int32_t> b(fewer, more, *rc::gen::arbitrary<std::uint64_t>());
        auto all = a;
        for (std::size_t k = 0; k < b.first.size(); ++k) all.add(b.first[k], b.second[k], b.outcomes[k], b.weights[k]);
        for (const auto& p : {dense, compressed})
          for (const auto& q : {dense, compressed}) {
            RC_ASSERT(agrees(zp::merge(a.unit(p), b.unit(q), q), naive(all, false)));
            RC_ASSERT(agrees(zp::merge(b.weighted(p), a.weighted(q), p), naive(all, true)));
            RC_ASSERT(zp::merge(a.unit(p), b.unit(q), p).battles == m + more);
          }
        RC_ASSERT(identical(zp::merge(a.unit(dense), b.unit(compressed), dense), all.unit(dense)));
        RC_ASSERT(identical(zp::merge(a.unit(dense), b.unit(compressed), compressed), all.unit(compressed)));
      },
      60);
}

TEST_CASE("weights of a graph and of one without add up as battles of weight one") {
  const battles<std::int32_t> a(6, 50, 24), b(6, 50, 25);
  auto all = a;
  for (double& w : all.weights) w = 1;
  for (std::size_t k = 0; k < b.first.size(); ++k) all.add(b.first[k], b.second[k], b.outcomes[k], b.weights[k]);
  for (const auto& p : {dense, compressed}) CHECK(agrees(zp::merge(a.unit(p), b.weighted(p), p), naive(all, true)));
}

TEST_CASE("records and tables of wins say what their battles would") {
  // 0 beat 1 three times and lost once, in two lines and both orders; 2 drew with 1 twice
  const std::vector<int> first = {0, 1, 1}, second = {1, 0, 2};
  const std::vector<double> wins = {2, 1, 1.5}, losses = {0, 1, 0.25};
  for (const auto& p : {dense, compressed}) {
    const auto g = zp::graph_from_records(first, second, wins, losses, 3, p);
    CHECK(g.between(0, 1).wins == 3);
    CHECK(g.between(1, 0).wins == 1);
    CHECK(g.between(0, 1).losses == 1);
    CHECK(g.between(1, 2).wins == 1.5);
    CHECK(g.between(2, 1).wins == 0.25);
    CHECK(g.between(0, 2).wins == 0);
    CHECK(g.battles == 6);
    CHECK(g.unit_weights());
  }
  const double table[3][3] = {{0, 3, 0}, {1, 0, 1.5}, {0, 0.25, 0}}, ties[3][3] = {{0, 2, 0}, {2, 0, 0}, {0, 0, 0}};
  const auto g = zp::graph_from_wins(table, ties);
  CHECK(g.between(0, 1).wins == 3);
  CHECK(g.between(1, 0).ties == 2);
  CHECK(g.battles == 8);
  CHECK(identical(zp::graph_from_wins(table), zp::graph_from_records(first, second, wins, losses, 3)));
}

TEST_CASE("no battles make a graph without pairs") {
  const std::vector<int> none;
  const std::vector<double> no_scores;
  for (const auto& p : {dense, compressed})
    for (const std::int64_t n : {1, 5}) {
      const auto g = zp::count_battles(none, none, no_scores, n, p);
      CHECK(g.items == n);
      CHECK(g.battles == 0);
      CHECK(g.between(0, n - 1).wins == 0);
    }
}

TEST_CASE("wrong battles are refused with their argument and position, whatever the storage and the policy") {
  const zm::threads three(3);
  // The battle at 40 is wrong; the one at 41 is worse, and never seen.
  struct wrong {
    std::int64_t first, second;
    double score, weight;
    std::string where;
  };
  const std::int64_t beyond = std::int64_t{1} << 32;
  for (const auto& [first, second, score, weight, where] : std::vector<wrong>{
           {3, 1, 1, 1, "first[40]"},
           {-1, 1, 1, 1, "first[40]"},
           {beyond, 1, 1, 1, "first[40]"},
           {0, 3, 1, 1, "second[40]"},
           {0, beyond + 1, 1, 1, "second[40]"},
           {0, std::numeric_limits<std::int64_t>::min(), 1, 1, "second[40]"},
           {2, 2, 1, 1, "second[40]"},
           {0, 1, 0.25, 1, "outcomes[40]"},
           {0, 1, not_a_number, 1, "outcomes[40]"},
           {0, 1, -infinity, 1, "outcomes[40]"},
           {0, 1, 1, -1, "weights[40]"},
           {0, 1, 1, not_a_number, "weights[40]"},
           {0, 1, 1, infinity, "weights[40]"},
       }) {
    std::vector<std::int64_t> f(100, 0), s(100, 1);
    std::vector<double> o(100, 0.5), w(100, 2.0);
    f[40] = first, s[40] = second, o[40] = score, w[40] = weight;
    f[41] = -7, w[41] = not_a_number;
    for (const auto& p : {dense, compressed}) {
      INFO(where << ", dense limit " << p.dense_limit);
      CHECK(complaint([&] { zp::count_battles(f, s, o, w, 3, p); }) == where);
      CHECK(complaint([&] { zp::count_battles(three, f, s, o, w, 3, p); }) == where);
      if (where.starts_with("weights")) continue;
      CHECK(complaint([&] { zp::count_battles(f, s, o, 3, p); }) == where);
    }
  }
  for (const auto& p : {dense, compressed}) {
    const std::vector<int> f = {0, 0}, s = {1, 1};
    const std::vector<zp::outcome> o = {zp::outcome::first, static_cast<zp::outcome>(3)};
    CHECK(complaint([&] { zp::count_battles(f, s, o, 2, p); }) == "outcomes[1]");
    CHECK(complaint([&] { zp::count_battles(three, f, s, o, 2, p); }) == "outcomes[1]");
  }
}

TEST_CASE("wrong records and tables are refused with their argument and position") {
  const std::vector<int> f = {0, 1}, s = {1, 0};
  const std::vector<double> good = {1, 2}, negative = {1, -2}, nan = {not_a_number, 1};
  for (const auto& p : {dense, compressed}) {
    CHECK(complaint([&] { zp::graph_from_records(f, s, negative, good, 2, p); }) == "wins[1]");
    CHECK(complaint([&] { zp::graph_from_records(f, s, good, nan, 2, p); }) == "losses[0]");
    CHECK(complaint([&] { zp::graph_from_records(f, f, good, good, 2, p); }) == "second[0]");
    CHECK(complaint([&] { zp::graph_from_records(f, s, good, good, 1, p); }) == "second[0]");
  }
  const double wins[2][2] = {{0, 1}, {1, 0}}, itself[2][2] = {{0, 1}, {1, 1}}, endless[2][2] = {{0, infinity}, {1, 0}};
  const double lopsided[2][2] = {{0, 1}, {2, 0}}, wide[2][3] = {};
  CHECK(complaint([&] { zp::graph_from_wins(itself); }) == "wins[3]");
  CHECK(complaint([&] { zp::graph_from_wins(endless); }) == "wins[1]");
  CHECK(complaint([&] { zp::graph_from_wins(wins, lopsided); }) == "ties[1]");
  CHECK(complaint([&] { zp::graph_from_wins(wins, itself); }) == "ties[3]");
  CHECK(thrown<zm::shape_error>([&] { zp::graph_from_wins(wide); }).argument() == "wins");
  CHECK(thrown<zm::shape_error>([&] { zp::graph_from_wins(wins, wide); }).argument() == "ties");
}

TEST_CASE("the number of items is checked") {
  const std::vector<int> none;
  const std::vector<double> no_scores;
  for (const std::int64_t n : {std::int64_t{0}, std::int64_t{-3}, std::int64_t{1} << 31})
    CHECK(thrown<zm::domain_error>([&] { zp::count_battles(none, none, no_scores, n); }).argument() == "items");
}
