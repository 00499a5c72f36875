// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "contest.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <zermelo/bandit/apohf.hpp>
#include <zermelo/bandit/beat_the_mean.hpp>
#include <zermelo/bandit/contextual_dueling.hpp>
#include <zermelo/bandit/copeland_confidence_bound.hpp>
#include <zermelo/bandit/double_thompson.hpp>
#include <zermelo/bandit/interleaved_filter.hpp>
#include <zermelo/bandit/rmed.hpp>
#include <zermelo/bandit/rucb.hpp>
#include <zermelo/bandit/toy_games.hpp>
#include <zermelo/core/distributions.hpp>

namespace {

using namespace zm::bandit;

struct arena {
  const zm::threads& pool;
  const toy_game& game;
  simulation_parameters parameters;
  contest result;

  template <class Make>
  void enter(const std::string& algorithm, Make make) {
    const auto curves = simulate_duels(pool, world_of(game.table()), regrets_of(game.table()), make, parameters);
    result.entries.push_back({algorithm, curves});
  }
};

simulation_parameters parameters_of(const contest_settings& s, regret_kind regret) {
  return {.horizon = s.horizon,
          .repetitions = s.repetitions,
          .seed = s.seed,
          .checkpoints = 70,
          .logarithmic = true,
          .regret = regret};
}

void enter_all(arena& a) {
  const std::int64_t n = a.game.items, horizon = a.parameters.horizon;
  a.enter("random pairs", [=](auto) { return random_pairs(n); });
  a.enter("beat the mean", [=](auto) { return beat_the_mean(n, {.gamma = 1, .horizon = horizon}); });
  a.enter("interleaved filter", [=](auto) { return interleaved_filter(n, horizon); });
  a.enter("RUCB", [=](auto) { return rucb(n); });
  a.enter("relative confidence sampling", [=](auto) { return relative_confidence_sampling(n); });
  a.enter("Copeland confidence bound", [=](auto) { return copeland_confidence_bound(n); });
  a.enter("RMED1", [=](auto) { return rmed(n); });
  a.enter("RMED2", [=](auto) { return rmed(n, {.variant = rmed_variant::two}); });
  a.enter("double Thompson sampling", [=](auto) { return double_thompson(n); });
  a.enter("D-TS+", [=](auto) { return double_thompson(n, {.break_by_regret = true}); });
}

/// Nobody beats all others, but arm 0 beats most.
toy_game without_a_winner() {
  toy_game g = cycle_tournament(5, 0.75);
  g.preferences[0 * 5 + 3] = 0.75, g.preferences[3 * 5 + 0] = 0.25;
  return g;
}

/// Arms on the unit sphere, utilities that are linear.
std::pair<toy_game, arm_features> with_features(std::int64_t arms, std::int64_t d) {
  std::vector<double> theta, x, utility;
  double length = 0;
  for (std::int64_t k = 0; k < d; ++k) {
    theta.push_back(zm::normal(7, 1, static_cast<std::uint64_t>(k)));
    length += theta.back() * theta.back();
  }
  for (std::int64_t i = 0; i < arms; ++i) {
    std::vector<double> row;
    double square = 0, value = 0;
    for (std::int64_t k = 0; k < d; ++k) {
      row.push_back(zm::normal(7, 2, static_cast<std::uint64_t>(i * d + k)));
      square += row.back() * row.back();
      value += 4 * row.back() * theta[static_cast<std::size_t>(k)] / std::sqrt(length);
    }
    for (const double v : row) x.push_back(v / std::sqrt(square));
    utility.push_back(value / std::sqrt(square));
  }
  return {bradley_terry_toy(utility), features_of(zm::matrix_view(x.data(), arms, d))};
}

}  // namespace

std::vector<contest> hold_contests(const zm::threads& pool, const contest_settings& s) {
  const auto condorcet = parameters_of(s, regret_kind::strong_condorcet);
  std::vector<contest> contests;

  const toy_game transitive = bradley_terry_toy(std::vector<double>{.3, -.2, 1.1, 0, .7});
  arena a{pool, transitive, condorcet, {"Bradley–Terry, 5 arms", "strong regret"}};
  enter_all(a);
  contests.push_back(std::move(a.result));

  const toy_game cycle = condorcet_cycle(6, 0.05, 0.9);
  arena b{pool, cycle, condorcet, {"A winner by 0.05 above a cycle, 6 arms", "strong regret"}};
  enter_all(b);
  contests.push_back(std::move(b.result));

  const toy_game open = without_a_winner();
  arena c{pool, open, parameters_of(s, regret_kind::copeland), {"No arm beats all, 5 arms", "Copeland regret"}};
  enter_all(c);
  contests.push_back(std::move(c.result));

  const auto [game, features] = with_features(40, 5);
  contest_settings shorter = s;
  shorter.horizon = std::min<std::int64_t>(s.horizon, 1000);
  shorter.repetitions = std::min<std::int64_t>(s.repetitions, 12);
  arena d{pool,
          game,
          parameters_of(shorter, regret_kind::strong_condorcet),
          {"Linear utilities, 40 arms in 5 dimensions", "strong regret"}};
  const auto rule = [&x = features, T = shorter.horizon](contextual_rule r) {
    return [&x, r, T](auto) { return contextual_dueling(x, {.rule = r, .ridge = 0.1, .horizon = T}); };
  };
  d.enter("random pairs", [](auto) { return random_pairs(40); });
  d.enter("RUCB", [](auto) { return rucb(40); });
  d.enter("double Thompson sampling", [](auto) { return double_thompson(40); });
  d.enter("MaxInP", rule(contextual_rule::max_inp));
  d.enter("VACDB", rule(contextual_rule::vacdb));
  d.enter("greedy arm, then UCB", rule(contextual_rule::max_first_ucb_next));
  d.enter("pair by UCB", rule(contextual_rule::max_pair_ucb));
  d.enter("CoLSTIM", rule(contextual_rule::colstim));
  d.enter("APOHF, linear",
          [&x = features](auto) { return apohf(x, {.model = reward_model::linear, .norm = uncertainty_norm::full}); });
  contests.push_back(std::move(d.result));
  return contests;
}
