// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "methods.hpp"

#include <chrono>
#include <utility>
#include <zermelo/game/dynamics.hpp>

namespace zm = zermelo;
namespace game = zermelo::game;

namespace {

/// A dynamics, made for the norm of the payoffs of a game.
template <class Make>
method of(std::string name, game::judged judged, Make make) {
  return {std::move(name), judged,
          [make, judged](const contest& c, std::int64_t limit, double target, const observer& observe) {
            const auto preferences = game::preference_matrix(c.game.table());
            game::solve(preferences, make(preferences), c.start, game::uniform_policy,
                        {.limit = limit, .target = target, .check_growth = 0.01, .judged = judged}, observe);
          }};
}

}  // namespace

std::vector<method> plain_methods() {
  constexpr auto last = game::judged::last, average = game::judged::average;
  const auto fixed = [](const auto& dynamics) { return [dynamics](const auto&) { return dynamics; }; };
  const auto regret = [&](game::regret_rule rule) { return fixed(game::regret_matching{.rule = rule}); };
  std::vector<method> all;
  all.push_back(of("Hedge .1", last, fixed(game::hedge{0.1})));
  all.push_back(of("Hedge .1", average, fixed(game::hedge{0.1})));
  all.push_back(of("fictitious play", average, fixed(game::fictitious_play{})));
  all.push_back(of("RM", average, regret(game::regret_rule::plain)));
  all.push_back(of("RM+", average, regret(game::regret_rule::plus)));
  all.push_back(of("PRM+", average, regret(game::regret_rule::predictive)));
  all.push_back(of("PRM+", last, regret(game::regret_rule::predictive)));
  all.push_back(of("optimistic Hedge .5", average, fixed(game::optimistic_hedge{0.5})));
  all.push_back(of("optimistic Hedge .5", last, fixed(game::optimistic_hedge{0.5})));
  all.push_back(of("ONPO .5", last, fixed(game::onpo{0.5})));
  all.push_back(of("mirror-prox .5", last, fixed(game::mirror_prox{0.5})));
  all.push_back(
      of("OGDA .25/ρ", last, [](const auto& g) { return game::optimistic_gradient{0.25 / game::payoff_norm(g)}; }));
  all.push_back(
      of("extragradient .7/ρ", last, [](const auto& g) { return game::extragradient{0.7 / game::payoff_norm(g)}; }));
  all.push_back(of("MPO τ=.1, 50", last, fixed(game::mpo{})));
  all.push_back(of("COMAL τ=.1", last, fixed(game::comal{})));
  return all;
}

std::vector<method> regularized_methods(double tau) {
  constexpr auto last = game::judged::last;
  const auto fixed = [](const auto& dynamics) { return [dynamics](const auto&) { return dynamics; }; };
  std::vector<method> all;
  all.push_back(of("Nash-MD .1", last, fixed(game::nash_md{0.1, tau})));
  all.push_back(of("Nash-MD 2/(τ(t+2))", last, fixed(game::nash_md{0, tau})));
  all.push_back(of("INPO τ/(τ²+1/16)", last, fixed(game::mirror_descent{tau / (tau * tau + 1.0 / 16), tau})));
  all.push_back(of("MMD 16τ", last, fixed(game::magnetic_mirror_descent{16 * tau, tau})));
  all.push_back(of("optimistic .5", last, fixed(game::optimistic_hedge{0.5, tau})));
  all.push_back(of("EGPO 1", last, fixed(game::egpo{1, tau})));
  all.push_back(of("Nash-MP 2τ", last, fixed(game::nash_mirror_prox{2 * tau, tau})));
  return all;
}

run_result measure(const method& m, const contest& c, std::int64_t limit) {
  using clock = std::chrono::steady_clock;
  run_result result;
  const auto begin = clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(clock::now() - begin).count(); };
  m.play(c, limit, gap_levels[2], [&](const game::iterate<double>& i) {
    result.rounds = i.round;
    if (!i.measured) return;
    for (int k = 0; k < 3; ++k)
      if (!result.at[k] && i.gap <= gap_levels[k]) result.at[k] = reached{i.round, seconds()};
  });
  result.seconds = seconds();
  return result;
}
