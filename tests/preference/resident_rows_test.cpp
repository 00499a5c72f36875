// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fits made of primitives, as they run on a device, run on the host: only the primitives differ there.
#include "zermelo/preference/detail/resident_rows.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "catch.hpp"
#include "preference/tournaments.hpp"
#include "thrown.hpp"
#include "zermelo/core/links.hpp"

using namespace tournaments;
namespace detail = zermelo::preference::detail;
using zp::fit_method;

namespace {

const zm::simd here;
using resident = detail::resident_rows<zm::simd>;

detail::optimum fitted(const detail::comparison_rows& rows, const zp::strength_prior& prior, fit_method method) {
  const resident placed(here, rows);
  const detail::likelihood<zm::logistic, resident> f{placed, {}, prior};
  return detail::maximise(here, f, {.method = method, .tolerance = 1e-12});
}

detail::optimum expected(const detail::comparison_rows& rows, const zp::strength_prior& prior) {
  return detail::maximise(here, detail::likelihood<zm::logistic>{rows, {}, prior}, {});
}

double distance(const std::vector<double>& a, const std::vector<double>& b, std::int64_t n) {
  double most = 0;
  for (std::int64_t i = 0; i < n; ++i)
    most = std::max(most, std::abs(a[static_cast<std::size_t>(i)] - b[static_cast<std::size_t>(i)]));
  return most;
}

}  // namespace

TEST_CASE("fits where the rows are resident reach the optimum of fits on the host, by every method, with every prior") {
  for (const std::int64_t n : {2, 7, 60}) {
    const auto rows = detail::rows_of(random_wins(n, 0.3, 9, static_cast<std::uint64_t>(n)).graph());
    for (const zp::strength_prior& prior :
         {zp::strength_prior(zp::no_prior{}), zp::strength_prior(zp::gaussian_prior{.precision = 0.5}),
          zp::strength_prior(zp::gamma_prior{}), zp::strength_prior(zp::phantom_prior{.games = 0.5})}) {
      const auto best = expected(rows, prior);
      for (const auto method : {fit_method::newton, fit_method::lbfgs, fit_method::mm, fit_method::newman_parallel}) {
        const bool sweep = method == fit_method::mm || method == fit_method::newman_parallel;
        if (sweep && prior.index() == 1) continue;
        const auto found = fitted(rows, prior, method);
        INFO(n << " items, prior " << prior.index() << ", method " << static_cast<int>(method));
        CHECK(found.convergence.status == zm::status::converged);
        CHECK(found.certificate.gradient_norm <= 2e-12 * found.certificate.scale);
        CHECK(distance(found.theta, best.theta, n) <=
              1e-7);  // of a gradient of 1e-10 on a graph whose gap is above 1e-3
        CHECK(found.value == Approx(best.value).epsilon(1e-12));
        CHECK(found.data_value == Approx(best.data_value).epsilon(1e-9));
      }
    }
  }
}

TEST_CASE("sweeps that are resident take the steps of sweeps on the host") {
  const auto rows = detail::rows_of(random_wins(30, 0.4, 5, 3).graph());
  const resident placed(here, rows);
  for (const auto method : {fit_method::mm, fit_method::newman_parallel}) {
    const zp::fit_parameters three{.method = method, .max_iterations = 3};
    const auto a =
        detail::maximise(here, detail::likelihood<zm::logistic, resident>{placed, {}, zp::no_prior{}}, three);
    const auto b = detail::maximise(here, detail::likelihood<zm::logistic>{rows, {}, zp::no_prior{}}, three);
    CHECK(a.convergence.iterations == 3);
    CHECK(a.convergence.status == zm::status::limit);
    CHECK(distance(a.theta, b.theta, 30) <= 1e-14);
    CHECK(a.certificate.gradient_norm == Approx(b.certificate.gradient_norm).epsilon(1e-11));
  }
}

TEST_CASE("resident rows of a chain of a thousand items are solved by conjugate gradients") {
  win_table chain(1000);
  for (std::int64_t i = 0; i + 1 < chain.n; ++i) chain(i, i + 1) = i % 4 ? 3 : 5, chain(i + 1, i) = i % 3 ? 2 : 4;
  const auto rows = detail::rows_of(chain.graph());
  const auto found = fitted(rows, zp::no_prior{}, fit_method::newton);
  CHECK(found.convergence.status == zm::status::converged);
  // On a chain the maximum is known: neighbours differ by the logarithm of their odds.
  for (std::int64_t i = 0; i + 1 < chain.n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    CHECK(found.theta[k] - found.theta[k + 1] == Approx(std::log(chain(i, i + 1) / chain(i + 1, i))).margin(1e-8));
  }
}

TEST_CASE("resident rows refuse sweeps that move one item after another") {
  const auto rows = detail::rows_of(random_wins(4, 1, 5, 1).graph());
  for (const auto method : {fit_method::mm_cyclic, fit_method::newman})
    CHECK(thrown<zm::domain_error>([&] { fitted(rows, zp::no_prior{}, method); }).argument() == "method");
}
