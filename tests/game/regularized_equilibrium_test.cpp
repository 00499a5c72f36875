// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdint>
#include <vector>
#include <zermelo/core/random.hpp>
#include <zermelo/game/regularized_equilibrium.hpp>

#include "catch.hpp"
#include "thrown.hpp"

namespace {

namespace zm = zermelo;
namespace game = zermelo::game;

const std::vector<double> biased{0.5, 0.8, 0.3, 0.2, 0.5, 0.6, 0.7, 0.4, 0.5};
const std::vector<double> third(3, 1.0 / 3), nash{1.0 / 6, 1.0 / 3, 1.0 / 2};

auto biased_game() { return game::preference_matrix(zm::matrix_view(biased.data(), 3, 3)); }

std::vector<double> random_preferences(std::int64_t n, std::uint64_t stream) {
  std::vector<double> p(static_cast<std::size_t>(n * n), 0.5);
  std::uint64_t k = 0;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < i; ++j) {
      const double x = zm::uniform(12, stream, k++);
      p[static_cast<std::size_t>(i * n + j)] = x;
      p[static_cast<std::size_t>(j * n + i)] = 1 - x;
    }
  return p;
}

std::vector<double> random_policy(std::int64_t n, std::uint64_t stream) {
  std::vector<double> p(static_cast<std::size_t>(n));
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] = 0.01 + zm::uniform(3, stream, i);
  for (double& x : p) x /= sum;
  return p;
}

}  // namespace

TEST_CASE("Newton's equilibrium is a fixed point that nobody gains against") {
  for (std::uint64_t stream = 0; stream < 12; ++stream)
    for (const double tau : {3.0, 0.3, 0.02}) {
      const std::int64_t n = 2 + static_cast<std::int64_t>(stream);
      const auto p = random_preferences(n, stream);
      const auto mu = random_policy(n, stream);
      const auto preferences = game::preference_matrix(zm::matrix_view(p.data(), n, n));
      const auto r = game::regularized_equilibrium(preferences, mu, {.kl_weight = tau});
      CHECK(r.convergence.status == zm::status::converged);
      CHECK(r.convergence.residual < 1e-12);
      CHECK(std::abs(r.exploitability) < 1e-12);
      const auto judged = game::regularized_exploitability(preferences, r.policy, mu, {.kl_weight = tau});
      CHECK(std::abs(judged.exploitability) < 1e-12);
    }
}

TEST_CASE("a weight that grows leads to the reference, and a Nash reference is never left") {
  const auto far = game::regularized_equilibrium(biased_game(), nash, {.kl_weight = 1e6});
  for (std::size_t i = 0; i < 3; ++i) CHECK(far.policy[i] == Approx(nash[i]).epsilon(1e-6));
  for (const double tau : {10.0, 0.1, 0.001}) {
    const auto r = game::regularized_equilibrium(biased_game(), nash, {.kl_weight = tau});
    for (std::size_t i = 0; i < 3; ++i) CHECK(r.policy[i] == Approx(nash[i]).epsilon(1e-12));
  }
  // π_τ = Nash + O(τ): the distance falls with τ.
  double before = 1;
  for (const double tau : {1e-2, 1e-3, 1e-4}) {
    const auto r = game::regularized_equilibrium(biased_game(), third, {.kl_weight = tau});
    const double distance = std::abs(r.policy[0] - nash[0]);
    CHECK(distance < before / 8);
    before = distance;
  }
}

TEST_CASE("two items: the equilibrium solves an equation of one logit") {
  const std::vector<double> p{0.5, 0.9, 0.1, 0.5}, mu{0.3, 0.7};
  const double tau = 0.2;
  const auto r =
      game::regularized_equilibrium(game::preference_matrix(zm::matrix_view(p.data(), 2, 2)), mu, {.kl_weight = tau});
  // The payoff difference is 0.4 whatever the opponent: (0.5 − 0.1) π₀ + (0.9 − 0.5) π₁.
  const double logit = std::log(0.3 / 0.7) + 0.4 / tau;
  CHECK(r.policy[0] == Approx(1 / (1 + std::exp(-logit))).epsilon(1e-14));
}

TEST_CASE("log-probabilities far below the smallest double are exact") {
  const std::vector<double> strengths{0, -3, 1};
  const auto r = game::regularized_equilibrium(game::bradley_terry_game(strengths), third, {.kl_weight = 1e-4});
  // All but item 2 vanish, so payoffs are those against it.
  const auto win = [&](double s) { return 1 / (1 + std::exp(1 - s)); };
  CHECK(r.log_policy[0] == Approx((win(0) - 0.5) / 1e-4).epsilon(1e-12));
  CHECK(r.log_policy[1] == Approx((win(-3) - 0.5) / 1e-4).epsilon(1e-12));
  CHECK(r.policy[1] == 0);
}

TEST_CASE("of a skew matrix game both players play the symmetric equilibrium") {
  const auto p = random_preferences(5, 1);
  const auto mu = random_policy(5, 1);
  const auto symmetric =
      game::regularized_equilibrium(game::preference_matrix(zm::matrix_view(p.data(), 5, 5)), mu, {.kl_weight = 0.05});
  const auto both = game::regularized_matrix_equilibrium(zm::matrix_view(p.data(), 5, 5), mu, mu, {.kl_weight = 0.05});
  CHECK(both.convergence.status == zm::status::converged);
  CHECK(both.value == Approx(0.5));
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(both.row_strategy[i] == Approx(symmetric.policy[i]).epsilon(1e-11));
    CHECK(both.column_strategy[i] == Approx(symmetric.policy[i]).epsilon(1e-11));
  }
}

TEST_CASE("a matrix game's regularised strategies respond to each other") {
  std::vector<double> m(12);
  for (std::size_t k = 0; k < 12; ++k) m[k] = 4 * zm::uniform(9, 0, k);
  const auto mu = random_policy(3, 0), nu = random_policy(4, 1);
  const double tau = 0.3;
  const auto r = game::regularized_matrix_equilibrium(zm::matrix_view(m.data(), 3, 4), mu, nu, {.kl_weight = tau});
  CHECK(r.convergence.status == zm::status::converged);
  for (std::size_t i = 1; i < 3; ++i) {
    double a = 0, b = 0;
    for (std::size_t j = 0; j < 4; ++j) a += m[i * 4 + j] * r.column_strategy[j], b += m[j] * r.column_strategy[j];
    CHECK(r.log_row_strategy[i] - r.log_row_strategy[0] ==
          Approx(std::log(mu[i] / mu[0]) + (a - b) / tau).epsilon(1e-11));
  }
  for (std::size_t j = 1; j < 4; ++j) {
    double a = 0, b = 0;
    for (std::size_t i = 0; i < 3; ++i) a += m[i * 4 + j] * r.row_strategy[i], b += m[i * 4] * r.row_strategy[i];
    CHECK(r.log_column_strategy[j] - r.log_column_strategy[0] ==
          Approx(std::log(nu[j] / nu[0]) - (a - b) / tau).epsilon(1e-11));
  }
}

TEST_CASE("rock-paper-scissors rotates by √3/6 and no preference game by more than 1/√8") {
  const std::vector<double> rps{0.5, 1, 0, 0, 0.5, 1, 1, 0, 0.5};
  const auto pure = game::preference_matrix(zm::matrix_view(rps.data(), 3, 3));
  CHECK(game::local_rates_at(pure, third, {.kl_weight = 0.1}).rotation == Approx(std::sqrt(3.0) / 6).epsilon(1e-14));
  for (std::uint64_t stream = 0; stream < 40; ++stream) {
    auto p = random_preferences(6, stream);
    for (double& x : p)
      if (stream % 2) x = std::round(x);
    for (std::size_t i = 0; i < 6; ++i) p[7 * i] = 0.5;
    const auto preferences = game::preference_matrix(zm::matrix_view(p.data(), 6, 6));
    const auto r = game::local_rates_at(preferences, random_policy(6, stream), {.kl_weight = 0.1});
    CHECK(r.rotation <= std::sqrt(0.125) + 1e-15);
    CHECK(r.mirror_descent(game::stable_step(0.1)) < 1);
    CHECK(r.mirror_descent(r.best_step()) == Approx(r.best_rate()).epsilon(1e-12));
    CHECK(r.mirror_descent(r.largest_stable_step()) == Approx(1).epsilon(1e-12));
    CHECK(r.hedge(0.1) >= 1);
  }
}

TEST_CASE("Nash-MD's fixed point goes to the equilibrium as its step goes to zero") {
  const auto truth = game::regularized_equilibrium(biased_game(), third, {.kl_weight = 0.1});
  double before = 1;
  for (const double step : {1.0, 0.1, 0.01}) {
    const auto r = game::nash_md_fixed_point(biased_game(), third, step, {.kl_weight = 0.1});
    const double off = std::abs(r.policy[1] - truth.policy[1]);
    CHECK(off < before / 8);
    before = off;
    CHECK(r.kl_weight_of_mixture == Approx(0.1 / (1 - 0.1 * step)));
  }
}

TEST_CASE("equilibria without a reference or a weight are refused") {
  const std::vector<double> holed{0, 0.5, 0.5};
  CHECK(thrown<zm::domain_error>([&] { game::regularized_equilibrium(biased_game(), holed); }).argument() ==
        "reference");
  CHECK_THROWS_AS(game::regularized_equilibrium(biased_game(), third, {.kl_weight = 0}), zm::domain_error);
  CHECK_THROWS_AS(game::regularized_equilibrium(biased_game(), std::vector<double>{1}), zm::shape_error);
  CHECK_THROWS_AS(game::nash_md_fixed_point(biased_game(), third, 10, {.kl_weight = 0.1}), zm::domain_error);
  const std::vector<double> one{1};
  CHECK(game::regularized_equilibrium(game::bradley_terry_game(std::vector<double>{2}), one).policy[0] == 1);
}
