// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>
#include <zermelo/bandit/adversarial_duels.hpp>
#include <zermelo/bandit/copeland_confidence_bound.hpp>
#include <zermelo/bandit/simulate_duels.hpp>

#include "../catch.hpp"
#include "worlds.hpp"

using namespace zermelo::bandit;
using worlds::square;

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Mean regret at horizons T and 4T.
template <class Make>
std::pair<double, double> grown(const square& p, const regret_table& table, regret_kind kind, std::int64_t horizon,
                                Make make) {
  const auto at_horizon = [&](std::int64_t t) {
    const auto c = simulate_duels(zermelo::simd{}, world_of(p.view()), table, [&](auto) { return make(t); },
                                  {.horizon = t, .repetitions = 8, .checkpoints = 1, .regret = kind});
    return c.mean(0);
  };
  return {at_horizon(horizon), at_horizon(4 * horizon)};
}

/// Shares after some duels, no two alike.
template <class Algorithm>
void stir(Algorithm& a, const square& p) {
  draw_stream draws(3), outcomes(4);
  for (int t = 0; t < 200; ++t) {
    const duel d = a.next_pair(draws);
    a.observe(d.first, d.second, outcomes.uniform() < p(d.first, d.second));
  }
}

}  // namespace

TEST_CASE("Copeland regret of CCB grows like a logarithm, with and without a winner of all") {
  square open = worlds::cycle(5, 0.8);
  open(0, 3) = 0.8, open(3, 0) = 0.2;
  for (const square& p : {worlds::five(), open}) {
    const auto [early, late] =
        grown(p, regrets_of(p.view()), regret_kind::copeland, 5000, [](auto) { return copeland_confidence_bound(5); });
    CHECK(late <
          1.6 * early);  // linear growth is by 4, that of ln T by ln 20000 / ln 5000 = 1.16 and what is not asymptotic
    CHECK(late < 0.06 * 0.25 * 20'000);  // random pairs lose about a quarter a round
  }
}

TEST_CASE("CCB's counts bracket the truth, and who is certain is right") {
  const square p = worlds::five();
  copeland_confidence_bound a(5, {.alpha = 1});
  draw_stream draws(5), outcomes(6);
  std::int64_t own = 0;
  for (int t = 0; t < 20'000; ++t) {
    const duel d = a.next_pair(draws);
    a.observe(d.first, d.second, outcomes.uniform() < p(d.first, d.second));
    own += t >= 19'000 && d == duel{2, 2} ? 1 : 0;
  }
  CHECK(a.likely[2] == 1);
  CHECK(a.losses <= 5);
  CHECK(own > 500);  // the winner mostly duels itself by then
}

TEST_CASE("Sparring's estimates are unbiased: their expectation is what each arm earns against the other learner") {
  const square p = worlds::drawn(4, 8);
  sparring a(4, {.step = 0.05, .exploration = 0.1});
  stir(a, p);
  std::vector<double> expected[2] = {std::vector<double>(4), std::vector<double>(4)};
  for (std::int64_t i = 0; i < 4; ++i)
    for (std::int64_t j = 0; j < 4; ++j)
      for (const bool won : {false, true}) {
        sparring next = a;
        next.observe(i, j, won);
        const double chance = a.strategy(0)[at(i)] * a.strategy(1)[at(j)] * (won ? p(i, j) : 1 - p(i, j));
        for (int k = 0; k < 2; ++k)
          for (std::size_t m = 0; m < 4; ++m) expected[k][m] += chance * (next.gains[k][m] - a.gains[k][m]);
      }
  for (std::int64_t m = 0; m < 4; ++m) {
    double row = 0, column = 0;
    for (std::int64_t j = 0; j < 4; ++j) {
      row += p(m, j) * a.strategy(1)[at(j)];
      column += (1 - p(j, m)) * a.strategy(0)[at(j)];
    }
    CHECK(expected[0][at(m)] == Approx(row).epsilon(1e-10));
    CHECK(expected[1][at(m)] == Approx(column).epsilon(1e-10));
  }
}

TEST_CASE("D-Exp3's estimates are unbiased for shifted Borda scores") {
  const square p = worlds::drawn(4, 9);
  dueling_exp3 a(4, {.step = 0.02, .exploration = 0.2});
  stir(a, p);
  std::vector<double> expected(4);
  for (std::int64_t i = 0; i < 4; ++i)
    for (std::int64_t j = 0; j < 4; ++j)
      for (const bool won : {false, true}) {
        dueling_exp3 next = a;
        next.observe(i, j, won);
        const double chance = a.strategy()[at(i)] * a.strategy()[at(j)] * (won ? p(i, j) : 1 - p(i, j));
        for (std::size_t m = 0; m < 4; ++m) expected[m] += chance * (next.gains[m] - a.gains[m]);
      }
  for (std::int64_t m = 0; m < 4; ++m) {
    double score = 0;
    for (std::int64_t j = 0; j < 4; ++j) score += p(m, j) / 4;
    CHECK(expected[at(m)] == Approx(score).epsilon(1e-10));
  }
}

TEST_CASE("Exponential weights without exploration are Hedge: each arm's share times e to its gain") {
  const std::vector<double> gains{1, 3, 2, 0};
  std::vector<double> share(4);
  zermelo::bandit::detail::exponential_shares(gains, 0.7, 0, share);
  double sum = 0;
  for (const double q : share) sum += q;
  CHECK(sum == Approx(1));
  CHECK(share[1] / share[3] == Approx(std::exp(0.7 * 3)));
  zermelo::bandit::detail::exponential_shares(std::vector<double>{1e4, 0, 0, 0}, 1, 0.4, share);  // no overflow
  CHECK(share[0] == Approx(0.7));
  CHECK(share[1] == Approx(0.1));
}

TEST_CASE("Sparring's von Neumann regret grows like a square root, D-Exp3's Borda regret by less than the rounds") {
  const square p = worlds::five();
  const auto table = regrets_of(p.view(), std::vector<double>{0, 0, 1, 0, 0});
  const auto [a, b] =
      grown(p, table, regret_kind::von_neumann, 5000, [](auto t) { return sparring(5, {.horizon = t}); });
  CHECK(b / a == Approx(2).epsilon(0.15));
  const auto [c, d] =
      grown(p, table, regret_kind::borda, 10'000, [](auto t) { return dueling_exp3(5, {.horizon = t}); });
  CHECK(d / c < 3.2);  // 4^⅔ = 2.5 and a logarithm, against 4
}

TEST_CASE("Adversarial and Copeland state that is written down and read again goes on with the same duels") {
  const square p = worlds::five();
  const auto check = [&](auto a) {
    stir(a, p);
    auto restored = a;
    restored.rebuild();
    draw_stream draws(8), same(8);
    for (int k = 0; k < 20; ++k) CHECK(a.next_pair(draws) == restored.next_pair(same));
  };
  check(copeland_confidence_bound(5));
  check(sparring(5));
  check(dueling_exp3(5));
}

TEST_CASE("A single arm duels itself, and bad parameters are named") {
  draw_stream draws(1);
  const auto alone = [&](auto a) {
    for (int k = 0; k < 3; ++k) {
      CHECK(a.next_pair(draws) == duel{0, 0});
      a.observe(0, 0, k == 1);
    }
  };
  alone(copeland_confidence_bound(1));
  alone(sparring(1));
  alone(dueling_exp3(1));
  CHECK_THROWS_AS(copeland_confidence_bound(3, {.alpha = 0.5}), zermelo::domain_error);
  CHECK_THROWS_AS(sparring(0), zermelo::domain_error);
  CHECK_THROWS_AS(sparring(3, {.step = -1}), zermelo::domain_error);
  CHECK_THROWS_AS(dueling_exp3(3, {.exploration = 1.5}), zermelo::domain_error);
  CHECK_THROWS_AS(dueling_exp3(3, {.exploration = std::numeric_limits<double>::quiet_NaN()}), zermelo::domain_error);
  CHECK_THROWS_AS(dueling_exp3(3, {.horizon = 0}), zermelo::domain_error);
  sparring s(3);
  CHECK_THROWS_AS(s.observe(3, 0, true), zermelo::domain_error);
}
