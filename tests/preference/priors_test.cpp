// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/preference/priors.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "catch.hpp"
#include "preference/tournaments.hpp"
#include "property.hpp"
#include "thrown.hpp"
#include "zermelo/preference/bradley_terry.hpp"

// Derivatives of the penalties are checked in tests/reliability.

namespace zm = zermelo;
namespace zp = zermelo::preference;
using namespace tournaments;

namespace {

std::vector<double> strengths(const zp::strength_prior& prior, const zp::comparison_graph& g,
                              zp::fit_parameters p = {}) {
  return zp::fit(zp::bradley_terry{.prior = prior}, g, p).strength;
}

double sum(const std::vector<double>& x) { return std::accumulate(x.begin(), x.end(), 0.0); }

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = (std::max)(largest, std::abs(a[i] - b[i]));
  return largest;
}

/// Two leagues that never met, with an undefeated item, and an item without battles.
win_table hopeless() {
  win_table w(6);
  w(0, 1) = 3, w(1, 2) = 2, w(2, 1) = 1;
  w(3, 4) = 2, w(4, 3) = 2;
  return w;
}

}  // namespace

TEST_CASE("without battles the fit is the prior's mode") {
  const auto nothing = win_table(4).graph();
  CHECK(strengths(zp::gaussian_prior{.precision = 0.3}, nothing) == std::vector<double>(4, 0.0));
  CHECK(strengths(zp::phantom_prior{.games = 2}, nothing) == std::vector<double>(4, 0.0));
  for (const double x : strengths(zp::gamma_prior{.shape = 3.5, .rate = 0.5}, nothing))
    CHECK(x == Approx(std::log(2.5 / 0.5)).epsilon(1e-14));
}

TEST_CASE("a vanishing penalty leaves the maximum-likelihood estimate") {
  const auto graph = random_wins(8, 0.5, 9, 71).graph();
  const auto exact = strengths(zp::no_prior{}, graph);
  CHECK(largest_difference(strengths(zp::gaussian_prior{.precision = 1e-11}, graph), exact) < 1e-10);
  CHECK(largest_difference(strengths(zp::pair_prior{.games = 1e-11}, graph), exact) < 1e-10);
  const auto centred = [](std::vector<double> theta) {  // these have a zero of their own, however weak they are
    const double mean = sum(theta) / static_cast<double>(theta.size());
    for (double& x : theta) x -= mean;
    return theta;
  };
  CHECK(largest_difference(centred(strengths(zp::phantom_prior{.games = 1e-9}, graph)), exact) < 1e-8);
  CHECK(largest_difference(centred(strengths(zp::gamma_prior{.shape = 1 + 1e-9, .rate = 1e-9}, graph)), exact) < 1e-8);
}

TEST_CASE("islands, undefeated items and items without battles get finite strengths") {
  const auto graph = hopeless().graph();
  for (const zp::strength_prior& prior :
       std::vector<zp::strength_prior>{zp::gaussian_prior{}, zp::gamma_prior{}, zp::phantom_prior{}}) {
    const auto fitted = zp::fit(zp::bradley_terry{.prior = prior}, graph);
    CHECK(fitted.convergence.status == zm::status::converged);
    for (const double x : fitted.strength) CHECK(std::abs(x) < 10);
    CHECK(fitted.strength[0] > fitted.strength[1]);
    CHECK(fitted.strength[3] == Approx(fitted.strength[4]).margin(1e-14));
    CHECK(fitted.components.empty());
  }
}

TEST_CASE("a Gaussian prior centres the strengths by itself") {
  check_property([] {
    const auto n = *rc::gen::inRange<std::int64_t>(1, 12);
    win_table w(n);  // any counts, none included
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n; ++j)
        if (i != j) w(i, j) = *rc::gen::inRange(0, 4);
    const auto theta = strengths(zp::gaussian_prior{.precision = 0.1}, w.graph());
    RC_ASSERT(std::abs(sum(theta)) < 1e-12 * (1 + std::abs(theta[0])) * static_cast<double>(n));
  });
}

TEST_CASE("gamma and phantom priors have a zero of their own, and are not centred") {
  const auto graph = hopeless().graph();
  const double shape = 2.5, rate = 0.4;
  const auto gamma = strengths(zp::gamma_prior{.shape = shape, .rate = rate}, graph);
  double total = 0;
  for (const double x : gamma) total += std::exp(x);
  CHECK(total == Approx(6 * (shape - 1) / rate).epsilon(1e-12));
  CHECK(std::abs(sum(gamma)) > 0.1);
  const auto phantom = strengths(zp::phantom_prior{.games = 0.5}, graph);
  CHECK(std::abs(sum(phantom)) > 1e-3);
  CHECK(phantom[5] == 0);  // no battles but those with the phantom
}

TEST_CASE("all solvers that have a step for a prior reach its optimum") {
  using zp::fit_method;
  for (const std::uint64_t seed : {81u, 82u, 83u}) {
    for (const auto& graph : {random_wins(7, 0.4, 6, seed).graph(), hopeless().graph()}) {
      for (const zp::strength_prior& prior :
           std::vector<zp::strength_prior>{zp::gamma_prior{.shape = 1.8, .rate = 0.7}, zp::phantom_prior{}}) {
        const auto exact = strengths(prior, graph);
        for (const auto method : {fit_method::lbfgs, fit_method::mm, fit_method::mm_cyclic, fit_method::newman,
                                  fit_method::newman_parallel})
          CHECK(largest_difference(exact, strengths(prior, graph, {.method = method, .tolerance = 1e-13})) < 1e-9);
      }
      const auto exact = strengths(zp::gaussian_prior{}, graph);
      CHECK(largest_difference(exact, strengths(zp::gaussian_prior{}, graph,
                                                {.method = fit_method::lbfgs, .tolerance = 1e-13})) < 1e-9);
    }
  }
  for (const auto method : {fit_method::mm, fit_method::mm_cyclic, fit_method::newman, fit_method::newman_parallel})
    CHECK(thrown<zm::domain_error>([&] {
            strengths(zp::gaussian_prior{}, hopeless().graph(), {.method = method});
          }).argument() == "method");
}

TEST_CASE("GABRIEL#73: pseudo-counts only on pairs that met, and coherent in both directions") {
  const win_table w = random_wins(6, 0.3, 5, 91);
  win_table more = w;
  for (std::int64_t i = 0; i < 6; ++i)
    for (std::int64_t j = 0; j < 6; ++j)
      if (w(i, j) + w(j, i) > 0) more(i, j) += 0.75;
  const auto with_prior = zp::fit(zp::bradley_terry{.prior = zp::pair_prior{.games = 1.5}}, w.graph());
  const auto by_hand = zp::fit(zp::bradley_terry{}, more.graph());
  CHECK(largest_difference(with_prior.strength, by_hand.strength) < 1e-13);
  // The likelihood reported is that of the battles that were fought.
  CHECK(with_prior.objective == Approx(by_hand.objective).epsilon(1e-13));
  CHECK(with_prior.log_likelihood > by_hand.log_likelihood);

  const auto islands = thrown<zm::not_identifiable>([] { strengths(zp::pair_prior{}, hopeless().graph()); });
  CHECK(islands.components() == zm::item_sets{{0, 1, 2}, {3, 4}, {5}});
  win_table undefeated(2);
  undefeated(0, 1) = 3;
  const auto theta = strengths(zp::pair_prior{.games = 1}, undefeated.graph());
  CHECK(theta[0] - theta[1] == Approx(std::log(3.5 / 0.5)).epsilon(1e-13));
}

TEST_CASE("GABRIEL#73: a draw counts as one comparison, not two") {
  const std::vector<int> first = {0}, second = {1};
  const std::vector<double> draw = {0.5};
  const auto graph = zp::count_battles(first, second, draw, 2);
  CHECK(graph.battles == 1);
  CHECK(zp::fit(zp::bradley_terry{}, graph).log_likelihood == Approx(-std::log(2.0)).epsilon(1e-15));
  CHECK(zp::fit(zp::bradley_terry{}, graph).certificate.scale == 1);
}

TEST_CASE("choix's alpha is half of the precision") {
  // By hand: two items, 0 won once. g = −σ(−d) + λθ₀ = 0 with d = 2θ₀, λ = 2.
  win_table w(2);
  w(0, 1) = 1;
  const auto theta = strengths(zp::gaussian_prior{.precision = 2}, w.graph());
  CHECK(2 * theta[0] == Approx(1 / (1 + std::exp(2 * theta[0]))).epsilon(1e-14));
}

TEST_CASE("a prior's parameters are refused by name") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  const auto argument = [](const zp::strength_prior& prior) {
    return thrown<zm::domain_error>([&] { strengths(prior, win_table(2).graph()); }).argument();
  };
  for (const double bad : {0.0, -1.0, nan, infinity}) {
    CHECK(argument(zp::gaussian_prior{.precision = bad}) == "prior.precision");
    CHECK(argument(zp::gamma_prior{.shape = 2, .rate = bad}) == "prior.rate");
    CHECK(argument(zp::gamma_prior{.shape = bad}) == "prior.shape");
    CHECK(argument(zp::phantom_prior{.games = bad}) == "prior.games");
    CHECK(argument(zp::pair_prior{.games = bad}) == "prior.games");
  }
  CHECK(argument(zp::gamma_prior{.shape = 1}) == "prior.shape");
}
