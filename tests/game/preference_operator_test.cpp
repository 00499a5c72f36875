// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>
#include <zermelo/core/execution/threads.hpp>
#include <zermelo/game/preference_operator.hpp>
#include <zermelo/preference/comparison_graph.hpp>

#include "catch.hpp"
#include "thrown.hpp"

namespace {

namespace zm = zermelo;
namespace game = zermelo::game;

zm::tensor_view<const double, 2> square(const std::vector<double>& p, std::int64_t n) {
  return zm::matrix_view(p.data(), n, n);
}

/// Σⱼ P[i, j] pⱼ by the definition.
template <class O>
std::vector<double> asked_pair_by_pair(const O& o, const std::vector<double>& p) {
  std::vector<double> out(p.size());
  for (std::int64_t i = 0; i < o.items(); ++i)
    for (std::int64_t j = 0; j < o.items(); ++j)
      out[static_cast<std::size_t>(i)] += o.probability(i, j) * p[static_cast<std::size_t>(j)];
  return out;
}

template <class O>
void check_against_pairs(const O& o) {
  const auto n = static_cast<std::size_t>(o.items());
  std::vector<double> p(n);
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += p[i] = 1.0 + static_cast<double>((i * 7) % 5);
  for (double& x : p) x /= sum;
  const auto expected = asked_pair_by_pair(o, p);
  zm::threads pool{2};
  const auto check = [&](auto&& policy) {
    std::vector<double> out(n);
    o.win_rate(policy, p, out);
    // n products and sums, each rounded once: n units of numbers that are at most 1.
    for (std::size_t i = 0; i < n; ++i) CHECK(std::abs(out[i] - expected[i]) <= 4e-16 * static_cast<double>(n));
  };
  check(zm::serial{});
  check(zm::simd{});
  check(pool);
}

static_assert(game::preference_operator<game::dense_preferences<double>>);
static_assert(game::preference_operator<game::dense_preferences<float>>);
static_assert(game::preference_operator<game::bradley_terry_preferences<float>>);
static_assert(game::preference_operator<game::empirical_preferences>);
static_assert(game::preference_batch<game::dense_preference_batch<double>>);

}  // namespace

TEST_CASE("every operator's win rate is the expectation of its probabilities") {
  constexpr std::int64_t n = 37;
  std::vector<double> strengths, p(static_cast<std::size_t>(n * n));
  for (std::int64_t i = 0; i < n; ++i) strengths.push_back(std::sin(static_cast<double>(i * i)));
  const auto scores = game::bradley_terry_game(strengths);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) p[static_cast<std::size_t>(i * n + j)] = scores.probability(i, j);
  check_against_pairs(scores);
  check_against_pairs(game::preference_matrix(square(p, n)));
  check_against_pairs(game::preference_matrix(zm::transposed(square(p, n))));

  const std::vector<int> first{0, 1, 2, 0, 5, 30}, second{1, 2, 0, 2, 6, 31};
  const std::vector<double> outcomes{1, 1, 1, 0, 0.5, 0};
  for (const std::int64_t limit : {0, 100}) {
    const auto graph = zm::preference::count_battles(first, second, outcomes, n, {.dense_limit = limit});
    check_against_pairs(game::empirical_game(graph));
    check_against_pairs(game::empirical_game(graph, {.pseudo_count = 2}));
  }
}

TEST_CASE("counts become shares, ties count half, and pairs that never met are even") {
  const std::vector<int> first{0, 0, 0, 0, 1}, second{1, 1, 1, 1, 2};
  const std::vector<double> outcomes{1, 1, 0.5, 0, 1};
  const auto graph = zm::preference::count_battles(first, second, outcomes, 4);
  const auto counted = game::empirical_game(graph);
  CHECK(counted.probability(0, 1) == 2.5 / 4);
  CHECK(counted.probability(1, 0) == 1.5 / 4);
  CHECK(counted.probability(1, 2) == 1);
  CHECK(counted.probability(0, 3) == 0.5);
  CHECK(counted.probability(3, 3) == 0.5);
  CHECK(game::empirical_game(graph, {.pseudo_count = 1}).probability(1, 2) == 0.75);
}

TEST_CASE("a batch of matrices is a game a prompt") {
  const std::vector<double> p{0.5, 1, 0, 0.5, 0.5, 0.25, 0.75, 0.5};
  zm::tensor_view<const double, 3> tables{.data = p.data(), .shape = {2, 2, 2}, .strides = {4, 2, 1}};
  const auto batch = game::preference_matrix(tables);
  REQUIRE(batch.games() == 2);
  CHECK(batch.game(0).probability(0, 1) == 1);
  CHECK(batch.game(1).probability(1, 0) == 0.75);
}

TEST_CASE("scores are skew, and a tie of scores is zero") {
  const std::vector<double> s{0, 7, -7, 0};
  const auto scores = game::score_matrix(square(s, 2));
  CHECK(game::tie_of(scores) == 0);
  CHECK(scores.probability(0, 1) == 7);
  const std::vector<double> not_skew{0, 7, 7, 0};
  CHECK(thrown<zm::domain_error>([&] { game::score_matrix(square(not_skew, 2)); }).argument() == "scores");
}

TEST_CASE("what is no matrix of preferences is refused, with its entry") {
  const auto refuse = [](std::vector<double> p, std::int64_t n) {
    return thrown<zm::domain_error>([&] { game::preference_matrix(square(p, n)); });
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(refuse({0.5, nan, 0.5, 0.5}, 2).index() == 1);
  CHECK(refuse({0.5, 1.5, -0.5, 0.5}, 2).index() == 1);
  CHECK(refuse({0.5, 0.6, 0.6, 0.5}, 2).index() == 2);
  CHECK(refuse({0.4}, 1).index() == 0);
  const auto message = std::string(refuse({0.5, 0.6, 0.6, 0.5}, 2).what());
  CHECK(message.find("add up to 1.2") != std::string::npos);
  const std::vector<double> six(6);
  CHECK_THROWS_AS(game::preference_matrix(zm::matrix_view(six.data(), 2, 3)), zm::shape_error);
  CHECK_THROWS_AS(game::preference_matrix(zm::matrix_view(six.data(), 0, 0)), zm::shape_error);

  const std::vector<double> nearly{0.5, 0.6, 0.4 + 1e-7, 0.5};
  CHECK_THROWS_AS(game::preference_matrix(square(nearly, 2)), zm::domain_error);
  CHECK_NOTHROW(game::preference_matrix(square(nearly, 2), {.tolerance = 1e-6}));

  CHECK_THROWS_AS(game::bradley_terry_game(std::vector<double>{}), zm::shape_error);
  CHECK(thrown<zm::domain_error>([&] { game::bradley_terry_game(std::vector<double>{0, nan}); }).index() == 1);
  const std::vector<double> even{0.5, 0.5, 0.5, 0.5}, three(3);
  std::vector<double> out(2);
  CHECK_THROWS_AS(game::preference_matrix(square(even, 2)).win_rate(zm::simd{}, three, out), zm::shape_error);
}
