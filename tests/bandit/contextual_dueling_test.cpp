// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
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

constexpr contextual_rule every_rule[] = {contextual_rule::max_first_ucb_next, contextual_rule::max_pair_ucb,
                                          contextual_rule::max_inp, contextual_rule::colstim, contextual_rule::vacdb};

/// Arms on the unit sphere, utilities θᵀx, ‖θ‖ = norm: the larger it is, the surer are most duels.
struct linear_world {
  arm_features features;
  std::vector<double> weights, utilities;
  worlds::square preferences;
};

linear_world world(std::int64_t arms = 20, std::int64_t d = 4, std::uint64_t seed = 7, double norm = 3) {
  linear_world w;
  std::vector<double> x(at(arms * d));
  double length = 0;
  for (std::int64_t k = 0; k < d; ++k) {
    w.weights.push_back(zermelo::normal(seed, 1, static_cast<std::uint64_t>(k)));
    length += w.weights.back() * w.weights.back();
  }
  for (double& t : w.weights) t *= norm / std::sqrt(length);
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

/// Mean strong regret of an algorithm in a linear world.
template <class Make>
double mean_regret(const linear_world& w, Make make, std::int64_t horizon, std::int64_t repetitions) {
  const auto c = simulate_duels(zermelo::simd{}, world_of(w.preferences.view()), regrets_of(w.preferences.view()), make,
                                {.horizon = horizon, .repetitions = repetitions, .checkpoints = 1});
  return c.mean(0);
}

/// Plays in a world and hands every duel, before it is observed, to somebody who looks on.
template <class Look>
void play(contextual_dueling& a, const linear_world& w, int rounds, std::uint64_t seed, Look look) {
  draw_stream draws(seed, 0), outcomes(seed, 1);
  for (int t = 0; t < rounds; ++t) {
    const duel d = a.next_pair(draws);
    look(d);
    a.observe(d.first, d.second, outcomes.uniform() < w.preferences(d.first, d.second));
  }
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
  for (const auto rule : every_rule) {
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
  const auto regret = [&](auto make) { return mean_regret(w, make, 400, 6); };
  const double random = regret([](auto) { return random_pairs(20); });
  for (const auto rule : every_rule) {
    const contextual_parameters p{.rule = rule, .ridge = 0.1, .horizon = 400};
    CHECK(regret([&](auto) { return contextual_dueling(w.features, p); }) < 0.3 * random);
  }
}

TEST_CASE("Before the first duel V is the ridge, and a duel of an arm with itself tells nothing") {
  const auto w = world(5, 3);
  const auto v = design_matrix(w.features, empty_tally(5), 0.7);
  for (std::size_t k = 0; k < 9; ++k) CHECK(v[k] == (k % 4 == 0 ? 0.7 : 0));
  for (const auto rule : every_rule) {
    contextual_dueling a(w.features, {.rule = rule}), b(w.features, {.rule = rule});
    a.observe(2, 2, true);
    draw_stream draws(1), same(1);
    CHECK(a.tally.total() == 0);
    CHECK(a.next_pair(draws) == b.next_pair(same));
    CHECK(a.weights == std::vector<double>(3));
  }
}

TEST_CASE("Whoever has the highest estimate may be best, whatever the norms") {
  std::vector<std::int64_t> candidates;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto utility = [&](std::int64_t i) { return zermelo::normal(seed, 1, static_cast<std::uint64_t>(i)); };
    const auto norm = [&](std::int64_t i, std::int64_t j) {
      return i == j ? 0 : zermelo::uniform(seed, 2, static_cast<std::uint64_t>(9 * std::min(i, j) + std::max(i, j)));
    };
    std::int64_t best = 0;
    for (std::int64_t i = 1; i < 9; ++i) best = utility(i) > utility(best) ? i : best;
    for (const double beta : {0.0, 0.5, 100.0}) {
      arms_that_may_be_best(9, beta, utility, norm, candidates);
      CHECK(std::find(candidates.begin(), candidates.end(), best) != candidates.end());
      if (beta == 0) CHECK(candidates.size() == 1);
    }
  }
}

TEST_CASE("Where VACDB's layers contradict each other, arms that most of them keep are played") {
  const double x[3][2] = {{1, 0}, {0, 1}, {-1, -1}};
  contextual_dueling a(features_of(x), {.rule = contextual_rule::vacdb, .ridge = 1});
  const auto win = [&](std::size_t layer, std::int64_t i, std::int64_t j) {
    a.tally.wins[at(3 * i + j)] += 1000;
    a.layers[layer].tally.wins[at(3 * i + j)] += 1000;
  };
  draw_stream draws(1);
  const auto kept = [&] {
    a.rebuild();
    a.next_pair(draws);
    return a.candidates();
  };
  win(0, 0, 1), win(0, 0, 2);  // by the first layer nobody but 0 is best
  CHECK(kept() == std::vector<std::int64_t>{0});
  win(3, 1, 0), win(3, 1, 2);  // by the fourth, nobody but 1
  CHECK(kept() == std::vector<std::int64_t>{0, 1});
  win(4, 1, 0), win(4, 1, 2);
  CHECK(kept() == std::vector<std::int64_t>{1});
}

TEST_CASE("VACDB's layer is the logarithm of the deviation, cut off at both ends") {
  for (const double floor : {-1.0, 0.03, 0.125}) {
    const contextual_parameters p{.layers = 4, .least_deviation = floor};
    const double alpha = floor < 0 ? 1.0 / 16 : floor;
    CHECK(p.deviation(4) == 16 * alpha);
    for (std::uint64_t k = 0; k < 300; ++k) {
      const double deviation = std::exp(6 * zermelo::uniform(3, 0, k) - 5);
      const double layer = std::min(std::max(std::ceil(std::log2(deviation / alpha)), 1.0), 4.0);
      CHECK(variance_layer_of(deviation * deviation, p) == static_cast<std::int64_t>(layer));
    }
  }
  const contextual_parameters p{.layers = 5};  // s = 1/16, 1/8, 1/4, 1/2, 1
  CHECK(variance_layer_of(0, p) == 1);
  CHECK(variance_layer_of(0.25, p) == 4);  // a fair coin
  CHECK(variance_layer_of(0.25 + 1e-15, p) == 5);
  CHECK(variance_layer_of(9, p) == 5);
}

TEST_CASE("VACDB with one layer is MaxInP, and so are more layers that only take fair coins, at half the width") {
  const auto w = world();
  const auto same = [&](contextual_parameters of_layers, contextual_parameters plain, const linear_world& in) {
    of_layers.rule = contextual_rule::vacdb, plain.rule = contextual_rule::max_inp;
    contextual_dueling a(in.features, of_layers), b(in.features, plain);
    draw_stream draws(3), outcomes(4);
    for (int t = 0; t < 300; ++t) {
      const duel d = a.next_pair(draws);
      CHECK(b.next_pair(draws) == d);
      CHECK(a.candidates() == b.candidates());
      const bool won = outcomes.uniform() < in.preferences(d.first, d.second);
      a.observe(d.first, d.second, won);
      b.observe(d.first, d.second, won);
    }
  };
  for (const std::int64_t refresh : {7, 1000}) {
    same({.ridge = 0.1, .refresh = refresh, .layers = 1}, {.ridge = 0.1, .refresh = refresh}, w);
    // A ridge that holds θ̂ near 0 leaves all p near ½, and layer 4 of 5, whose deviation is ½, takes all duels. It divides
    // what it has by ¼, and the four layers without duels do not narrow anything.
    same({.ridge = 1e6, .beta = 4, .refresh = refresh, .slack = 0}, {.ridge = 2.5e5, .beta = 2, .refresh = refresh}, w);
  }
}

TEST_CASE("VACDB puts every duel into one layer, by what was known before its outcome") {
  const auto w = world(20, 4, 7, 8);
  contextual_dueling a(w.features, {.rule = contextual_rule::vacdb, .ridge = 0.1, .horizon = 500, .slack = 0.003});
  std::vector<double> expected(5);
  play(a, w, 500, 8, [&](duel d) {
    if (d.first == d.second) return;
    double margin = 0;
    for (std::size_t k = 0; k < 4; ++k)
      margin += a.weights[k] * (w.features.row(d.first)[k] - w.features.row(d.second)[k]);
    const auto norms = norms_of(w.features, design_matrix(w.features, a.tally, 0.1));
    const double p = 1 / (1 + std::exp(-margin));
    const double error = 0.25 * a.parameters.bonus(4) * norms.pair[at(d.first * 20 + d.second)];
    const double sigma = std::sqrt(p * (1 - p) + 2 * a.parameters.slack * error);
    const double layer = std::min(std::max(std::ceil(std::log2(sigma * 32)), 1.0), 5.0);
    CHECK(a.layer_of(d.first, d.second) == static_cast<std::int64_t>(layer));
    expected[at(a.layer_of(d.first, d.second) - 1)] += 1;
  });
  double met = 0;
  std::vector<double> sum(400);
  int used = 0;
  for (std::size_t l = 0; l < 5; ++l) {
    CHECK(a.layers[l].tally.total() == expected[l]);
    met += a.layers[l].tally.total();
    used += a.layers[l].tally.total() > 0 ? 1 : 0;
    for (std::size_t k = 0; k < 400; ++k) sum[k] += a.layers[l].tally.wins[k];
  }
  CHECK(a.round == 501);
  CHECK(met == a.tally.total());  // all rounds but those in which an arm met itself
  CHECK(sum == a.tally.wins);
  CHECK(used > 2);
}

TEST_CASE("VACDB never loses the best arm where outcomes are certain, and nobody else stays") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    auto w = world(20, 4, seed, 40);  // margins of tens: the better arm wins
    const std::int64_t best = std::max_element(w.utilities.begin(), w.utilities.end()) - w.utilities.begin();
    for (double& p : w.preferences.values) p = p > 0.5 ? 1 : p < 0.5 ? 0 : 0.5;
    contextual_dueling a(w.features, {.rule = contextual_rule::vacdb, .ridge = 1, .horizon = 300});
    int missing = 0;
    play(a, w, 300, seed, [&](duel) {
      missing += std::find(a.candidates().begin(), a.candidates().end(), best) == a.candidates().end() ? 1 : 0;
    });
    CHECK(missing == 0);
    CHECK(a.candidates() == std::vector<std::int64_t>{best});
  }
}

TEST_CASE("VACDB gains on MaxInP, the more the surer outcomes are") {
  // Where outcomes are fair coins, VACDB without slack is MaxInP at half the width: what variance itself gains is measured
  // against that. In six worlds like these VACDB's share of that regret was 0.55 to 0.59 where outcomes are sure, 0.85 to
  // 1.01 where they are not; its share of MaxInP's own 0.23 to 0.33, and 0.59 to 0.77.
  const auto shares = [](double norm) {
    const auto w = world(32, 5, 7, norm);
    const auto regret = [&](contextual_parameters p) {
      p.ridge = 1, p.horizon = 600;
      return mean_regret(
          w, [&](auto) { return contextual_dueling(w.features, p); }, 600, 16);
    };
    const double layered = regret({.rule = contextual_rule::vacdb, .slack = 0});
    const double width = contextual_parameters{.horizon = 600}.bonus(5);
    return std::pair(layered / regret({.rule = contextual_rule::max_inp}),
                     layered / regret({.rule = contextual_rule::max_inp, .beta = width / 2}));
  };
  const auto [unsure, unsure_of_half] = shares(0.5);
  const auto [sure, sure_of_half] = shares(8);
  CHECK(sure < 0.4);
  CHECK(sure < 0.7 * unsure);
  CHECK(sure_of_half < 0.7);
  CHECK(sure_of_half < 0.75 * unsure_of_half);
}

TEST_CASE("VACDB's layers that are written down and read again go on with the same duels") {
  const auto w = world(12, 3);
  contextual_dueling a(w.features, {.rule = contextual_rule::vacdb, .ridge = 0.1});
  play(a, w, 150, 5, [](duel) {});
  contextual_dueling b(w.features, a.parameters), other(w.features, {.rule = contextual_rule::max_inp});
  b.tally = a.tally, b.layers = a.layers, b.weights = a.weights, b.round = a.round;
  b.rebuild();
  draw_stream draws(1), outcomes(6);
  for (int t = 0; t < 50; ++t) {
    const duel d = a.next_pair(draws);
    CHECK(b.next_pair(draws) == d);
    CHECK(a.layer_of(d.first, d.second) == b.layer_of(d.first, d.second));
    const bool won = outcomes.uniform() < w.preferences(d.first, d.second);
    a.observe(d.first, d.second, won);
    b.observe(d.first, d.second, won);
  }
  CHECK(draws.position() == 0);  // nothing is drawn
  const double before = a.layers[3].tally.total();
  a.merge(b);
  CHECK(a.layers[3].tally.total() == before + b.layers[3].tally.total());
  CHECK_THROWS_AS(a.merge(other), zermelo::shape_error);
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
  CHECK(thrown<zermelo::domain_error>([&] { contextual_dueling(w.features, {.layers = 0}); }).argument() == "layers");
  CHECK_THROWS_AS(contextual_dueling(w.features, {.layers = 31}), zermelo::domain_error);
  CHECK(thrown<zermelo::domain_error>([&] { contextual_dueling(w.features, {.least_deviation = 0}); }).argument() ==
        "least_deviation");
  CHECK(thrown<zermelo::domain_error>([&] { contextual_dueling(w.features, {.slack = -0.1}); }).argument() == "slack");
  CHECK_THROWS_AS(contextual_dueling(w.features, {.slack = std::numeric_limits<double>::quiet_NaN()}),
                  zermelo::domain_error);
  CHECK_THROWS_AS(fit_utilities(w.features, empty_tally(4), 0.1), zermelo::shape_error);
  CHECK_THROWS_AS(fit_utilities(w.features, empty_tally(3), 0), zermelo::domain_error);
  const double bad[2][2] = {{1, 2}, {std::numeric_limits<double>::infinity(), 0}};
  CHECK(thrown<zermelo::domain_error>([&] { features_of(bad); }).index() == 2);
  contextual_dueling a(w.features);
  CHECK_THROWS_AS(a.observe(0, 3, true), zermelo::domain_error);
  CHECK_THROWS_AS(a.layer_of(3, 0), zermelo::domain_error);
}
