// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/preference/bootstrap.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "preference/tournaments.hpp"
#include "thrown.hpp"
#include "zermelo/core/execution/threads.hpp"

// Whether its intervals cover what they say is measured in coverage_test.cpp.

namespace zm = zermelo;
namespace zp = zermelo::preference;
using namespace tournaments;

namespace {

constexpr zp::bradley_terry maximum_likelihood{};

zp::bootstrap_result bootstrapped(const zp::comparison_graph& g, zp::bootstrap_parameters p = {}) {
  return zp::bootstrap(maximum_likelihood, g, zp::fit(maximum_likelihood, g), p);
}

/// One pair met once or twice each way: about one draw in e loses an outcome.
win_table fragile() {
  win_table w(4);
  w(0, 1) = w(1, 0) = w(1, 2) = w(2, 1) = 20;
  w(2, 3) = 1, w(3, 2) = 5;
  return w;
}

bool identical(const zp::bootstrap_result& a, const zp::bootstrap_result& b) {
  return a.strength == b.strength && a.kept == b.kept && a.degenerate == b.degenerate &&
         a.not_converged == b.not_converged && a.lower == b.lower && a.median == b.median && a.upper == b.upper &&
         a.best_rank == b.best_rank && a.worst_rank == b.worst_rank;
}

}  // namespace

TEST_CASE("a bootstrap has the same bits for any number of threads, and other ones for another seed") {
  const auto graph = random_wins(12, 0.5, 9, 111).graph();
  const auto fitted = zp::fit(maximum_likelihood, graph);
  const zm::threads one(1), two(2), three(3);
  const zp::bootstrap_parameters p{.replicates = 203, .seed = 7};
  const auto alone = zp::bootstrap(maximum_likelihood, graph, fitted, p);
  CHECK(identical(zp::bootstrap(one, maximum_likelihood, graph, fitted, p), alone));
  CHECK(identical(zp::bootstrap(two, maximum_likelihood, graph, fitted, p), alone));
  CHECK(identical(zp::bootstrap(three, maximum_likelihood, graph, fitted, p), alone));
  CHECK_FALSE(identical(bootstrapped(graph, {.replicates = 203, .seed = 8}), alone));
  // Scalar arithmetic reaches the same optima, to the tolerance of the refits.
  const auto scalar = zp::bootstrap(zm::serial{}, maximum_likelihood, graph, fitted, p);
  REQUIRE(scalar.kept == alone.kept);
  for (std::size_t k = 0; k < alone.strength.size(); ++k)
    CHECK(std::abs(scalar.strength[k] - alone.strength[k]) < 1e-9);
}

TEST_CASE("a replicate depends on its number, not on how many there are") {
  const auto graph = random_wins(5, 0.5, 9, 112).graph();
  const auto few = bootstrapped(graph, {.replicates = 10, .seed = 3}),
             many = bootstrapped(graph, {.replicates = 50, .seed = 3});
  CHECK(std::equal(few.strength.begin(), few.strength.end(), many.strength.begin()));
}

TEST_CASE("every replicate that is kept is an optimum, centred") {
  const auto found = bootstrapped(fragile().graph(), {.replicates = 300});
  CHECK(found.not_converged == 0);
  for (std::size_t r = 0; r < found.kept.size(); ++r) {
    double sum = 0;
    for (std::size_t i = 0; i < 4; ++i) sum += found.strength[r * 4 + i];
    CHECK(std::abs(sum) < 1e-12);
  }
}

TEST_CASE("ComparIA#470: replicates without a finite estimate are counted, and poison no percentile") {
  const auto graph = fragile().graph();
  const auto found = bootstrapped(graph, {.replicates = 2000, .seed = 1});
  CHECK(found.replicates == 2000);
  CHECK(found.degenerate + static_cast<std::int64_t>(found.kept.size()) == 2000);
  CHECK(found.strength.size() == 4 * found.kept.size());
  CHECK(std::is_sorted(found.kept.begin(), found.kept.end()));
  // P(a cell of share s = 1/86 is never drawn in 86 battles) = (1 − s)⁸⁶ = 0.366, of share 5/86 0.0058: 0.371 for either,
  // the others never. Four standard deviations of 2000 draws are 0.043.
  const double share = static_cast<double>(found.degenerate) / 2000;
  CHECK(std::abs(share - 0.371) < 0.043);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(std::abs(found.lower[i]) < 10);
    CHECK(found.lower[i] <= found.median[i]);
    CHECK(found.median[i] <= found.upper[i]);
    CHECK(found.best_rank[i] <= found.worst_rank[i]);
  }
  // With a prior there are none.
  const zp::bradley_terry model{.prior = zp::phantom_prior{}};
  CHECK(zp::bootstrap(model, graph, zp::fit(model, graph), {.replicates = 200}).degenerate == 0);
  const zp::bradley_terry by_pairs{.prior = zp::pair_prior{}};  // nor with pseudo-counts, unless a pair never meets
  CHECK(zp::bootstrap(by_pairs, graph, zp::fit(by_pairs, graph), {.replicates = 200}).degenerate <= 2);
}

TEST_CASE("replicates scatter around the estimate as the covariance says") {
  const auto graph = random_wins(6, 1, 60, 113).graph();
  const auto fitted = zp::fit(maximum_likelihood, graph);
  const auto found = zp::bootstrap(maximum_likelihood, graph, fitted, {.replicates = 4000, .seed = 2});
  const std::size_t n = 6, kept = found.kept.size();
  REQUIRE(kept == 4000);
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0, squares = 0;
    for (std::size_t r = 0; r < kept; ++r) {
      const double d = found.strength[r * n + i] - fitted.strength[i];
      sum += d, squares += d * d;
    }
    const double spread = std::sqrt(squares / 4000);
    CHECK(std::abs(sum / 4000) < 0.1 * spread);  // bias of an estimate of hundreds of battles: O(1/battles)
    CHECK(found.lower[i] < fitted.strength[i]);
    CHECK(found.upper[i] > fitted.strength[i]);
  }
}

TEST_CASE("counts that the caller drew give fits and quantiles that can be computed by hand") {
  // Two items: every replicate is log(a/b)/2.
  const std::vector<int> first = {0, 1}, second = {1, 0};
  const std::vector<double> won = {1, 1};
  const double counts[5][2] = {{3, 1}, {1, 1}, {4, 0}, {1, 3}, {2, 1}};
  const auto found = zp::bootstrap(zm::simd{}, maximum_likelihood, 2, first, second, won, counts, 0.5);
  CHECK(found.degenerate == 1);
  REQUIRE(found.kept == std::vector<std::int64_t>{0, 1, 3, 4});
  const double l3 = std::log(3.0) / 2, l2 = std::log(2.0) / 2;
  CHECK(found.strength[0] == Approx(l3).epsilon(1e-13));
  CHECK(found.strength[2] == Approx(0).margin(1e-13));
  CHECK(found.strength[4] == Approx(-l3).epsilon(1e-13));
  CHECK(found.strength[6] == Approx(l2).epsilon(1e-13));
  // Sorted: −l3, 0, l2, l3; positions 0.75, 1.5 and 2.25 counted from 0, linear between.
  CHECK(found.lower[0] == Approx(0.25 * -l3).epsilon(1e-12));
  CHECK(found.median[0] == Approx(0.5 * l2).epsilon(1e-12));
  CHECK(found.upper[0] == Approx(l2 + 0.25 * (l3 - l2)).epsilon(1e-12));
}

TEST_CASE("drawn counts may name a pair in either order, tied, and in several cells") {
  const std::vector<int> first = {0, 1, 2, 1, 0}, second = {1, 0, 1, 2, 1};
  const std::vector<zp::outcome> outcomes = {zp::outcome::first, zp::outcome::first, zp::outcome::tie,
                                             zp::outcome::second, zp::outcome::second};
  const double counts[1][5] = {{6, 1, 2, 3, 1}};
  // 0 against 1: 6 won, 2 lost; 1 against 2: 2 ties and 3 lost, as half wins 1 and 4.
  const auto found = zp::bootstrap(zm::simd{}, maximum_likelihood, 3, first, second, outcomes, counts);
  REQUIRE(found.kept.size() == 1);
  CHECK(found.strength[0] - found.strength[1] == Approx(std::log(3.0)).epsilon(1e-12));
  CHECK(found.strength[1] - found.strength[2] == Approx(std::log(0.25)).epsilon(1e-12));
}

TEST_CASE("replicates of more items than rows are full for agree with their fits") {
  const std::int32_t n = 1005;
  std::vector<std::int32_t> first, second;
  std::vector<zp::outcome> outcomes;
  for (const auto& [i, j] : ring(n))
    for (const auto o : {zp::outcome::first, zp::outcome::second, zp::outcome::tie})
      first.push_back(i), second.push_back(j), outcomes.push_back(o);
  const auto cells = static_cast<std::int64_t>(first.size());
  std::vector<double> counts(static_cast<std::size_t>(2 * cells));
  for (std::size_t k = 0; k < counts.size(); ++k)
    counts[k] = static_cast<double>(1 + zm::index_below(zm::random_bits(114, 0, k), 4));
  const zp::bradley_terry model{.prior = zp::gaussian_prior{.precision = 0.5}};
  const auto found =
      zp::bootstrap(zm::simd{}, model, n, first, second, outcomes, zm::matrix_view(counts.data(), 2, cells));
  REQUIRE(found.kept.size() == 2);
  for (std::size_t r = 0; r < 2; ++r) {
    const std::vector<double> drawn(counts.begin() + static_cast<std::ptrdiff_t>(r) * cells,
                                    counts.begin() + static_cast<std::ptrdiff_t>(r + 1) * cells);
    const auto alone = zp::fit(model, zp::count_battles(first, second, outcomes, drawn, n), {.tolerance = 1e-13});
    double largest = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
      largest = (std::max)(largest, std::abs(alone.strength[i] - found.strength[r * static_cast<std::size_t>(n) + i]));
    CHECK(largest < 1e-8);  // gradient 1e-10 of 24 games, curvature 0.5 and more
  }
}

TEST_CASE("tied battles are drawn as ties, and compressed graphs like dense ones") {
  const played b({0.5, 0.2, 0, -0.2, -0.5}, every_pair(5), 10, 0.3, 115, 0);
  const auto dense = zp::count_battles(b.first, b.second, b.outcomes, 5);
  const auto compressed = zp::count_battles(b.first, b.second, b.outcomes, 5, {.dense_limit = 0});
  const auto found = bootstrapped(dense, {.replicates = 100});
  CHECK(identical(bootstrapped(compressed, {.replicates = 100}), found));
  // Only ties: every replicate is the same tie again.
  const std::vector<zp::outcome> tied(b.first.size(), zp::outcome::tie);
  const auto still = bootstrapped(zp::count_battles(b.first, b.second, tied, 5), {.replicates = 20});
  for (const double x : still.strength) CHECK(std::abs(x) < 1e-14);
}

TEST_CASE("what cannot be drawn again is refused by name") {
  const auto graph = fragile().graph();
  const auto fitted = zp::fit(maximum_likelihood, graph);
  const auto refused = [&](const zp::comparison_graph& g, const zp::bradley_terry_fit& f, zp::bootstrap_parameters p) {
    return thrown<zm::domain_error>([&] { zp::bootstrap(maximum_likelihood, g, f, p); }).argument();
  };
  CHECK(refused(graph, fitted, {.replicates = 0}) == "replicates");
  CHECK(refused(graph, fitted, {.level = 1}) == "level");
  CHECK(refused(graph, fitted, {.tolerance = -1}) == "tolerance");
  CHECK(refused(graph, fitted, {.level = std::nan("")}) == "level");

  const std::vector<int> first = {0, 1}, second = {1, 0};
  const std::vector<double> won = {1, 1}, weights = {1.5, 2}, half = {0.5, 1};
  const auto weighted = zp::count_battles(first, second, won, weights, 2);
  CHECK(refused(weighted, zp::fit(maximum_likelihood, weighted), {}) == "graph");
  const auto broken = zp::graph_from_records(first, second, half, half, 2);
  CHECK(refused(broken, zp::fit(maximum_likelihood, broken), {}) == "graph");
  const zp::bradley_terry model{.prior = zp::gaussian_prior{}};
  const auto nothing = win_table(3).graph();
  CHECK(thrown<zm::domain_error>([&] { zp::bootstrap(model, nothing, zp::fit(model, nothing)); }).argument() ==
        "graph");
  CHECK(thrown<zm::shape_error>([&] { zp::bootstrap(maximum_likelihood, nothing, fitted); }).argument() == "fitted");

  win_table islands(4);
  islands(0, 1) = islands(1, 0) = islands(2, 3) = islands(3, 2) = 1;
  const auto parts = zp::fit(maximum_likelihood, islands.graph(), {.existence = zp::existence::by_component});
  CHECK(refused(islands.graph(), parts, {}) == "fitted");

  const double counts[2][2] = {{1, 1}, {1, -1}}, wide[1][3] = {{1, 1, 1}};
  const auto error =
      thrown<zm::domain_error>([&] { zp::bootstrap(zm::simd{}, maximum_likelihood, 2, first, second, won, counts); });
  CHECK(error.argument() == "counts");
  CHECK(error.index() == 3);
  CHECK(thrown<zm::shape_error>([&] {
          zp::bootstrap(zm::simd{}, maximum_likelihood, 2, first, second, won, wide);
        }).argument() == "counts");
}
