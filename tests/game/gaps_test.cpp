// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>
#include <zermelo/core/execution/threads.hpp>
#include <zermelo/core/random.hpp>
#include <zermelo/game/gaps.hpp>
#include <zermelo/game/simplex_projection.hpp>

#include "catch.hpp"
#include "thrown.hpp"

namespace {

namespace zm = zermelo;
namespace game = zermelo::game;

const std::vector<double> rps{0.5, 1, 0, 0, 0.5, 1, 1, 0, 0.5};
const std::vector<double> third(3, 1.0 / 3);

auto rock_paper_scissors() { return game::preference_matrix(zm::matrix_view(rps.data(), 3, 3)); }

std::vector<double> some_policy(std::int64_t n, std::uint64_t stream) {
  std::vector<double> p(static_cast<std::size_t>(n));
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] = zm::uniform(3, stream, i);
  for (double& x : p) x /= sum;
  return p;
}

std::vector<double> some_game(std::int64_t n, std::uint64_t stream) {
  std::vector<double> m(static_cast<std::size_t>(n * n), 0.5);
  std::uint64_t k = 0;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < i; ++j) {
      const double x = zm::uniform(4, stream, k++);
      m[static_cast<std::size_t>(i * n + j)] = x;
      m[static_cast<std::size_t>(j * n + i)] = 1 - x;
    }
  return m;
}

}  // namespace

TEST_CASE("nobody gains against uniform rock-paper-scissors, and half a game against a pure strategy") {
  const auto even = game::exploitability(rock_paper_scissors(), third);
  CHECK(std::abs(even.exploitability) < 1e-15);
  CHECK(even.best_response == 0);  // all tie
  const auto rock = game::exploitability(rock_paper_scissors(), std::vector<double>{1, 0, 0});
  CHECK(rock.exploitability == 0.5);
  CHECK(rock.duality_gap() == 1);
  CHECK(rock.best_response == 2);
}

TEST_CASE("exploitability is never negative and bounded by the regularised one") {
  for (std::uint64_t stream = 0; stream < 50; ++stream) {
    const auto matrix = some_game(6, stream);
    const auto preferences = game::preference_matrix(zm::matrix_view(matrix.data(), 6, 6));
    const auto p = some_policy(6, stream), mu = some_policy(6, stream + 100);
    double least = 1;
    for (const double x : mu) least = std::min(least, x);
    const double plain = game::exploitability(preferences, p).exploitability;
    CHECK(plain >= -1e-15);
    double before = 0;
    for (const double tau : {1e-6, 0.01, 0.1, 1.0}) {
      const auto soft = game::regularized_exploitability(preferences, p, mu, {.kl_weight = tau});
      CHECK(soft.exploitability >= -1e-15);
      CHECK(plain <= soft.exploitability + tau * std::log(1 / least) + 1e-15);
      if (tau == 1e-6) CHECK(soft.exploitability == Approx(plain).margin(1e-4));
      before = soft.exploitability;
    }
    CHECK(before >= 0);
  }
}

TEST_CASE("the regularised best response attains the value that it is credited with") {
  const auto matrix = some_game(5, 1);
  const auto preferences = game::preference_matrix(zm::matrix_view(matrix.data(), 5, 5));
  const auto p = some_policy(5, 0), mu = some_policy(5, 1);
  const double tau = 0.2;
  std::vector<double> best(5);
  const auto soft = game::regularized_exploitability(preferences, p, mu, {.kl_weight = tau}, best);
  const auto worth = [&](const std::vector<double>& y) {
    double divergence = 0;
    for (std::size_t i = 0; i < 5; ++i) divergence += y[i] * std::log(y[i] / mu[i]);
    return game::win_rate_between(preferences, y, p) - tau * divergence;
  };
  double own = 0;
  for (std::size_t i = 0; i < 5; ++i) own += p[i] * std::log(p[i] / mu[i]);
  CHECK(worth(best) + tau * own - 0.5 == Approx(soft.exploitability).epsilon(1e-12));
  for (std::uint64_t stream = 0; stream < 20; ++stream) CHECK(worth(some_policy(5, 50 + stream)) <= worth(best));
  CHECK(own == Approx(soft.divergence));
}

TEST_CASE("a batch of games has a gap a game, those of the games alone") {
  std::vector<double> tables, policies, references;
  for (std::uint64_t g = 0; g < 7; ++g) {
    const auto m = some_game(4, g), p = some_policy(4, g), mu = some_policy(4, g + 10);
    tables.insert(tables.end(), m.begin(), m.end());
    policies.insert(policies.end(), p.begin(), p.end());
    references.insert(references.end(), mu.begin(), mu.end());
  }
  zm::tensor_view<const double, 3> cube{.data = tables.data(), .shape = {7, 4, 4}, .strides = {16, 4, 1}};
  const auto games = game::preference_matrix(cube);
  const auto rows = zm::matrix_view(policies.data(), 7, 4), mus = zm::matrix_view(references.data(), 7, 4);
  std::vector<double> plain(7), soft(7), shared(7);
  zm::threads pool{2};
  game::exploitability(pool, games, rows, plain);
  game::regularized_exploitability(pool, games, rows, mus, soft, {.kl_weight = 0.1});
  game::exploitability(zm::simd{}, games.game(0), rows, shared);
  for (std::int64_t g = 0; g < 7; ++g) {
    const auto p = zm::vector_view(policies.data() + 4 * g, 4), mu = zm::vector_view(references.data() + 4 * g, 4);
    const auto k = static_cast<std::size_t>(g);
    CHECK(plain[k] == game::exploitability(games.game(g), p).exploitability);
    CHECK(shared[k] == game::exploitability(games.game(0), p).exploitability);
    CHECK(soft[k] == game::regularized_exploitability(games.game(g), p, mu, {.kl_weight = 0.1}).exploitability);
  }
}

TEST_CASE("a projection onto the simplex is the nearest policy") {
  std::vector<double> v{0.3, -2, 1.1, 0.9}, p(4);
  game::simplex_projection(v, p);
  double sum = 0, distance = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(p[i] >= 0);
    sum += p[i];
    distance += (p[i] - v[i]) * (p[i] - v[i]);
  }
  CHECK(sum == Approx(1).epsilon(1e-15));
  for (std::uint64_t stream = 0; stream < 50; ++stream) {
    const auto other = some_policy(4, stream);
    double farther = 0;
    for (std::size_t i = 0; i < 4; ++i) farther += (other[i] - v[i]) * (other[i] - v[i]);
    CHECK(farther >= distance);
  }
  std::vector<double> again(4), far{1e16, 1e16, -1e16};
  game::simplex_projection(p, again);
  for (std::size_t i = 0; i < 4; ++i) CHECK(again[i] == Approx(p[i]).margin(1e-16));
  game::simplex_projection(far, far);
  CHECK(far == std::vector<double>{0.5, 0.5, 0});
  std::vector<double> one{-3};
  game::simplex_projection(one, one);
  CHECK(one[0] == 1);
  const std::vector<double> infinite{0, std::numeric_limits<double>::infinity()};
  std::vector<double> out(2), none;
  CHECK(thrown<zm::domain_error>([&] { game::simplex_projection(infinite, out); }).index() == 1);
  CHECK_THROWS_AS(game::simplex_projection(none, none), zm::shape_error);
}

TEST_CASE("what is no policy is refused") {
  const auto preferences = rock_paper_scissors();
  const auto refuse = [&](std::vector<double> p) {
    return thrown<zm::domain_error>([&] { game::exploitability(preferences, p); });
  };
  CHECK(refuse({0.5, -0.5, 1}).index() == 1);
  CHECK(refuse({0.5, 0.5, std::numeric_limits<double>::quiet_NaN()}).index() == 2);
  CHECK(refuse({0.5, 0.5, 1e-8}).index() == zm::domain_error::whole);
  CHECK_THROWS_AS(game::exploitability(preferences, std::vector<double>{0.5, 0.5}), zm::shape_error);
  const std::vector<double> without{0.5, 0.5, 0};
  CHECK(thrown<zm::domain_error>([&] {
          game::regularized_exploitability(preferences, third, without, {.kl_weight = 0.1});
        }).argument() == "reference");
  CHECK_THROWS_AS(game::regularized_exploitability(preferences, third, third, {.kl_weight = 0}), zm::domain_error);
  const std::vector<double> matrix{1, 2};
  CHECK_THROWS_AS(
      game::duality_gap(zm::matrix_view(matrix.data(), 1, 2), std::vector<double>{1}, std::vector<double>{1, 1}),
      zm::domain_error);
}
