// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>
#include <zermelo/bandit/toy_games.hpp>
#include <zermelo/game/gaps.hpp>
#include <zermelo/game/matrix_game.hpp>

#include "catch.hpp"

namespace {

namespace zm = zermelo;
namespace game = zermelo::game;
namespace bandit = zermelo::bandit;

}  // namespace

TEST_CASE("nobody gains against the Nash policies of the zoo, which are right to twelve digits") {
  const auto zoo = bandit::toy_games();
  CHECK(zoo.size() == 12);
  for (const auto& g : zoo) {
    INFO(g.name);
    const auto preferences = game::preference_matrix(g.table());
    CHECK(std::abs(game::exploitability(preferences, g.nash).exploitability) < 1e-15);
    const auto exact = game::nash_policy(preferences);
    CHECK(exact.unique == g.unique);
    if (!g.unique) continue;
    for (std::size_t i = 0; i < g.nash.size(); ++i) CHECK(std::abs(exact.policy[i] - g.nash[i]) < 1e-13);
  }
}

TEST_CASE("the reward optimum of a restricted policy class loses to its Nash policy") {
  // Policies with π₀ = 2π₁: their edge is spanned by (2/3, 1/3, 0) and (0, 0, 1). The rewards prefer the second.
  const auto g = bandit::toy_games()[6];
  REQUIRE(g.name == "nlhf_bt3");
  const auto preferences = game::preference_matrix(g.table());
  const std::vector<double> nash{2.0 / 3, 1.0 / 3, 0}, reward{0, 0, 1};
  CHECK(game::win_rate_between(preferences, nash, reward) == Approx(0.50505).epsilon(1e-5));
  CHECK(2.0 / 3 * 0 + 1.0 / 3 * -std::log(9.0) < -std::log(2.0));
}

TEST_CASE("generators depend on their seed alone and give preferences") {
  for (const auto& g : {bandit::random_game(9, 4), bandit::random_low_rank_game(9, 2, 4)}) {
    CHECK_NOTHROW(game::preference_matrix(g.table()));
    CHECK(g.nash.empty());
  }
  CHECK(bandit::random_game(9, 4).preferences == bandit::random_game(9, 4).preferences);
  CHECK(bandit::random_game(9, 4).preferences != bandit::random_game(9, 5).preferences);
  const auto g = bandit::random_game(6, 1), same = bandit::noisy(g, 0, 9), other = bandit::noisy(g, 1, 9);
  CHECK_NOTHROW(game::preference_matrix(other.table()));
  for (std::size_t k = 0; k < 36; ++k) CHECK(same.preferences[k] == Approx(g.preferences[k]).epsilon(1e-13));
  CHECK(other.preferences != g.preferences);
}

TEST_CASE("duels are won as often as preferences say") {
  const auto g = bandit::rock_paper_scissors(1, 2, 3, 0.1);
  int wins = 0;
  constexpr int duels = 20000;
  for (int k = 0; k < duels; ++k) wins += bandit::wins_duel(g, 0, 1, 5, static_cast<std::uint64_t>(k));
  // Five standard deviations of a binomial.
  CHECK(std::abs(wins - 0.8 * duels) < 5 * std::sqrt(0.16 * duels));
}

TEST_CASE("games that are none are refused") {
  CHECK_THROWS_AS(bandit::rock_paper_scissors(1, 2, 3, 0.2), zm::domain_error);
  CHECK_THROWS_AS(bandit::rock_paper_scissors(0, 1, 1, 0.2), zm::domain_error);
  CHECK_THROWS_AS(bandit::cycle_tournament(4, 0.7), zm::domain_error);
  CHECK_THROWS_AS(bandit::cycle_tournament(5, 1.7), zm::domain_error);
  CHECK_THROWS_AS(bandit::condorcet_cycle(5, 0.1, 0.7), zm::domain_error);
  CHECK_THROWS_AS(bandit::embedded_game(std::vector<double>(5), 3, 1), zm::shape_error);
  CHECK_THROWS_AS(bandit::random_game(0, 1), zm::shape_error);
  CHECK_THROWS_AS(bandit::wins_duel(bandit::rock_paper_scissors(), 0, 3, 0, 0), zm::domain_error);
}
