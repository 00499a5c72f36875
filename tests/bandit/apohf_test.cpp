// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>
#include <zermelo/bandit/apohf.hpp>
#include <zermelo/core/distributions.hpp>

#include "../catch.hpp"
#include "../thrown.hpp"
#include "worlds.hpp"

using namespace zermelo::bandit;

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

std::vector<double> normals(std::int64_t n, std::uint64_t stream) {
  std::vector<double> x;
  for (std::int64_t k = 0; k < n; ++k) x.push_back(zermelo::normal(5, stream, static_cast<std::uint64_t>(k)));
  return x;
}

arm_features arms(std::int64_t n, std::int64_t d, std::uint64_t stream = 1) {
  const auto x = normals(n * d, stream);
  return features_of(zermelo::matrix_view(x.data(), n, d));
}

perceptron network(std::vector<std::int64_t> widths, std::uint64_t stream = 2) {
  perceptron net{.widths = std::move(widths)};
  net.weights = normals(net.parameters(), stream);
  return net;
}

}  // namespace

TEST_CASE("Gradients of the network are those of central differences") {
  const auto x = arms(6, 3);
  for (const auto& widths :
       {std::vector<std::int64_t>{3, 5, 4, 1}, std::vector<std::int64_t>{3, 7, 1}, std::vector<std::int64_t>{3, 1}}) {
    auto net = network(widths);
    const auto [reward, gradient] = rewards_and_gradients(net, x);
    const std::size_t p = net.weights.size();
    CHECK(reward.size() == 6);
    CHECK(gradient.size() == 6 * p);
    for (std::size_t k = 0; k < p; ++k) {
      constexpr double h = 1e-6;
      const double was = net.weights[k];
      net.weights[k] = was + h;
      const auto up = rewards_and_gradients(net, x).first;
      net.weights[k] = was - h;
      const auto down = rewards_and_gradients(net, x).first;
      net.weights[k] = was;
      for (std::size_t i = 0; i < 6; ++i)  // rounding of h is 1e-15/1e-6; kinks are not met on these draws
        CHECK(gradient[i * p + k] == Approx((up[i] - down[i]) / (2 * h)).margin(1e-7).epsilon(1e-7));
    }
  }
}

TEST_CASE("The greedy arm is certain, and Woodbury's identity changes nothing") {
  const std::int64_t n = 7;
  for (const std::int64_t p : {3, 40}) {
    const auto g = normals(n * p, 3);
    const auto tally = worlds::played(worlds::drawn(n, 2), 12, 9);
    const auto z = feature_differences(g, n, tally);
    const auto sigma = uncertainties(g, z, n, 2, 0.3, 2, uncertainty_norm::full);
    CHECK(sigma[2] == 0);
    // by the definition, with an explicit inverse of the p × p matrix
    std::vector<double> v(at(p * p));
    for (std::int64_t a = 0; a < p; ++a) v[at(a * p + a)] = 0.3;
    for (std::size_t r = 0; r < z.size() / at(p); ++r)
      for (std::int64_t a = 0; a < p; ++a)
        for (std::int64_t b = 0; b < p; ++b) v[at(a * p + b)] += z[r * at(p) + at(a)] * z[r * at(p) + at(b)];
    zermelo::cholesky factor;
    REQUIRE(factor.factor(v, p));
    for (std::int64_t j = 0; j < n; ++j) {
      std::vector<double> d(at(p));
      for (std::int64_t a = 0; a < p; ++a) d[at(a)] = g[at(j * p + a)] - g[at(2 * p + a)];
      auto solved = d;
      factor.solve(solved);
      double square = 0;
      for (std::size_t a = 0; a < d.size(); ++a) square += d[a] * solved[a];
      CHECK(sigma[at(j)] == Approx(std::sqrt(2 * square)).margin(1e-12).epsilon(1e-10));
    }
  }
}

TEST_CASE("Both norms agree where features are orthogonal") {
  const std::vector<double> g{1, 0, 0, 0, 2, 0, 0, 0, 3};
  const std::vector<double> z{2, 0, 0, 0, 1, 0};
  const auto full = uncertainties(g, z, 3, 0, 0.5, 1, uncertainty_norm::full);
  const auto diagonal = uncertainties(g, z, 3, 0, 0.5, 1, uncertainty_norm::diagonal);
  for (std::size_t j = 0; j < 3; ++j) CHECK(full[j] == Approx(diagonal[j]).epsilon(1e-14));
}

TEST_CASE("Embeddings scaled by c with the ridge scaled by c² leave a linear choice as it is") {
  const auto x = arms(9, 4);
  auto scaled = x;
  for (double& v : scaled.values) v *= 3;
  const auto tally = worlds::played(worlds::drawn(9, 1), 20, 4);
  const auto reward = normals(9, 8);
  for (const auto norm : {uncertainty_norm::full, uncertainty_norm::diagonal}) {
    const auto a = apohf_choose(reward, x.values, feature_differences(x.values, 9, tally), {.norm = norm});
    const auto b =
        apohf_choose(reward, scaled.values, feature_differences(scaled.values, 9, tally), {.norm = norm, .ridge = 0.9});
    CHECK(a.arms == b.arms);
    for (std::size_t j = 0; j < 9; ++j)
      CHECK(a.uncertainty[j] == Approx(b.uncertainty[j]).margin(1e-12).epsilon(1e-10));
  }
}

TEST_CASE("Two different arms duel, and what is reported has met someone") {
  const auto x = arms(8, 3);
  const auto p = worlds::of_utilities(normals(8, 6));
  for (const auto model : {reward_model::neural, reward_model::linear})
    for (const bool freeze : {false, true}) {
      apohf a(x, {.model = model, .freeze_features = freeze, .hidden = 6});
      CHECK(a.report() == -1);
      draw_stream draws(2);
      for (int t = 0; t < 15; ++t) {
        const duel d = a.next_pair(draws);
        CHECK(d.first != d.second);
        a.observe(d.first, d.second, draws.uniform() < p(d.first, d.second));
      }
      const std::int64_t best = a.report();
      double met = 0;
      for (std::int64_t j = 0; j < 8; ++j) met += best == j ? 0 : a.tally.duels(best, j);
      CHECK(met > 0);
      if (freeze) CHECK(a.frozen.size() == 15 * at(model == reward_model::linear ? 3 : a.network.parameters()));
    }
}

TEST_CASE("A duel of an arm with itself tells nothing, and duels that one line separates leave the estimate finite") {
  const auto x = arms(6, 3);
  for (const auto model : {reward_model::neural, reward_model::linear}) {
    apohf a(x, {.model = model, .hidden = 4});
    a.observe(3, 3, true);
    CHECK(a.tally.total() == 0);
    CHECK(a.report() == -1);
    for (int k = 0; k < 200; ++k) a.observe(1, 4, true);
    CHECK(a.report() == 1);
    for (const double r : a.reward) CHECK(zermelo::is_finite(r));
  }
  const auto nothing = feature_differences(x.values, 6, empty_tally(6));
  CHECK(nothing.empty());  // V = λI: uncertainties are distances
  const auto sigma = uncertainties(x.values, nothing, 6, 0, 0.25, 1, uncertainty_norm::full);
  for (std::int64_t j = 0; j < 6; ++j) {
    double square = 0;
    for (std::size_t k = 0; k < 3; ++k) square += std::pow(x.row(j)[k] - x.row(0)[k], 2);
    CHECK(sigma[at(j)] == Approx(2 * std::sqrt(square)).margin(1e-12));
  }
}

TEST_CASE("Training lowers the loss, and from the same weights and duels gives the same network") {
  const auto x = arms(10, 4);
  const auto world = worlds::of_utilities(normals(10, 6));
  apohf a(x, {.hidden = 8, .steps = 300, .learning_rate = 1e-2});
  a.tally = worlds::played(world, 200, 3);
  const auto loss = [&](const perceptron& net) {
    const auto h = rewards_and_gradients(net, x).first;
    double sum = 0;
    for (std::int64_t i = 0; i < 10; ++i)
      for (std::int64_t j = 0; j < 10; ++j)
        sum += i == j ? 0 : a.tally.won(i, j) * std::log1p(std::exp(h[at(j)] - h[at(i)]));
    return sum / a.tally.total();
  };
  const double before = loss(a.network);
  a.learn();
  const double after = loss(a.network);
  CHECK(after < before);
  CHECK(after < std::log(2.0));  // better than a coin
  const auto weights = a.network.weights;
  a.learn();
  CHECK(a.network.weights == weights);
}

TEST_CASE("Prompt optimisation finds a better prompt than random pairs on the way to it") {
  // The rewards of those who are dueled, by mean over the last half of 120 duels of thirty prompts.
  const auto x = arms(30, 4);
  const auto theta = normals(4, 9);
  std::vector<double> u;
  for (std::int64_t i = 0; i < 30; ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < 4; ++k) sum += 2 * theta[k] * x.row(i)[k];
    u.push_back(sum);
  }
  const auto p = worlds::of_utilities(u);
  double mean = 0, most = u[0];
  for (const double v : u) mean += v / 30, most = std::max(most, v);
  for (const auto& parameters :
       {apohf_parameters{.model = reward_model::linear, .norm = uncertainty_norm::full},
        apohf_parameters{.model = reward_model::linear},
        apohf_parameters{.norm = uncertainty_norm::full, .hidden = 16, .steps = 60, .learning_rate = 1e-2}}) {
    apohf a(x, parameters);
    draw_stream draws(3);
    double late = 0;
    for (int t = 0; t < 120; ++t) {
      const duel d = a.next_pair(draws);
      a.observe(d.first, d.second, draws.uniform() < p(d.first, d.second));
      if (t >= 60) late += (u[at(d.first)] + u[at(d.second)]) / 120;
    }
    CHECK(late > mean + 0.5 * (most - mean));
    CHECK(u[at(a.report())] > mean + 0.7 * (most - mean));
  }
}

TEST_CASE("Bad networks, arms and parameters are named") {
  const auto x = arms(4, 3);
  CHECK_THROWS_AS(apohf(arms(1, 3)), zermelo::shape_error);
  CHECK_THROWS_AS(apohf(x, {.ridge = 0}), zermelo::domain_error);
  CHECK_THROWS_AS(apohf(x, {.exploration = -1}), zermelo::domain_error);
  CHECK_THROWS_AS(apohf(x, {.hidden = 0}), zermelo::domain_error);
  auto net = network({3, 4, 1});
  CHECK_THROWS_AS(rewards_and_gradients(net, arms(4, 2)), zermelo::shape_error);
  net.weights.pop_back();
  CHECK_THROWS_AS(rewards_and_gradients(net, x), zermelo::shape_error);
  CHECK_THROWS_AS(rewards_and_gradients(network({3, 4, 2}), x), zermelo::shape_error);
  net = network({3, 4, 1});
  net.weights[5] = std::numeric_limits<double>::quiet_NaN();
  CHECK(thrown<zermelo::domain_error>([&] { rewards_and_gradients(net, x); }).index() == 5);
  apohf a(x);
  CHECK_THROWS_AS(a.observe(4, 0, true), zermelo::domain_error);
  const std::vector<double> one{1};
  CHECK_THROWS_AS(apohf_choose(one, one, {}, {}), zermelo::shape_error);
}
