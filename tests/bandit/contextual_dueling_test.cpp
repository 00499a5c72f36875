// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>
#include <zermelo/bandit/contextual_dueling.hpp>
#include <zermelo/bandit/simulate_duels.hpp>
#include <zermelo/core/distributions.hpp>

#include "../catch.hpp"
#include "../thrown.hpp"
#include "worlds.hpp"

using namespace zermelo::bandit;

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Twenty arms on the unit sphere of four dimensions, utilities θᵀx, ‖θ‖ = 3.
struct linear_world {
  arm_features features;
  std::vector<double> weights, utilities;
  worlds::square preferences;
};

linear_world world(std::int64_t arms = 20, std::int64_t d = 4, std::uint64_t seed = 7) {
  linear_world w;
  std::vector<double> x(at(arms * d));
  double length = 0;
  for (std::int64_t k = 0; k < d; ++k) {
    w.weights.push_back(zermelo::normal(seed, 1, static_cast<std::uint64_t>(k)));
    length += w.weights.back() * w.weights.back();
  }
  for (double& t : w.weights) t *= 3 / std::sqrt(length);
  for (std::int64_t i = 0; i < arms; ++i) {
    double square = 0;
    for (std::int64_t k = 0; k < d; ++k) {
      x[at(i * d + k)] = zermelo::normal(seed, 2, static_cast<std::uint64_t>(i * d + k));
      square += x[at(i * d + k)] * x[at(i * d + k)];
    }
    double utility = 0;
    for (std::int64_t k = 0; k < d; ++k) utility += (x[at(i * d + k)] /= std::sqrt(square)) * w.weights[at(k)];
    w.utilities.push_back(utility);
  }
  w.features = features_of(zermelo::matrix_view(x.data(), arms, d));
  w.preferences = worlds::of_utilities(w.utilities);
  return w;
}

}  // namespace

TEST_CASE("The estimate has no gradient left, separable duels included") {
  const auto w = world();
  for (const double ridge : {1e-3, 1.0})
    for (const std::int64_t duels : {0, 1, 50, 2000}) {
      const auto tally = worlds::played(w.preferences, duels, 3);
      const auto fit = fit_utilities(w.features, tally, ridge);
      CHECK(fit.convergence.status == zermelo::status::converged);
      std::vector<double> gradient(4);
      for (std::size_t k = 0; k < 4; ++k) gradient[k] = ridge * fit.weights[k];
      for (std::int64_t i = 0; i < 20; ++i)
        for (std::int64_t j = 0; j < 20; ++j) {
          double margin = 0;
          for (std::size_t k = 0; k < 4; ++k) margin += fit.weights[k] * (w.features.row(i)[k] - w.features.row(j)[k]);
          for (std::size_t k = 0; k < 4; ++k)
            gradient[k] -=
                (i == j ? 0 : tally.won(i, j)) * (w.features.row(i)[k] - w.features.row(j)[k]) / (1 + std::exp(margin));
        }
      for (const double g : gradient) CHECK(std::abs(g) < 1e-10);
    }
}

TEST_CASE("With many duels the estimate is near the truth") {
  const auto w = world();
  const auto fit = fit_utilities(w.features, worlds::played(w.preferences, 200'000, 5), 1e-3);
  // Standard errors are of the order of √(d · 4 / duels) ≈ 0.01.
  for (std::size_t k = 0; k < 4; ++k) CHECK(fit.weights[k] == Approx(w.weights[k]).margin(0.08));
}

TEST_CASE("Norms are a metric, fall with every duel, and decisions without duels are by norms alone") {
  const auto w = world(8, 3);
  auto tally = worlds::played(w.preferences, 30, 4);
  const auto before = norms_of(w.features, design_matrix(w.features, tally, 0.1));
  tally.record(2, 5, true);
  const auto after = norms_of(w.features, design_matrix(w.features, tally, 0.1));
  for (std::int64_t i = 0; i < 8; ++i)
    for (std::int64_t j = 0; j < 8; ++j) {
      const auto norm = [&](const design_norms& n, std::int64_t a, std::int64_t b) { return n.pair[at(a * 8 + b)]; };
      CHECK(norm(before, i, j) == norm(before, j, i));
      CHECK(norm(after, i, j) <= norm(before, i, j) + 1e-12);
      for (std::int64_t k = 0; k < 8; ++k) CHECK(norm(before, i, k) <= norm(before, i, j) + norm(before, j, k) + 1e-12);
    }
  const double shrunk = before.pair[2 * 8 + 5];
  CHECK(after.pair[2 * 8 + 5] == Approx(shrunk / std::sqrt(1 + shrunk * shrunk)).epsilon(1e-12));  // Sherman–Morrison

  const auto zero = [](std::int64_t) { return 0.0; };
  const auto norm = [&](std::int64_t i, std::int64_t j) { return before.pair[at(i * 8 + j)]; };
  std::vector<std::int64_t> all;
  arms_that_may_be_best(8, 1, zero, norm, all);
  CHECK(all.size() == 8);
  CHECK(max_pair_ucb(8, 1, zero, norm) == max_inp(all, norm));
  CHECK(max_first_ucb_next(8, 0, zero, norm) == duel{0, 0});
}

TEST_CASE("Scores changed by rank one decide as fresh ones do") {
  const auto w = world();
  for (const auto rule : {contextual_rule::max_first_ucb_next, contextual_rule::max_pair_ucb, contextual_rule::max_inp,
                          contextual_rule::colstim}) {
    contextual_dueling a(w.features, {.rule = rule, .ridge = 0.1, .horizon = 400, .refresh = 1'000'000});
    draw_stream draws(3), outcomes(4);
    for (int t = 0; t < 300; ++t) {
      auto fresh = a;
      fresh.rebuild();
      draw_stream same = draws;
      const duel d = a.next_pair(draws);
      CHECK(fresh.next_pair(same) == d);
      a.observe(d.first, d.second, outcomes.uniform() < w.preferences(d.first, d.second));
    }
  }
}

TEST_CASE("Features scaled by c with the ridge scaled by c² leave first-arm decisions as they are") {
  auto w = world(10, 3);
  const auto tally = worlds::played(w.preferences, 200, 6);
  auto scaled = w.features;
  for (double& x : scaled.values) x *= 4;
  const auto a = fit_utilities(w.features, tally, 0.1), b = fit_utilities(scaled, tally, 1.6);
  const auto na = norms_of(w.features, design_matrix(w.features, tally, 0.1)),
             nb = norms_of(scaled, design_matrix(scaled, tally, 1.6));
  for (std::size_t k = 0; k < 3; ++k) CHECK(b.weights[k] * 4 == Approx(a.weights[k]).epsilon(1e-9));
  for (std::size_t k = 0; k < 100; ++k) CHECK(nb.pair[k] == Approx(na.pair[k]).epsilon(1e-12));
}

TEST_CASE("Every rule learns a linear world far sooner than random pairs") {
  const auto w = world();
  const simulation_parameters s{.horizon = 400, .repetitions = 6};
  const auto table = regrets_of(w.preferences.view());
  const auto regret = [&](auto make) {
    const auto c = simulate_duels(zermelo::simd{}, world_of(w.preferences.view()), table, make, s);
    return c.mean(c.count() - 1);
  };
  const double random = regret([](auto) { return random_pairs(20); });
  for (const auto rule : {contextual_rule::max_first_ucb_next, contextual_rule::max_pair_ucb, contextual_rule::max_inp,
                          contextual_rule::colstim})
    CHECK(regret([&](auto) { return contextual_dueling(w.features, {.rule = rule, .horizon = 400}); }) < 0.4 * random);
}

TEST_CASE("Two machines' contextual duels merge into those of one") {
  const auto w = world(6, 2);
  contextual_dueling a(w.features, {.beta = 1}), b(w.features, {.beta = 1}), both(w.features, {.beta = 1});
  draw_stream draws(1);
  for (int k = 0; k < 60; ++k) {
    const std::int64_t i = draw_index(draws, 6), j = draw_index(draws, 6);
    const bool won = draws.uniform() < w.preferences(i, j);
    (k < 25 ? a : b).observe(i, j, won);
    both.observe(i, j, won);
  }
  a.merge(b);
  CHECK(a.round == both.round);
  CHECK(a.tally.wins == both.tally.wins);
  CHECK(a.next_pair(draws) == both.next_pair(draws));
  CHECK(a.weights[0] == Approx(both.weights[0]).epsilon(1e-7));
}

TEST_CASE("Bad features and parameters are named") {
  const auto w = world(3, 2);
  CHECK_THROWS_AS(contextual_dueling(w.features, {.ridge = 0}), zermelo::domain_error);
  CHECK_THROWS_AS(contextual_dueling(w.features, {.beta = -0.5}), zermelo::domain_error);
  CHECK_THROWS_AS(contextual_dueling(w.features, {.horizon = 0}), zermelo::domain_error);
  CHECK_THROWS_AS(contextual_dueling(w.features, {.refresh = 0}), zermelo::domain_error);
  CHECK_THROWS_AS(fit_utilities(w.features, empty_tally(4), 0.1), zermelo::shape_error);
  CHECK_THROWS_AS(fit_utilities(w.features, empty_tally(3), 0), zermelo::domain_error);
  const double bad[2][2] = {{1, 2}, {std::numeric_limits<double>::infinity(), 0}};
  CHECK(thrown<zermelo::domain_error>([&] { features_of(bad); }).index() == 2);
  contextual_dueling a(w.features);
  CHECK_THROWS_AS(a.observe(0, 3, true), zermelo::domain_error);
}
