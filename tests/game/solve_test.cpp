// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>
#include <zermelo/bandit/toy_games.hpp>
#include <zermelo/core/execution/threads.hpp>
#include <zermelo/core/random.hpp>
#include <zermelo/game/dynamics.hpp>
#include <zermelo/game/matrix_self_play.hpp>
#include <zermelo/game/small_games.hpp>
#include <zermelo/game/solve.hpp>

#include "catch.hpp"
#include "thrown.hpp"

namespace {

namespace zm = zermelo;
namespace game = zermelo::game;
namespace bandit = zermelo::bandit;
using numbers = std::vector<double>;

numbers some_policy(std::int64_t n, std::uint64_t stream) {
  numbers p(static_cast<std::size_t>(n));
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] = std::exp(2 * zm::uniform(3, stream, i));
  for (double& x : p) x /= sum;
  return p;
}

const bandit::toy_game cycle = bandit::random_game(7, 3);
const numbers start = some_policy(7, 1), mu = some_policy(7, 2);

/// Policies after each of thirty rounds, one after another.
template <class D>
numbers path(const D& dynamics, const bandit::toy_game& g = cycle, const numbers& from = start,
             const numbers& reference = mu) {
  numbers all;
  game::solve(game::preference_matrix(g.table()), dynamics, from, reference, {.limit = 30, .target = 0},
              [&](const game::iterate<double>& i) { all.insert(all.end(), i.policy.begin(), i.policy.end()); });
  return all;
}

void check_same(const numbers& a, const numbers& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t k = 0; k < a.size(); ++k) worst = std::max(worst, std::abs(a[k] - b[k]));
  CHECK(worst < 1e-13);  // thirty rounds, each rounded
}

/// A dynamics of a user's own: replicator dynamics, by Euler's method.
struct replicator {
  double step = 0.1;
  void require_valid() const {}
  template <class R>
  void operator()(R& round) const {
    const auto q = round.win_rate();
    double mean = 0;
    for (std::size_t i = 0; i < q.size(); ++i) mean += round.policy[i] * q[i];
    for (std::size_t i = 0; i < q.size(); ++i) {
      round.policy[i] *= 1 + step * (q[i] - mean);
      round.log_policy[i] = zm::log(round.policy[i]);
    }
  }
};

}  // namespace

TEST_CASE("many names are one step: identities between the dynamics") {
  const double eta = 0.7, tau = 0.2;
  SECTION("magnetic mirror descent is mirror descent with step η/(1+ητ), for every τ") {
    for (const double t : {0.0, 0.2, 3.0})
      check_same(path(game::magnetic_mirror_descent{eta, t}), path(game::mirror_descent{eta / (1 + eta * t), t}));
  }
  SECTION("Nash mirror prox is EGPO with step η/(τ(1+η))") {
    check_same(path(game::nash_mirror_prox{0.4, tau}), path(game::egpo{0.4 / (tau * 1.4), tau}));
  }
  SECTION("INPO is mirror descent in inverse steps, decreasing ones too") {
    check_same(path(game::inpo{1 / eta, tau}), path(game::mirror_descent{eta, tau}));
    check_same(path(game::inpo{0, tau}), path(game::mirror_descent{0, tau}));
  }
  SECTION("without regularisation mirror descent, Nash-MD, MMD, SPPO, DNO and leaders of a constant step are Hedge") {
    const auto expected = path(game::hedge{eta});
    check_same(path(game::mirror_descent{eta, 0}), expected);
    check_same(path(game::nash_md{eta, 0}), expected);
    check_same(path(game::magnetic_mirror_descent{eta, 0}), expected);
    check_same(path(game::sppo{eta}), expected);
    check_same(path(game::dno{1 / eta}), expected);
    check_same(path(game::dual_averaging{eta}), expected);
    check_same(path(game::nash_ema{.step = eta, .kl_weight = 0, .decay = 1}), expected);
    check_same(path(game::egpo{eta, 0}), path(game::mirror_prox{eta}));
  }
  SECTION("optimistic mirror descent in two steps plays what optimistic Hedge plays in one") {
    check_same(path(game::onpo{eta}), path(game::optimistic_hedge{eta}));
  }
  SECTION("an average that forgets at once is the policy itself") {
    for (const auto average : {game::policy_average::geometric, game::policy_average::arithmetic})
      check_same(path(game::nash_ema{eta, tau, 1, average}), path(game::mirror_descent{eta, tau}));
  }
  SECTION("MPO before its first new magnet is magnetic mirror descent") {
    check_same(path(game::mpo{eta, tau, 100}), path(game::magnetic_mirror_descent{eta, tau}));
  }
}

TEST_CASE("Nash-MD's mixture is the policy without pull and the reference with the full one") {
  const auto mixture = [&](double tau) {
    numbers seen;
    game::solve(game::preference_matrix(cycle.table()), game::nash_md{1, tau}, start, mu, {.limit = 1, .target = 0},
                [&](const game::iterate<double>& i) { seen.assign(i.memory(1).begin(), i.memory(1).end()); });
    return seen;
  };
  check_same(mixture(0), start);
  check_same(mixture(1), mu);
}

TEST_CASE("on scores that are differences of rewards, GPO is reward maximisation") {
  const numbers rewards{0.3, -1, 2, 0.5};
  numbers scores;
  for (const double a : rewards)
    for (const double b : rewards) scores.push_back(a - b);
  const auto s = game::score_matrix(zm::matrix_view(scores.data(), 4, 4));
  const auto from = some_policy(4, 7);
  const auto after = game::solve(s, game::gpo{.beta = 0.5}, from, game::uniform_policy, {.limit = 1, .target = 0});
  numbers expected;
  double sum = 0;
  for (std::size_t i = 0; i < 4; ++i) sum += from[i] * std::exp(rewards[i] / 0.5);
  for (std::size_t i = 0; i < 4; ++i) expected.push_back(from[i] * std::exp(rewards[i] / 0.5) / sum);
  check_same(after.policy, expected);
  // Best response less what the policy gets against itself, which for scores is nothing.
  CHECK(after.gap ==
        Approx(2 * (2 - (after.policy[0] * 0.3 - after.policy[1] + after.policy[2] * 2 + after.policy[3] * 0.5))));
}

TEST_CASE("permuted items give permuted policies") {
  const std::vector<std::size_t> order{3, 0, 6, 1, 5, 2, 4};
  bandit::toy_game permuted = cycle;
  numbers from(7), reference(7);
  for (std::size_t i = 0; i < 7; ++i) {
    from[i] = start[order[i]], reference[i] = mu[order[i]];
    for (std::size_t j = 0; j < 7; ++j) permuted.preferences[7 * i + j] = cycle.preferences[7 * order[i] + order[j]];
  }
  const auto check = [&](const auto& dynamics) {
    const auto a = path(dynamics), b = path(dynamics, permuted, from, reference);
    numbers expected(b.size());
    for (std::size_t k = 0; k < b.size(); ++k) expected[k] = a[k / 7 * 7 + order[k % 7]];
    check_same(b, expected);
  };
  check(game::mirror_descent{1, 0.2});
  check(game::egpo{1, 0.2});
  check(game::nash_md{0, 0.2});
  check(game::extragradient{0.2});
  check(game::regret_matching{});
  check(game::comal{1, 0.2});
}

TEST_CASE("with one item there is one policy") {
  const bandit::toy_game alone = bandit::random_game(1, 0);
  const numbers one{1};
  for (const auto& p : {path(game::hedge{}, alone, one, one), path(game::egpo{}, alone, one, one),
                        path(game::extragradient{}, alone, one, one), path(game::regret_matching{}, alone, one, one)})
    for (const double x : p) CHECK(x == 1);
}

TEST_CASE("self-play stops at the target, at the limit, or where nothing moves, and says which") {
  const auto preferences = game::preference_matrix(cycle.table());
  const auto reached = game::solve(preferences, game::egpo{1, 0.1}, {.target = 1e-8});
  CHECK(reached.convergence.status == zm::status::converged);
  CHECK(reached.gap <= 1e-8);
  CHECK(reached.convergence.residual == reached.gap);
  const auto limited = game::solve(preferences, game::hedge{0.1}, {.limit = 17});
  CHECK(limited.convergence.status == zm::status::limit);
  CHECK(limited.convergence.iterations == 17);
  const auto stalled = game::solve(preferences, game::egpo{1, 0.1}, {.limit = 100000, .target = 0});
  CHECK(stalled.convergence.status == zm::status::stalled);
  CHECK(stalled.convergence.iterations < 5000);
  CHECK(std::abs(stalled.gap) < 1e-14);
  const auto none = game::solve(preferences, game::egpo{}, start, mu, {.limit = 0});
  check_same(none.policy, start);
  check_same(none.average, start);
  CHECK(none.convergence.iterations == 0);
}

TEST_CASE("the average is streamed, and looks at the gap may be rare") {
  const auto preferences = game::preference_matrix(cycle.table());
  numbers sum(7);
  std::vector<std::int64_t> looks;
  const auto end = game::solve(preferences, game::hedge{0.3}, start, mu,
                               {.limit = 250, .target = 0, .check_every = 10, .check_growth = 0.1},
                               [&](const game::iterate<double>& i) {
                                 for (std::size_t k = 0; k < 7; ++k) sum[k] += i.policy[k] / 250;
                                 if (i.measured) looks.push_back(i.round);
                               });
  check_same(end.average, sum);
  CHECK(looks == std::vector<std::int64_t>{1,   11,  21,  31,  41,  51,  61,  71,  81,  91,
                                           101, 111, 122, 134, 147, 161, 177, 194, 213, 234});
  std::int64_t rounds = 0;
  const auto stopped = game::solve(preferences, game::hedge{0.3}, start, mu, {.target = 0},
                                   [&](const game::iterate<double>&) { return ++rounds < 5; });
  CHECK(stopped.convergence.iterations == 5);
}

TEST_CASE("every backend plays the same game") {
  const auto preferences = game::preference_matrix(cycle.table());
  zm::threads pool{2};
  const auto run = [&](auto&& policy) {
    return game::solve(policy, preferences, game::egpo{1, 0.1}, start, mu, {.limit = 40, .target = 0}).policy;
  };
  const auto a = run(zm::serial{}), b = run(zm::simd{}), c = run(pool);
  check_same(a, b);
  CHECK(b == c);
}

TEST_CASE("floats reach gaps of their precision") {
  const auto toy = bandit::random_game(6, 5);
  const std::vector<float> table(toy.preferences.begin(), toy.preferences.end());
  const auto end = game::solve(game::preference_matrix(zm::matrix_view(table.data(), 6, 6)), game::egpo{1, 0.1},
                               {.limit = 2000, .target = 0});
  CHECK(std::abs(end.gap) < 1e-5);
  float sum = 0;
  for (const float x : end.policy) sum += x;
  CHECK(sum == Approx(1).epsilon(1e-6));
}

TEST_CASE("a game of a batch is solved as if it were alone, in any order") {
  numbers tables, starts;
  constexpr std::int64_t games = 9;
  for (std::int64_t g = 0; g < games; ++g) {
    const auto toy = bandit::random_game(5, static_cast<std::uint64_t>(g));
    const auto p = some_policy(5, static_cast<std::uint64_t>(g));
    tables.insert(tables.end(), toy.preferences.begin(), toy.preferences.end());
    starts.insert(starts.end(), p.begin(), p.end());
  }
  const zm::tensor_view<const double, 3> cube{.data = tables.data(), .shape = {games, 5, 5}, .strides = {25, 5, 1}};
  const auto batch = game::preference_matrix(cube);
  zm::threads pool{2};
  const auto from = zm::matrix_view(static_cast<const double*>(starts.data()), games, 5);
  const auto all = game::solve(pool, batch, game::egpo{1, 0.1}, from, game::uniform_policy, {.target = 1e-9});
  REQUIRE(all.size() == games);
  for (std::int64_t g = 0; g < games; ++g) {
    const auto alone = game::solve(batch.game(g), game::egpo{1, 0.1},
                                   zm::vector_view(static_cast<const double*>(starts.data()) + 5 * g, 5),
                                   game::uniform_policy, {.target = 1e-9});
    CHECK(all[static_cast<std::size_t>(g)].policy == alone.policy);
    CHECK(all[static_cast<std::size_t>(g)].convergence.iterations == alone.convergence.iterations);
  }
  CHECK_THROWS_AS(game::solve(pool, batch, game::egpo{},
                              zm::matrix_view(static_cast<const double*>(starts.data()), 4, 5), game::uniform_policy),
                  zm::shape_error);
}

TEST_CASE("a small game is played on the stack as the driver plays it") {
  const auto preferences = game::preference_matrix(cycle.table());
  const auto check = [&](const auto& dynamics) {
    const auto small = game::solve_small<9>(cycle.table(), dynamics, {.limit = 30, .target = 0});
    const auto same = game::solve(preferences, dynamics, {.limit = 30, .target = 0});
    CHECK(small.rounds == 30);
    CHECK(small.gap == Approx(same.gap).margin(1e-13));
    check_same({small.policy, small.policy + 7}, same.policy);
    CHECK(small.policy[7] == 0);
  };
  check(game::hedge{0.3});
  check(game::dual_averaging{});
  check(game::optimistic_hedge{0.5, 0.1});
  check(game::onpo{0.5});
  check(game::mirror_descent{1, 0.2});
  check(game::nash_md{0, 0.2});
  check(game::nash_ema{});
  check(game::egpo{1, 0.2});
  check(game::nash_mirror_prox{});
  check(game::mpo{1, 0.1, 7});
  const auto quick = game::solve_small<9>(cycle.table(), game::egpo{1, 0.02}, {.limit = 1000, .target = 0.01});
  CHECK(quick.converged);
  CHECK(quick.gap <= 0.01);
  CHECK_THROWS_AS(game::solve_small<6>(cycle.table(), game::hedge{}), zm::shape_error);
}

TEST_CASE("a dynamics of one's own is a struct") {
  const auto end = game::solve(game::preference_matrix(bandit::condorcet_cycle(6, 0.2, 0.7).table()), replicator{0.5},
                               {.target = 1e-6});
  CHECK(end.policy[0] > 0.9999);
}

TEST_CASE("ties of best responses go to the lowest index, or at random by a seed") {
  const auto even = bandit::cycle_tournament(5, 0.5);
  const auto first =
      game::solve(game::preference_matrix(even.table()), game::fictitious_play{}, {.limit = 50, .target = 0});
  CHECK(first.average[0] == 1);
  const auto spread = game::solve(game::preference_matrix(even.table()),
                                  game::fictitious_play{game::tie_rule::random, 4}, {.limit = 2000, .target = 0});
  for (const double x : spread.average) CHECK(x == Approx(0.2).margin(0.05));
}

TEST_CASE("two regret matchers find minimax strategies, sooner when they alternate") {
  const numbers m{0, -1, 1, 1, 0, -1, -1, 1, 0, 1, -2, 3};
  const auto matrix = zm::matrix_view(m.data(), 4, 3);
  for (const auto rule : {game::regret_rule::plain, game::regret_rule::plus, game::regret_rule::predictive}) {
    const auto both = game::play_matrix(matrix, {.rule = rule, .rounds = 5000});
    CHECK(both.average_gap < 0.1);
    double sum = 0;
    for (const double x : both.row_average) sum += x;
    CHECK(sum == Approx(1));
  }
  const auto zero = game::play_matrix(zm::matrix_view(m.data(), 1, 1), {});
  CHECK(zero.average_gap == 0);
  CHECK_THROWS_AS(game::play_matrix(matrix, {.rounds = -1}), zm::domain_error);
}

TEST_CASE("two players by mirror descent reach strategies that respond to each other, or minimax ones on average") {
  const numbers m{0, -1, 1, 1, 0, -1, -1, 1, 0, 1, -2, 3};
  const auto matrix = zm::matrix_view(m.data(), 4, 3);
  const numbers rows{0.1, 0.2, 0.3, 0.4}, columns{0.5, 0.25, 0.25};
  const double tau = 0.5;
  const auto soft = game::mirror_play(matrix, rows, columns, {.step = 0.1, .kl_weight = tau, .rounds = 5000});
  const auto& p = soft.row_strategy;
  const auto& q = soft.column_strategy;
  for (std::size_t i = 1; i < 4; ++i) {
    double gained = 0;
    for (std::size_t j = 0; j < 3; ++j) gained += (m[3 * i + j] - m[j]) * q[j];
    CHECK(std::log(p[i] / p[0]) == Approx(std::log(rows[i] / rows[0]) + gained / tau).epsilon(1e-10));
  }
  for (std::size_t j = 1; j < 3; ++j) {
    double lost = 0;
    for (std::size_t i = 0; i < 4; ++i) lost += (m[3 * i + j] - m[3 * i]) * p[i];
    CHECK(std::log(q[j] / q[0]) == Approx(std::log(columns[j] / columns[0]) - lost / tau).epsilon(1e-10));
  }
  const auto hedge = game::mirror_play(matrix, rows, columns, {.step = 0.02, .kl_weight = 0, .rounds = 20000});
  CHECK(hedge.average_gap < 0.05);
  CHECK_THROWS_AS(game::mirror_play(matrix, columns, rows), zm::shape_error);
  CHECK_THROWS_AS(game::mirror_play(matrix, rows, columns, {.step = 3, .kl_weight = 1}), zm::domain_error);
}

TEST_CASE("parameters that make no sense are refused, and so are policies that are none") {
  const auto preferences = game::preference_matrix(cycle.table());
  const auto refuse = [&](const auto& dynamics) {
    return thrown<zm::domain_error>([&] { game::solve(preferences, dynamics, start, mu, {.limit = 1}); }).argument();
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(refuse(game::hedge{0}) == "step");
  CHECK(refuse(game::hedge{-1}) == "step");
  CHECK(refuse(game::hedge{nan}) == "step");
  CHECK(refuse(game::gpo{0}) == "beta");
  CHECK(refuse(game::mirror_descent{3, 0.5}) == "step");
  CHECK(refuse(game::mirror_descent{1, -0.1}) == "kl_weight");
  CHECK(refuse(game::nash_md{3, 0.5}) == "step");
  CHECK(refuse(game::nash_md{0, 0}) == "kl_weight");
  CHECK(refuse(game::egpo{3, 0.5}) == "step");
  CHECK(refuse(game::inpo{0.1, 0.5}) == "step");
  CHECK(refuse(game::optimistic_hedge{3, 0.5}) == "step");
  CHECK(refuse(game::nash_mirror_prox{1, 0}) == "kl_weight");
  CHECK(refuse(game::nash_ema{1, 0.1, 0}) == "decay");
  CHECK(refuse(game::mpo{1, 0.1, 0}) == "refresh");
  CHECK(refuse(game::comal{1, 0.1, 1}) == "inner_tolerance");
  CHECK(refuse(game::regret_matching{game::regret_rule::plus, 0, 1}) == "exploration");
  const auto message = std::string(thrown<zm::domain_error>([&] {
                                     game::solve(preferences, game::egpo{3, 0.5});
                                   }).what());
  CHECK(message.find("step × kl_weight is 1.5") != std::string::npos);

  const auto solve = [&](const numbers& from, const numbers& reference) {
    game::solve(preferences, game::egpo{1, 0.1}, from, reference, {.limit = 1});
  };
  numbers broken = start, holed = mu;
  broken[2] = -0.1;
  holed[0] += holed[3], holed[3] = 0;
  CHECK(thrown<zm::domain_error>([&] { solve(broken, mu); }).index() == 2);
  CHECK(thrown<zm::domain_error>([&] { solve(start, holed); }).argument() == "reference");
  CHECK_NOTHROW(solve(holed, mu));
  CHECK_NOTHROW(game::solve(preferences, game::hedge{}, start, holed, {.limit = 1}));
  CHECK_THROWS_AS(solve(numbers(6, 1.0 / 6), mu), zm::shape_error);
  CHECK_THROWS_AS(solve(start, numbers(8, 1.0 / 8)), zm::shape_error);
  CHECK_THROWS_AS(game::solve(preferences, game::egpo{}, {.check_every = 0}), zm::domain_error);
  CHECK_THROWS_AS(game::solve(preferences, game::egpo{}, {.target = nan}), zm::domain_error);
}
