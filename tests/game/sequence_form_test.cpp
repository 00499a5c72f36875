// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>
#include <zermelo/core/random.hpp>
#include <zermelo/game/sequence_form.hpp>

#include "../catch.hpp"
#include "../thrown.hpp"

using namespace zermelo::game;

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Kuhn's poker: three cards, a coin each; bet or pass, in turn. Sequences of player 1: 4·card + {pass, bet, pass then pass,
/// pass then bet} + 1; of player 2: 4·card + {pass and bet after a pass, pass and bet after a bet} + 1.
sequence_game kuhn() {
  sequence_game g;
  g.first.sequences = g.second.sequences = 13;
  for (std::int64_t card = 0; card < 3; ++card) {
    const std::int64_t k = 4 * card + 1;
    g.first.sets.push_back({0, {k, k + 1}});
    g.first.sets.push_back({k, {k + 2, k + 3}});
    g.second.sets.push_back({0, {k, k + 1}});
    g.second.sets.push_back({0, {k + 2, k + 3}});
  }
  g.payoff.assign(169, 0.0);
  for (std::int64_t a = 0; a < 3; ++a)
    for (std::int64_t b = 0; b < 3; ++b) {
      if (a == b) continue;
      const double shown = a > b ? 1.0 / 6 : -1.0 / 6;
      const std::int64_t s = 4 * a + 1, t = 4 * b + 1;
      const auto pays = [&](std::int64_t mine, std::int64_t theirs, double x) { g.payoff[at(mine * 13 + theirs)] = x; };
      pays(s, t, shown);              // pass, pass
      pays(s + 2, t + 1, -1.0 / 6);   // pass, bet, pass
      pays(s + 3, t + 1, 2 * shown);  // pass, bet, bet
      pays(s + 1, t + 2, 1.0 / 6);    // bet, pass
      pays(s + 1, t + 3, 2 * shown);  // bet, bet
    }
  return g;
}

/// A matrix game: one set a player.
sequence_game matrix(std::int64_t m, std::int64_t n, const std::vector<double>& payoff) {
  sequence_game g;
  g.first = {m + 1, {{0, {}}}};
  g.second = {n + 1, {{0, {}}}};
  for (std::int64_t s = 1; s <= m; ++s) g.first.sets[0].children.push_back(s);
  for (std::int64_t t = 1; t <= n; ++t) g.second.sets[0].children.push_back(t);
  g.payoff.assign(at((m + 1) * (n + 1)), 0.0);
  for (std::int64_t s = 0; s < m; ++s)
    for (std::int64_t t = 0; t < n; ++t) g.payoff[at((s + 1) * (n + 1) + t + 1)] = payoff[at(s * n + t)];
  return g;
}

void check_strategy(const treeplex& t, const std::vector<double>& x) {
  CHECK(x[0] == Approx(1).epsilon(1e-10));
  for (const auto& set : t.sets) {
    double sum = 0;
    for (const std::int64_t c : set.children) {
      CHECK(x[at(c)] >= 0);
      sum += x[at(c)];
    }
    CHECK(sum == Approx(x[at(set.parent)]).margin(1e-10));
  }
}

}  // namespace

TEST_CASE("Kuhn's poker is worth minus one eighteenth to who begins") {
  const auto g = kuhn();
  const auto s = solve_sequence_form(g);
  CHECK(s.convergence.status == zermelo::status::converged);
  CHECK(s.value == Approx(-1.0 / 18).epsilon(1e-12));
  CHECK(std::abs(s.gap) < 1e-12);
  check_strategy(g.first, s.x);
  check_strategy(g.second, s.y);
}

TEST_CASE("Regret matching reaches a gap of 1e-4 on Kuhn's poker within two thousand rounds") {
  const auto g = kuhn();
  const auto s = solve_by_regret_matching(g, {.tolerance = 1e-4, .max_iterations = 2000});
  CHECK(s.convergence.status == zermelo::status::converged);
  CHECK(s.gap <= 1e-4);
  CHECK(s.value == Approx(-1.0 / 18).margin(1e-4));
  check_strategy(g.first, s.x);
  check_strategy(g.second, s.y);
}

TEST_CASE("The regularised equilibrium answers itself, and nears the equilibrium as regularisation fades") {
  const auto g = kuhn();
  double last = 1;
  for (const double alpha : {1.0, 0.3, 0.1, 0.03, 0.01}) {
    const auto s = solve_regularized_sequence_form(g, alpha);
    CHECK(s.convergence.status == zermelo::status::converged);
    CHECK(std::abs(s.gap) < 1e-12);
    check_strategy(g.first, s.x);
    check_strategy(g.second, s.y);
    const double plain = sequence_gap(g, s.x, s.y);
    CHECK(plain > 0);
    CHECK(plain < last);
    last = plain;
  }
  CHECK(last < 0.05);
}

TEST_CASE("Mirror descent converges linearly to the regularised equilibrium") {
  const auto g = kuhn();
  const auto rounds = [&](double tolerance) {
    return solve_regularized_sequence_form(g, 0.1, {.tolerance = tolerance}).convergence.iterations;
  };
  const auto a = rounds(1e-3), b = rounds(1e-6), c = rounds(1e-9);
  CHECK(static_cast<double>(c - b) == Approx(static_cast<double>(b - a)).epsilon(0.35));  // equal work a digit
}

TEST_CASE("A game of one choice each is a matrix game") {
  const auto rps = matrix(3, 3, {0, 1, -1, -1, 0, 1, 1, -1, 0});
  const auto s = solve_sequence_form(rps);
  CHECK(s.value == Approx(0).margin(1e-12));
  for (std::size_t k = 1; k <= 3; ++k) {
    CHECK(s.x[k] == Approx(1.0 / 3));
    CHECK(s.y[k] == Approx(1.0 / 3));
  }
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<double> m;
    for (std::uint64_t k = 0; k < 20; ++k) m.push_back(zermelo::uniform(seed, 0, k) - 0.5);
    const auto linear = solve_sequence_form(matrix(4, 5, m));
    const auto exact = solve_matrix_game(zermelo::matrix_view(m.data(), 4, 5));
    CHECK(linear.value == Approx(exact.value).margin(1e-10));
    CHECK(std::abs(linear.gap) < 1e-10);
  }
}

TEST_CASE("A quantal response to a biased coin is the softmax") {
  const auto g = matrix(2, 1, {0.3, 0.1});
  const auto s = solve_regularized_sequence_form(g, 0.1);
  CHECK(s.x[1] == Approx(1 / (1 + std::exp(-2))).epsilon(1e-10));
  CHECK(s.y[1] == 1);
}

TEST_CASE("A best response earns the most, and its value is that of its strategy") {
  const auto g = kuhn();
  std::vector<double> uniform(13, 0.0), earnings, x;
  uniform[0] = 1;
  for (const auto& set : g.second.sets)
    for (const std::int64_t c : set.children) uniform[at(c)] = uniform[at(set.parent)] / 2;
  zermelo::game::detail::earnings(g, false, uniform, earnings);
  const double value = best_response(g.first, earnings, x);
  check_strategy(g.first, x);
  CHECK(zermelo::game::detail::payoff_of(g, x, uniform) == Approx(value).epsilon(1e-14));
  for (std::uint64_t seed = 0; seed < 50; ++seed) {  // no pure strategy earns more
    std::vector<double> pure(13, 0.0);
    pure[0] = 1;
    for (const auto& set : g.first.sets)
      pure[at(set.children[zermelo::random_bits(seed, 0, static_cast<std::uint64_t>(set.children[0])) % 2])] =
          pure[at(set.parent)];
    CHECK(zermelo::game::detail::payoff_of(g, pure, uniform) <= value + 1e-15);
  }
}

TEST_CASE("What is no game is refused with its place") {
  auto g = kuhn();
  g.first.sets[1].parent = 3;  // its own child
  CHECK(thrown<zermelo::domain_error>([&] { solve_sequence_form(g); }).index() == 1);
  g = kuhn();
  g.second.sets[2].children = {1, 2};  // taken
  CHECK_THROWS_AS(solve_sequence_form(g), zermelo::domain_error);
  g = kuhn();
  g.second.sets.pop_back();
  CHECK_THROWS_AS(solve_regularized_sequence_form(g, 1), zermelo::domain_error);
  g = kuhn();
  g.payoff.pop_back();
  CHECK_THROWS_AS(solve_by_regret_matching(g), zermelo::shape_error);
  g = kuhn();
  g.payoff[20] = std::numeric_limits<double>::quiet_NaN();
  CHECK(thrown<zermelo::domain_error>([&] { solve_sequence_form(g); }).index() == 20);
  CHECK_THROWS_AS(solve_regularized_sequence_form(kuhn(), 0), zermelo::domain_error);
  CHECK_THROWS_AS(sequence_gap(kuhn(), std::vector<double>(12), std::vector<double>(13)), zermelo::shape_error);
}
