// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>
#include <zermelo/bandit/adversarial_duels.hpp>
#include <zermelo/bandit/regret.hpp>
#include <zermelo/bandit/toy_games.hpp>
#include <zermelo/game/dynamics.hpp>
#include <zermelo/game/gaps.hpp>
#include <zermelo/game/matrix_game.hpp>
#include <zermelo/game/solve.hpp>

#include "../catch.hpp"
#include "worlds.hpp"

using namespace zermelo::bandit;
namespace game = zermelo::game;
using worlds::square;

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Shares of voters who prefer i to j; each voter ranks at random.
square electorate(std::int64_t items, std::int64_t voters, std::uint64_t seed) {
  square wins = worlds::indifferent(items);
  for (double& x : wins.values) x = 0;
  draw_stream draws(seed);
  for (std::int64_t v = 0; v < voters; ++v) {
    std::vector<double> position(at(items));
    for (double& x : position) x = draws.uniform();
    for (std::int64_t i = 0; i < items; ++i)
      for (std::int64_t j = 0; j < items; ++j) wins(i, j) += position[at(i)] < position[at(j)] ? 1 : 0;
  }
  square p = wins;
  for (std::int64_t i = 0; i < items; ++i)
    for (std::int64_t j = 0; j < items; ++j)
      p(i, j) = i == j ? 0.5 : 0.5 + (wins(i, j) - wins(j, i)) / 2 / static_cast<double>(voters);
  return p;
}

toy_game from_zoo(const char* name) {
  const auto zoo = toy_games();
  const auto found = std::find_if(zoo.begin(), zoo.end(), [&](const toy_game& g) { return g.name == name; });
  REQUIRE(found != zoo.end());
  return *found;
}

}  // namespace

TEST_CASE("An odd electorate without ties has one winning lottery, and it is the Condorcet winner where there is one") {
  std::int64_t with = 0, without = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const std::int64_t n = 3 + static_cast<std::int64_t>(seed % 4),
                       voters = 3 + 2 * static_cast<std::int64_t>(seed % 3);
    const square p = electorate(n, voters, seed);
    const auto lottery = game::nash_policy(game::preference_matrix(p.view()));
    CHECK(lottery.unique);
    CHECK(std::abs(lottery.exploitability) < 1e-15);
    const std::int64_t condorcet = regrets_of(p.view()).condorcet;
    (condorcet < 0 ? without : with) += 1;
    if (condorcet >= 0) CHECK(lottery.policy[at(condorcet)] == Approx(1).epsilon(1e-14));
    if (condorcet < 0) CHECK(*std::max_element(lottery.policy.begin(), lottery.policy.end()) < 1);
  }
  CHECK(with > 5);
  CHECK(without > 5);
}

TEST_CASE("Regret to the winning lottery is never negative, and nothing on its support") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const square p = worlds::drawn(7, seed);
    const auto w = game::nash_policy(game::preference_matrix(p.view())).policy;
    const auto table = regrets_of(p.view(), w);
    for (std::int64_t i = 0; i < 7; ++i)
      for (std::int64_t j = 0; j < 7; ++j) {
        const double regret = *table(i, j).von_neumann;
        CHECK(regret > -1e-12);
        if (w[at(i)] > 1e-9 && w[at(j)] > 1e-9) CHECK(regret < 1e-12);
      }
  }
}

TEST_CASE("The highest mean win rate and the winning lottery may name different items") {
  const auto g = from_zoo("rps_biased");
  const auto borda = regrets_of(g.table()).borda;
  const auto borda_winner = std::max_element(borda.begin(), borda.end()) - borda.begin();
  const auto likeliest = std::max_element(g.nash.begin(), g.nash.end()) - g.nash.begin();
  CHECK(borda_winner != likeliest);
}

TEST_CASE("The zoo's games are those that their names promise") {
  const auto bt = from_zoo("nlhf_bt3");
  const double expected[] = {0.5, 9.0 / 10, 2.0 / 3, 1.0 / 10, 0.5, 2.0 / 11, 1.0 / 3, 9.0 / 11, 0.5};
  for (std::size_t k = 0; k < 9; ++k) CHECK(bt.preferences[k] == Approx(expected[k]).epsilon(1e-14));

  // Three voters: 0 ≻ 1 ≻ 2, 1 ≻ 2 ≻ 0, 2 ≻ 0 ≻ 1.
  const auto majority = from_zoo("majority3");
  for (std::int64_t i = 0; i < 3; ++i)
    CHECK(majority.preferences[at(3 * i + (i + 1) % 3)] == Approx(2.0 / 3).epsilon(1e-14));

  const auto cycle = from_zoo("condorcet_cycle6");
  const auto table = regrets_of(cycle.table(), 1e-12);
  CHECK(table.condorcet == 0);
  for (std::size_t i = 2; i < 6; ++i) CHECK(table.borda[i] == Approx(table.borda[1]).epsilon(1e-14));

  const auto sparse = from_zoo("cycle4_sparse");
  const auto preferences = game::preference_matrix(sparse.table());
  for (const double t : {0.0, 0.1, 0.25, 0.5}) {
    const std::vector<double> lottery{t, 0.5 - t, t, 0.5 - t};
    CHECK(std::abs(game::exploitability(preferences, lottery).exploitability) < 1e-15);
  }
  CHECK_FALSE(sparse.unique);
}

TEST_CASE("Games of low rank have it: all Pfaffians of four items vanish on one plane, and not on two") {
  const auto largest = [](std::int64_t planes) {
    const auto g = random_low_rank_game(6, planes, 11);
    const auto s = [&](std::int64_t i, std::int64_t j) {
      const double p = g.preferences[at(6 * i + j)];
      return std::log(p / (1 - p));
    };
    double most = 0;
    for (std::int64_t a = 0; a < 6; ++a)
      for (std::int64_t b = a + 1; b < 6; ++b)
        for (std::int64_t c = b + 1; c < 6; ++c)
          for (std::int64_t d = c + 1; d < 6; ++d)
            most = std::max(most, std::abs(s(a, b) * s(c, d) - s(a, c) * s(b, d) + s(a, d) * s(b, c)));
    return most;
  };
  CHECK(largest(1) < 1e-12);
  CHECK(largest(2) > 0.1);
}

TEST_CASE("What a judge answers depends on the seed and the number of the duel, not on what was asked before") {
  const auto g = from_zoo("bt5");
  std::vector<bool> forwards;
  for (std::uint64_t k = 0; k < 200; ++k) forwards.push_back(wins_duel(g, 0, 2, 5, k));
  for (std::uint64_t k = 200; k-- > 0;) CHECK(wins_duel(g, 0, 2, 5, k) == forwards[k]);
  bool differs = false;
  for (std::uint64_t k = 0; k < 200; ++k) differs = differs || wins_duel(g, 0, 2, 6, k) != forwards[k];
  CHECK(differs);
}

TEST_CASE("Sparring with expected gains of all arms and no exploration is Hedge against itself") {
  const auto g = random_game(5, 3);
  constexpr double step = 0.4;
  constexpr int rounds = 50;
  sparring a(5, {.step = step, .exploration = 0});
  for (int t = 0; t < rounds; ++t) {
    const auto row = a.strategy(0), column = a.strategy(1);
    for (std::int64_t i = 0; i < 5; ++i)
      for (std::int64_t j = 0; j < 5; ++j) {
        a.gains[0][at(i)] += g.preferences[at(5 * i + j)] * column[at(j)];
        a.gains[1][at(i)] += g.preferences[at(5 * i + j)] * row[at(j)];  // P + Pᵀ = 1: the second player's wins
      }
    a.rebuild();
  }
  const std::vector<double> uniform(5, 0.2);
  std::vector<double> last;
  game::solve(game::preference_matrix(g.table()), game::hedge{step}, uniform, uniform, {.limit = rounds, .target = 0},
              [&](const game::iterate<double>& i) { last.assign(i.policy.begin(), i.policy.end()); });
  REQUIRE(last.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(a.strategy(0)[i] == Approx(last[i]).epsilon(1e-12));  // fifty rounds, each rounded
    CHECK(a.strategy(1)[i] == Approx(last[i]).epsilon(1e-12));
  }
}
