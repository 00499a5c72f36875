// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>
#include <zermelo/bandit/toy_games.hpp>
#include <zermelo/core/random.hpp>
#include <zermelo/game/dynamics.hpp>
#include <zermelo/game/regularized_equilibrium.hpp>
#include <zermelo/game/solve.hpp>

#include "catch.hpp"

// The theorems about these dynamics, with their rates.

namespace {

namespace zm = zermelo;
namespace game = zermelo::game;
namespace bandit = zermelo::bandit;
using numbers = std::vector<double>;
using seen = game::iterate<double>;

numbers some_policy(std::int64_t n, std::uint64_t stream) {
  numbers p(static_cast<std::size_t>(n));
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] = std::exp(2 * zm::uniform(3, stream, i));
  for (double& x : p) x /= sum;
  return p;
}

/// KL(a‖b) of logarithms.
double divergence(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::exp(a[i]) * (a[i] - b[i]);
  return sum;
}

std::vector<bandit::toy_game> some_games() {
  const auto zoo = bandit::toy_games();
  return {zoo[1], zoo[2], zoo[9], zoo[11]};
}

using observer = std::function<void(const seen&)>;
const observer nobody = [](const seen&) {};

template <class D>
game::solution<double> play(
    const bandit::toy_game& g, const D& dynamics, const numbers& start, const numbers& mu, std::int64_t rounds,
    const std::function<void(const seen&)>& observe = [](const seen&) {}, double target = 0) {
  return game::solve(game::preference_matrix(g.table()), dynamics, start, mu, {.limit = rounds, .target = target},
                     observe);
}

numbers equilibrium_logs(const bandit::toy_game& g, const numbers& mu, double tau) {
  return game::regularized_equilibrium(game::preference_matrix(g.table()), mu, {.kl_weight = tau}).log_policy;
}

}  // namespace

TEST_CASE(
    "Nash-MD's last policy reaches the regularised equilibrium at the rate of its theorem, and of its sharper "
    "constant") {
  for (const auto& g : some_games())
    for (const double tau : {0.1, 1.0}) {
      const auto mu = some_policy(g.items, 1), start = some_policy(g.items, 2);
      const auto target = equilibrium_logs(g, mu, tau);
      bool general = true, sharp = true;
      play(g, game::nash_md{.step = 0, .kl_weight = tau}, start, mu, 2000, [&](const seen& i) {
        const double distance = divergence(target, i.log_policy), scale = tau * tau * static_cast<double>(i.round + 1);
        general = general && distance <= 8 / scale;
        sharp = sharp && distance <= 1 / (2 * scale);
      });
      CHECK(general);
      CHECK(sharp);
    }
}

TEST_CASE("one step of Nash-MD contracts: KL⁺ ≤ (1−ητ) KL + η²/8") {
  for (const auto& g : some_games()) {
    const auto mu = some_policy(g.items, 1);
    for (const double tau : {0.05, 0.5}) {
      const auto target = equilibrium_logs(g, mu, tau);
      bool holds = true;
      for (std::uint64_t k = 0; k < 250; ++k) {
        const double step = zm::uniform(5, 0, k) / tau;
        const auto start = some_policy(g.items, 100 + k);
        numbers logs;
        for (const double x : start) logs.push_back(std::log(x));
        const auto after = play(g, game::nash_md{.step = step, .kl_weight = tau}, start, mu, 1);
        holds = holds && divergence(target, after.log_policy) <=
                             (1 - step * tau) * divergence(target, logs) + step * step / 8 + 1e-14;
      }
      CHECK(holds);
    }
  }
}

TEST_CASE("the first decreasing step of Nash-MD begins at the reference, whatever came before") {
  const auto g = some_games()[3];
  const auto mu = some_policy(g.items, 1);
  const game::nash_md dynamics{.step = 0, .kl_weight = 0.1};
  const auto a = play(g, dynamics, some_policy(g.items, 5), mu, 1), b = play(g, dynamics, mu, mu, 1);
  for (std::size_t i = 0; i < mu.size(); ++i) CHECK(a.policy[i] == Approx(b.policy[i]).epsilon(1e-13));
}

TEST_CASE("Nash-MD with a constant step goes to its own fixed point, and its gap flattens there") {
  const auto g = some_games()[0];
  const auto mu = some_policy(3, 1);
  const game::nash_md dynamics{.step = 1, .kl_weight = 0.1};
  const auto end = play(g, dynamics, mu, mu, 3000);
  const auto point = game::nash_md_fixed_point(game::preference_matrix(g.table()), mu, 1, {.kl_weight = 0.1});
  for (std::size_t i = 0; i < 3; ++i) CHECK(end.policy[i] == Approx(point.policy[i]).epsilon(1e-11));
  CHECK(end.convergence.status == zm::status::stalled);
  CHECK(end.gap > 1e-6);
  CHECK(end.gap < 0.01);  // (ητ)²
}

TEST_CASE("mirror descent contracts at its local modulus, and diverges beyond its largest stable step") {
  for (const auto& g : some_games()) {
    const double tau = 0.05;
    const numbers mu(static_cast<std::size_t>(g.items), 1 / static_cast<double>(g.items));
    const auto preferences = game::preference_matrix(g.table());
    const auto target = game::regularized_equilibrium(preferences, mu, {.kl_weight = tau});
    const auto rates = game::local_rates_at(preferences, target.policy, {.kl_weight = tau});
    // Near the equilibrium the distance in the norm of S⁻¹, which KL is half the square of, turns and shrinks by the modulus
    // a round; the largest logit is a norm too, and thirty rounds average what it adds.
    numbers near = target.policy;
    near[0] += 1e-6 * near[0], near[1] -= 1e-6 * target.policy[0];
    const double step = rates.best_step();
    double early = 0, late = 0;
    play(g, game::mirror_descent{step, tau}, near, mu, 40, [&](const seen& i) {
      double distance = 0;
      for (std::size_t k = 0; k < near.size(); ++k)
        distance = std::max(distance, std::abs(i.log_policy[k] - target.log_policy[k]));
      if (i.round == 10) early = distance;
      if (i.round == 40) late = distance;
    });
    CHECK(std::pow(late / early, 1.0 / 30) < rates.best_rate() * 1.05);
    const auto beyond =
        play(g, game::mirror_descent{std::min(1.1 * rates.largest_stable_step(), 1 / tau), tau}, near, mu, 4000);
    if (1.1 * rates.largest_stable_step() * tau <= 1) CHECK(beyond.gap > 1e-3);
    const auto safe = play(g, game::mirror_descent{game::stable_step(tau), tau}, near, mu, 4000, nobody, 1e-10);
    CHECK(safe.convergence.status == zm::status::converged);
  }
}

TEST_CASE("rock-paper-scissors shows the modulus exactly, since there the rotation is the whole of it") {
  const auto g = bandit::rock_paper_scissors();
  const numbers third(3, 1.0 / 3), near{1.0 / 3 + 1e-7, 1.0 / 3 - 1e-7, 1.0 / 3};
  const double tau = 0.1, step = 0.5;
  const auto rates = game::local_rates_at(game::preference_matrix(g.table()), third, {.kl_weight = tau});
  const auto modulus = [&](const auto& dynamics) {
    double first = 0, last = 0;
    play(g, dynamics, near, third, 20, [&](const seen& i) {
      double square = 0;
      for (const double l : i.log_policy) square += (l + std::log(3.0)) * (l + std::log(3.0));
      if (i.round == 5) first = square;
      if (i.round == 20) last = square;
    });
    return std::pow(last / first, 1.0 / 30);
  };
  // Distances are of 1e-7, so that terms of second order are.
  CHECK(modulus(game::mirror_descent{step, tau}) == Approx(rates.mirror_descent(step)).epsilon(1e-6));
  CHECK(modulus(game::egpo{step, tau}) == Approx(rates.extragradient(step)).epsilon(1e-6));
  CHECK(modulus(game::hedge{step}) == Approx(rates.hedge(step)).epsilon(1e-6));
  CHECK(modulus(game::nash_md{step, tau}) == Approx(rates.nash_md(step)).epsilon(1e-6));
}

TEST_CASE("EGPO contracts by 1−ητ a round at least, and Nash mirror prox by 1/(1+2τ)") {
  for (const auto& g : some_games())
    for (const double tau : {0.01, 0.1}) {
      const auto mu = some_policy(g.items, 1), start = some_policy(g.items, 2);
      const auto target = equilibrium_logs(g, mu, tau);
      numbers logs;
      for (const double x : start) logs.push_back(std::log(x));
      const double before = divergence(target, logs);
      for (const double step : {0.5, 2.0}) {
        bool holds = true;
        play(g, game::egpo{step, tau}, start, mu, 200, [&](const seen& i) {
          const double bound = std::pow(1 - step * tau, static_cast<double>(i.round)) * before;
          holds = holds && divergence(target, i.log_policy) <= bound + 1e-12;
        });
        CHECK(holds);
      }
      bool holds = true;
      play(g, game::nash_mirror_prox{2 * tau, tau}, start, mu, 200, [&](const seen& i) {
        const double bound = std::pow(1 + 2 * tau, -static_cast<double>(i.round)) * before;
        holds = holds && divergence(target, i.log_policy) <= bound + 1e-12;
      });
      CHECK(holds);
    }
}

TEST_CASE(
    "Hedge spirals out of every game without a pure Nash, while its average closes in at the rate of its regret") {
  const auto g = bandit::rock_paper_scissors();
  const numbers start{0.4, 0.35, 0.25}, third(3, 1.0 / 3), target(3, std::log(1.0 / 3));
  double before = 0;
  bool outwards = true;
  play(g, game::hedge{0.1}, start, third, 500, [&](const seen& i) {
    const double distance = divergence(target, i.log_policy);
    outwards = outwards && distance >= before;
    before = distance;
  });
  CHECK(outwards);
  for (const auto& toy : some_games()) {
    const numbers uniform(static_cast<std::size_t>(toy.items), 1 / static_cast<double>(toy.items));
    const double n = static_cast<double>(toy.items);
    for (const std::int64_t rounds : {100, 1000, 10000}) {
      const double t = static_cast<double>(rounds), step = std::sqrt(8 * std::log(n) / t);
      const auto end = play(toy, game::hedge{step}, uniform, uniform, rounds);
      // The average begins with the policy after the first round, whose log-probabilities are up to η below uniform.
      CHECK(end.average_gap <= 2 * ((std::log(n) + step) / step + step * t / 8) / t);
      const auto unknown_horizon = play(toy, game::dual_averaging{}, uniform, uniform, rounds);
      CHECK(unknown_horizon.average_gap <= 4 * std::sqrt(std::log(n) / t) + 4 * std::sqrt(4 * std::log(n)) / t);
    }
  }
}

TEST_CASE("averages of optimistic methods close in like 1/T") {
  for (const auto& g : some_games()) {
    const numbers uniform(static_cast<std::size_t>(g.items), 1 / static_cast<double>(g.items));
    const double n = static_cast<double>(g.items);
    const auto start = some_policy(g.items, 4);
    for (const std::int64_t rounds : {100, 1000, 10000}) {
      const double t = static_cast<double>(rounds);
      // Mirror-prox with η ≤ 1/max|A| = 2: gap ≤ 2 max KL(p‖π₀)/(ηT).
      const auto prox = play(g, game::mirror_prox{1}, start, uniform, rounds);
      double least = 1;
      for (const double x : start) least = std::min(least, x);
      CHECK(prox.average_gap <= 2 * std::log(1 / least) / t + 1e-15);
      const auto optimistic = play(g, game::optimistic_hedge{0.5}, start, uniform, rounds);
      CHECK(optimistic.average_gap <= 8 * std::log(n) * (1 + std::log(1 / least)) / t);
    }
  }
}

TEST_CASE("regret matching's averages close in at √(n/T), fictitious play's slowly") {
  for (const auto& g : some_games()) {
    const numbers uniform(static_cast<std::size_t>(g.items), 1 / static_cast<double>(g.items));
    const double n = static_cast<double>(g.items);
    for (const auto rule : {game::regret_rule::plain, game::regret_rule::plus, game::regret_rule::predictive})
      for (const std::int64_t rounds : {100, 3000}) {
        const auto end = play(g, game::regret_matching{.rule = rule}, some_policy(g.items, 3), uniform, rounds);
        // Regret ≤ √(nT) with payoffs in [0, 1]; weights tᵖ cost a factor 1 + p at most.
        CHECK(end.average_gap <= 6 * std::sqrt(n / static_cast<double>(rounds)));
      }
    double early = 0;
    const auto end = play(g, game::fictitious_play{}, uniform, uniform, 20000, [&](const seen& i) {
      if (i.round == 200) early = i.gap;
    });
    CHECK(end.average_gap < early / 4);
  }
}

TEST_CASE("methods for the unregularised game reach a Nash policy in their last policy") {
  const auto games = some_games();
  for (const auto& g : games) {
    INFO(g.name);
    const numbers uniform(static_cast<std::size_t>(g.items), 1 / static_cast<double>(g.items));
    const double norm = game::payoff_norm(game::preference_matrix(g.table()));
    const auto start = some_policy(g.items, 9);
    const auto reaches = [&](const auto& dynamics, std::int64_t limit) {
      const auto end = play(g, dynamics, start, uniform, limit, nobody, 1e-9);
      CHECK(end.convergence.status == zm::status::converged);
      CHECK(end.gap <= 1e-9);
      if (g.unique)
        for (std::size_t i = 0; i < start.size(); ++i) CHECK(end.policy[i] == Approx(g.nash[i]).margin(1e-6));
    };
    reaches(game::extragradient{0.7 / norm}, 2000);
    reaches(game::optimistic_gradient{0.25 / norm}, 20000);
    reaches(game::mpo{}, 40000);
    reaches(game::comal{}, 40000);
  }
  const auto& biased = games[0];
  const numbers third(3, 1.0 / 3);
  CHECK(play(biased, game::comal{}, some_policy(3, 9), third, 4000, nobody, 1e-9).gap <= 1e-9);
  CHECK(game::payoff_norm(game::preference_matrix(biased.table())) == Approx(0.1 * std::sqrt(14.0)).epsilon(1e-12));
}

TEST_CASE("Newton's method, EGPO, Nash mirror prox and mirror descent agree on the regularised equilibrium") {
  for (const auto& g : some_games()) {
    const auto mu = some_policy(g.items, 1), start = some_policy(g.items, 2);
    const double tau = 0.1;
    const auto target = equilibrium_logs(g, mu, tau);
    const auto agrees = [&](const game::solution<double>& end) {
      CHECK(end.gap < 1e-13);
      for (std::size_t i = 0; i < target.size(); ++i) CHECK(end.log_policy[i] == Approx(target[i]).margin(1e-9));
    };
    agrees(play(g, game::egpo{1, tau}, start, mu, 3000));
    agrees(play(g, game::nash_mirror_prox{2 * tau, tau}, start, mu, 3000));
    agrees(play(g, game::mirror_descent{game::stable_step(tau), tau}, start, mu, 3000));
    agrees(play(g, game::optimistic_hedge{0.5, tau}, start, mu, 3000));
  }
}
