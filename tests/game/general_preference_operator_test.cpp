// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/game/general_preference_operator.hpp"

#include <cmath>
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "thrown.hpp"
#include "zermelo/core/distributions.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/game/dynamics.hpp"
#include "zermelo/game/preference_operator.hpp"
#include "zermelo/game/solve.hpp"

namespace zm = zermelo;
namespace zg = zermelo::game;
namespace zp = zermelo::preference;

namespace {

std::vector<double> normals(std::size_t n, std::uint64_t stream) {
  std::vector<double> x(n);
  for (std::size_t k = 0; k < n; ++k) x[k] = zm::normal(31, stream, k);
  return x;
}

std::vector<double> random_policy(std::size_t n) {
  auto p = normals(n, 9);
  double mass = 0;
  for (double& x : p) x = std::exp(x), mass += x;
  for (double& x : p) x /= mass;
  return p;
}

/// Σⱼ P[i, j] pⱼ for every i, one probability after another.
template <class Operator>
std::vector<double> by_entries(const Operator& o, const std::vector<double>& p) {
  std::vector<double> out;
  for (std::int64_t i = 0; i < o.items(); ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < o.items(); ++j) sum += p[std::size_t(j)] * o.probability(i, j);
    out.push_back(sum);
  }
  return out;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double most = 0;
  for (std::size_t k = 0; k < a.size(); ++k) most = std::max(most, std::abs(a[k] - b[k]));
  return most;
}

}  // namespace

TEST_CASE("games of general preferences are preference operators, and several of them a batch") {
  STATIC_REQUIRE(zg::preference_operator<zg::general_preference_scores<double>>);
  STATIC_REQUIRE(zg::preference_operator<zg::general_preference_scores<float>>);
  STATIC_REQUIRE(zg::preference_operator<zg::general_preference_probabilities<double>>);
  STATIC_REQUIRE(zg::preference_operator<zg::sampled_judge<zg::general_preference_probabilities<double>>>);
  STATIC_REQUIRE(zg::preference_batch<zg::general_preference_batch<double>>);
  CHECK(zg::tie_of(zg::general_preference_scores<double>{}) == 0);
  CHECK(zg::tie_of(zg::general_preference_probabilities<double>{}) == 0.5);
}

TEST_CASE("products with scores and probabilities that are never stored are those with the matrix") {
  const zm::threads two(2);
  for (const std::int64_t k : {1, 2, 3, 4, 9})
    for (const std::int64_t n : {1, 2, 127, 300, 513}) {
      const auto v = normals(static_cast<std::size_t>(n * 2 * k), 1), scales = normals(static_cast<std::size_t>(k), 2);
      const auto p = random_policy(static_cast<std::size_t>(n));
      const auto e = zm::matrix_view(v.data(), n, 2 * k);
      std::vector<double> out(p.size()), again(p.size());
      INFO("n = " << n << ", k = " << k);

      const auto scores = zg::general_preference_score_game(e, scales);
      const auto expected_scores = by_entries(scores, p);
      scores.win_rate(zm::simd{}, p, out);
      CHECK(distance(out, expected_scores) <= 1e-13 * static_cast<double>(k));
      scores.win_rate(two, p, again);
      CHECK(out == again);

      const auto probabilities = zg::general_preference_game(e, scales, {.temperature = 0.7});
      const auto expected = by_entries(probabilities, p);
      probabilities.win_rate(zm::simd{}, p, out);
      CHECK(distance(out, expected) <= 1e-14 * static_cast<double>(k));  // scores of up to 10k, rounded a few times
      probabilities.win_rate(two, p, again);
      CHECK(out == again);
      probabilities.win_rate(zm::serial{}, p, again);
      CHECK(distance(again, expected) <= 1e-14 * static_cast<double>(k));
    }
}

TEST_CASE("floats and transposed embeddings give the same game") {
  constexpr std::int64_t n = 200, k = 2;
  const auto v = normals(n * 2 * k, 3);
  const auto p = random_policy(n);
  const std::vector<float> v32(v.begin(), v.end()), p32(p.begin(), p.end());
  std::vector<double> by_columns(v.size()), expected(n), out(n);
  const auto stored = zm::matrix_view(by_columns.data(), 2 * k, n);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t d = 0; d < 2 * k; ++d) stored(d, i) = v[std::size_t(i * 2 * k + d)];
  const auto e = zm::matrix_view(v.data(), n, 2 * k);
  const auto narrow = zm::matrix_view(v32.data(), n, 2 * k);
  std::vector<float> out32(n);
  const auto compare = [&](const auto& wide, const auto& turned, const auto& single) {
    wide.win_rate(zm::simd{}, p, expected);
    turned.win_rate(zm::simd{}, p, out);
    CHECK(distance(out, expected) <= 1e-14);
    single.win_rate(zm::simd{}, p32, out32);
    CHECK(distance(std::vector<double>(out32.begin(), out32.end()), expected) <= 4e-6);  // scores of 10 in float
  };
  compare(zg::general_preference_score_game(e), zg::general_preference_score_game(zm::transposed(stored)),
          zg::general_preference_score_game(narrow));
  compare(zg::general_preference_game(e), zg::general_preference_game(zm::transposed(stored)),
          zg::general_preference_game(narrow));
}

TEST_CASE("a policy gets nothing against itself in scores, and a half in probabilities") {
  constexpr std::int64_t n = 400;
  const auto v = normals(n * 6, 4);
  const auto p = random_policy(n);
  const auto e = zm::matrix_view(v.data(), n, 6);
  std::vector<double> q(n);
  const auto value = [&](const auto& game) {
    game.win_rate(zm::simd{}, p, q);
    double sum = 0;
    for (std::size_t k = 0; k < n; ++k) sum += p[k] * q[k];
    return sum;
  };
  CHECK(std::abs(value(zg::general_preference_score_game(e))) <= 1e-15);
  CHECK(value(zg::general_preference_game(e)) == Approx(0.5).epsilon(1e-14));
}

TEST_CASE("every prompt of a batch plays the game of its own scales") {
  constexpr std::int64_t games = 3, n = 5, k = 2;
  const auto v = normals(games * n * 2 * k, 5), scales = normals(games * k, 6);
  const zm::tensor_view<const double, 3> e{
      .data = v.data(), .shape = {games, n, 2 * k}, .strides = {n * 2 * k, 2 * k, 1}};
  const auto batch = zg::general_preference_games(e, zm::matrix_view(scales.data(), games, k));
  CHECK((batch.games() == games && batch.items() == n));
  const auto one = zg::general_preference_score_game(zm::matrix_view(v.data() + 2 * n * 2 * k, n, 2 * k),
                                                     zm::vector_view(scales.data() + 2 * k, k));
  CHECK(batch.game(2).probability(1, 3) == one.probability(1, 3));
  CHECK(batch.game(2).probability(1, 3) == -batch.game(2).probability(3, 1));
}

TEST_CASE(
    "GPO spirals outwards on a circle of three while its average finds the middle, and maximises rewards on a ladder") {
  std::vector<double> circle, ladder;
  for (int q = 0; q < 3; ++q) {  // scores of ±1: sin 120° times the square of the radius
    const double radius = std::sqrt(2 / std::sqrt(3.0)), angle = 2 * 3.14159265358979323846 * q / 3;
    circle.insert(circle.end(), {radius * std::cos(angle), radius * std::sin(angle)});
  }
  const auto e = zm::matrix_view(circle.data(), 3, 2);
  const auto game = zg::general_preference_score_game(e);
  const std::vector<double> start{0.5, 0.3, 0.2}, uniform(3, 1.0 / 3);
  const auto spiral =
      zg::solve(game, zg::gpo{.beta = 20}, start, uniform, {.limit = 20000, .target = 0, .check_every = 20000});
  CHECK(spiral.gap > 0.5);
  for (const double p : spiral.average) CHECK(std::abs(p - 1.0 / 3) < 0.005);
  const auto middle = zg::solve(game, zg::egpo{.step = 0.3, .kl_weight = 0.2}, start, uniform, {.target = 1e-12});
  for (const double p : middle.policy) CHECK(std::abs(p - 1.0 / 3) < 1e-6);

  const std::vector<double> reward{0.3, -0.5, 1};
  for (const double r : reward) ladder.insert(ladder.end(), {r, 1});
  const auto ranked = zg::general_preference_score_game(zm::matrix_view(ladder.data(), 3, 2));
  const auto after = zg::solve(ranked, zg::gpo{.beta = 2}, start, uniform, {.limit = 4, .target = 0});
  double z = 0;  // π exp(4r/β), normalised
  for (std::size_t k = 0; k < 3; ++k) z += start[k] * std::exp(2 * reward[k]);
  for (std::size_t k = 0; k < 3; ++k)
    CHECK(after.policy[k] == Approx(start[k] * std::exp(2 * reward[k]) / z).epsilon(1e-13));
}

TEST_CASE("a judge's verdicts average to the win rates, and vary less than independent ones") {
  constexpr std::int64_t n = 6;
  const auto v = normals(n * 2, 7);
  const auto game = zg::general_preference_game(zm::matrix_view(v.data(), n, 2));
  const auto p = random_policy(n);
  std::vector<double> exact(n), out(n), again(n), mean(n, 0.0), square(n, 0.0);
  game.win_rate(zm::simd{}, p, exact);
  const auto judge = zg::judge_of(game, {.samples = 16, .seed = 3});
  constexpr int rounds = 4000;
  const zm::threads two(2);
  judge.win_rate(zm::simd{}, p, out);
  judge.win_rate(two, p, again);
  CHECK(out == again);
  judge.at_round(1).win_rate(zm::simd{}, p, again);
  CHECK(out != again);
  for (int r = 0; r < rounds; ++r) {
    judge.at_round(static_cast<std::uint64_t>(r)).win_rate(zm::simd{}, p, out);
    for (std::size_t i = 0; i < n; ++i) {
      mean[i] += out[i] / rounds;
      square[i] += (out[i] - exact[i]) * (out[i] - exact[i]) / rounds;
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    const double independent = exact[i] * (1 - exact[i]) / 16;  // of 16 bits at least
    CHECK(std::abs(mean[i] - exact[i]) <= 4.5 * std::sqrt(independent / rounds));
    CHECK(square[i] <= 1.1 * independent);
  }
}

TEST_CASE("a judge contradicts himself by nothing but the order of the question") {
  const auto v = normals(8, 8);
  const auto judge = zg::judge_of(zg::general_preference_game(zm::matrix_view(v.data(), 4, 2)), {.samples = 50});
  for (std::int64_t i = 0; i < 4; ++i)
    for (std::int64_t j = 0; j < 4; ++j) {
      CHECK(judge.probability(i, j) + judge.probability(j, i) == Approx(1));
      for (std::int64_t m = 0; m < 5 && i != j; ++m) CHECK(judge.prefers(i, j, m) != judge.prefers(j, i, m));
    }
  double wins = 0;
  const auto patient = zg::judge_of(judge.preferences, {.samples = 20000});
  wins = patient.probability(0, 1);
  const double p = judge.preferences.probability(0, 1);
  CHECK(std::abs(wins - p) <= 4 * std::sqrt(p * (1 - p) / 20000));
}

TEST_CASE("games of general preferences refuse what makes no sense") {
  std::vector<double> v(12, 1.0), p(6, 1.0 / 6), out(6);
  const auto e = zm::matrix_view(v.data(), 6, 2);
  CHECK_THROWS_AS(zg::general_preference_game(zm::matrix_view(v.data(), 4, 3)), zm::shape_error);
  CHECK_THROWS_AS(zg::general_preference_game(zm::matrix_view(v.data(), 0, 2)), zm::shape_error);
  CHECK_THROWS_AS(zg::general_preference_game(e, std::vector<double>(2, 1.0)), zm::shape_error);
  CHECK_THROWS_AS(zg::general_preference_game(e, zp::unit_scales, {.temperature = 0}), zm::domain_error);
  CHECK_THROWS_AS(zg::judge_of(zg::general_preference_game(e), {.samples = 0}), zm::domain_error);
  const auto scores = zg::general_preference_score_game(e);
  const auto game = zg::general_preference_game(e);
  CHECK(thrown<zm::shape_error>([&] { scores.win_rate(zm::simd{}, std::vector<double>(5, 0.2), out); }).argument() ==
        "policy");
  CHECK(thrown<zm::shape_error>([&] { game.win_rate(zm::simd{}, std::vector<double>(5, 0.2), out); }).argument() ==
        "policy");
  p[4] = std::nan("");
  CHECK(thrown<zm::domain_error>([&] { game.win_rate(zm::simd{}, p, out); }).index() == 4);
  CHECK(thrown<zm::domain_error>([&] { scores.win_rate(zm::simd{}, p, out); }).index() == 4);
  CHECK(thrown<zm::domain_error>([&] { zg::judge_of(game).win_rate(zm::simd{}, p, out); }).index() == 4);
  v[7] = std::nan("");
  CHECK(thrown<zm::domain_error>([&] { zg::general_preference_game(e); }).index() == 7);
}
