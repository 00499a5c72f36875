// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/preference/inference.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "preference/tournaments.hpp"
#include "property.hpp"
#include "thrown.hpp"
#include "zermelo/core/execution/threads.hpp"

// Whether intervals cover what they say is measured in coverage_test.cpp.

namespace zm = zermelo;
namespace zp = zermelo::preference;
using namespace tournaments;

namespace {

using matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr zp::bradley_terry maximum_likelihood{};

matrix square(const std::vector<double>& x, std::int64_t n) { return Eigen::Map<const matrix>(x.data(), n, n); }

matrix pseudo_inverse(const matrix& h) {
  const Eigen::SelfAdjointEigenSolver<matrix> s(h);
  Eigen::VectorXd inverse = s.eigenvalues();
  for (auto& x : inverse) x = x > 1e-9 * s.eigenvalues().maxCoeff() ? 1 / x : 0;
  return s.eigenvectors() * inverse.asDiagonal() * s.eigenvectors().transpose();
}

double largest(const matrix& m) { return m.cwiseAbs().maxCoeff(); }

}  // namespace

TEST_CASE("the information is the Hessian of its definition") {
  const win_table w = random_wins(7, 0.5, 9, 101);
  const auto graph = w.graph();
  const auto fitted = zp::fit(maximum_likelihood, graph);
  matrix expected = matrix::Zero(7, 7);
  for (int i = 0; i < 7; ++i)
    for (int j = 0; j < 7; ++j) {
      const double p = fitted.win_probability(i, j), v = (w(i, j) + w(j, i)) * p * (1 - p);
      if (i != j) expected(i, j) -= v, expected(i, i) += v;
    }
  CHECK(largest(square(zp::information(zm::simd{}, maximum_likelihood, graph, fitted), 7) - expected) < 1e-13);
  // A prior adds its curvature to the diagonal, where the model says so.
  const zp::bradley_terry model{.prior = zp::gaussian_prior{.precision = 3}};
  const matrix with_prior = square(zp::information(zm::simd{}, model, graph, fitted), 7);
  CHECK(largest(with_prior - expected - 3 * matrix::Identity(7, 7)) < 1e-13);
}

TEST_CASE("the covariance is the pseudo-inverse of the information") {
  check_property(
      [] {
        const auto n = *rc::gen::inRange<std::int64_t>(2, 15);
        const auto graph = random_wins(n, 0.4, 20, *rc::gen::arbitrary<std::uint64_t>()).graph();
        const auto fitted = zp::fit(maximum_likelihood, graph);
        const auto found = zp::infer(maximum_likelihood, graph, fitted);
        const matrix c = square(found.covariance, n);
        const matrix exact = pseudo_inverse(square(zp::information(zm::simd{}, maximum_likelihood, graph, fitted), n));
        RC_ASSERT(largest(c - exact) <= 1e-11 * largest(exact));
        RC_ASSERT(largest(c.rowwise().sum()) <= 1e-12 * largest(c));  // of strengths with Σθ = 0
        const double z = 1.959963984540054;
        for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
          const auto k = static_cast<Eigen::Index>(i);
          RC_ASSERT(std::abs(found.standard_error[i] - std::sqrt(c(k, k))) <= 1e-15 * found.standard_error[i]);
          RC_ASSERT(std::abs(found.upper[i] - fitted.strength[i] - z * found.standard_error[i]) < 1e-12);
          RC_ASSERT(std::abs(fitted.strength[i] - found.lower[i] - z * found.standard_error[i]) < 1e-12);
        }
      },
      50);
}

TEST_CASE("two items: the variance of their difference is 1/a + 1/b") {
  win_table w(2);
  w(0, 1) = 30, w(1, 0) = 10;
  const auto fitted = zp::fit(maximum_likelihood, w.graph());
  const auto found = zp::infer(maximum_likelihood, w.graph(), fitted);
  CHECK(found.variance_of_difference(0, 1) == Approx(1 / 30.0 + 1 / 10.0).epsilon(1e-13));
  CHECK(found.variance_of_difference(1, 1) == 0);
  CHECK(zp::infer(maximum_likelihood, win_table(1).graph(), zp::fit(maximum_likelihood, win_table(1).graph()))
            .standard_error == std::vector<double>{0});
}

TEST_CASE("FastChat#3377: comparisons of items do not depend on which item is anchored") {
  const std::int64_t n = 8;
  const auto graph = random_wins(n, 0.3, 12, 102).graph();
  const auto fitted = zp::fit(maximum_likelihood, graph);
  const auto found = zp::infer(maximum_likelihood, graph, fitted);
  const matrix h = square(zp::information(zm::simd{}, maximum_likelihood, graph, fitted), n);
  for (Eigen::Index anchor = 0; anchor < n; ++anchor) {
    matrix grounded = h;  // the anchor's strength is known
    grounded.row(anchor).setZero();
    grounded.col(anchor).setZero();
    const matrix c = pseudo_inverse(grounded);
    for (Eigen::Index i = 0; i < n; ++i)
      for (Eigen::Index j = 0; j < n; ++j)
        CHECK(found.variance_of_difference(i, j) ==
              Approx(c(i, i) + c(j, j) - 2 * c(i, j)).epsilon(1e-11).margin(1e-14));
    // What such an interval of the anchor's opponents carries on top: the reason why none is reported.
    if (anchor == 0) CHECK(c(1, 1) > found.covariance[static_cast<std::size_t>(n + 1)]);
  }
  CHECK(zp::variance_of_difference(maximum_likelihood, graph, fitted, 2, 5) ==
        Approx(found.variance_of_difference(2, 5)).epsilon(1e-12));
  CHECK(zp::variance_of_difference(maximum_likelihood, graph, fitted, 3, 3) == 0);
}

TEST_CASE("the variance of one difference is the same from full and from compressed rows") {
  const std::int64_t n = 1001;
  std::vector<std::int32_t> first, second;
  std::vector<double> wins, losses;
  const auto add = [&](std::int64_t i, std::int64_t j, double won, double lost) {
    first.push_back(static_cast<std::int32_t>(i)), second.push_back(static_cast<std::int32_t>(j));
    wins.push_back(won), losses.push_back(lost);
  };
  for (std::int64_t i = 0; i < 1000; ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    add(i, (i + 1) % 1000, static_cast<double>(2 + i % 3), 3);
    const std::int64_t j = zm::index_below(zm::random_bits(43, 0, at), 1000);
    if (i != j) add(i, j, 2, static_cast<double>(1 + i % 2));
  }
  const auto full = zp::graph_from_records(first, second, wins, losses, n - 1);
  add(0, 1000, 1, 1);
  const auto compressed = zp::graph_from_records(first, second, wins, losses, n);
  const double exact = zp::variance_of_difference(maximum_likelihood, full, zp::fit(maximum_likelihood, full), 17, 800);
  CHECK(zp::variance_of_difference(maximum_likelihood, compressed, zp::fit(maximum_likelihood, compressed), 17, 800) ==
        Approx(exact).epsilon(1e-8));
}

TEST_CASE("the sandwich is what the battles' scores give one by one, weights and ties included") {
  const std::int64_t n = 5;
  const played b({0.6, 0.2, 0, -0.3, -0.5}, every_pair(5), 12, 0.25, 103, 0);
  std::vector<double> weights(b.first.size());
  zm::fill_uniform(104, 0, weights);
  const auto check = [&](const zp::comparison_graph& graph, const std::vector<double>& weight) {
    const auto fitted = zp::fit(maximum_likelihood, graph);
    matrix scores = matrix::Zero(n, n);
    for (std::size_t k = 0; k < b.first.size(); ++k) {
      const auto i = b.first[k], j = b.second[k];
      const double s = weight[k] * (zp::score(b.outcomes[k]) - fitted.win_probability(i, j));
      scores(i, i) += s * s, scores(j, j) += s * s, scores(i, j) -= s * s, scores(j, i) -= s * s;
    }
    CHECK(largest(square(zp::score_covariance(graph, fitted), n) - scores) < 1e-12);
    const matrix bread = square(zp::infer(maximum_likelihood, graph, fitted).covariance, n);
    const matrix sandwich =
        square(zp::infer(maximum_likelihood, graph, fitted, {.kind = zp::covariance_kind::sandwich}).covariance, n);
    CHECK(largest(sandwich - bread * scores * bread) < 1e-13);
  };
  for (const std::int64_t limit : {100, 0}) {
    const zp::counting_parameters p{.dense_limit = limit};
    check(zp::count_battles(b.first, b.second, b.outcomes, 5, p), std::vector<double>(b.first.size(), 1.0));
    check(zp::count_battles(b.first, b.second, b.outcomes, weights, 5, p), weights);
  }
}

TEST_CASE("for battles of weight one the sandwich is the model's covariance in expectation") {
  // Counts that are exactly what the model expects: Wᵢⱼ = N·pᵢⱼ. Then B = H.
  const std::vector<double> theta = {0.9, 0.4, 0.1, -0.2, -1.2};
  win_table w(5);
  for (std::int64_t i = 0; i < 5; ++i)
    for (std::int64_t j = 0; j < 5; ++j)
      if (i != j)
        w(i, j) = 10 / (1 + std::exp(theta[static_cast<std::size_t>(j)] - theta[static_cast<std::size_t>(i)]));
  const auto fitted = zp::fit(maximum_likelihood, w.graph());
  const auto model = zp::infer(maximum_likelihood, w.graph(), fitted);
  const auto sandwich = zp::infer(maximum_likelihood, w.graph(), fitted, {.kind = zp::covariance_kind::sandwich});
  CHECK(largest(square(model.covariance, 5) - square(sandwich.covariance, 5)) < 1e-13);
}

TEST_CASE("weights of two halve the model's variance and leave the sandwich alone") {
  const played b({0.5, 0, -0.5}, every_pair(3), 40, 0, 105, 0);
  const std::vector<double> twice(b.first.size(), 2.0);
  const auto plain = zp::count_battles(b.first, b.second, b.outcomes, 3);
  const auto heavy = zp::count_battles(b.first, b.second, b.outcomes, twice, 3);
  const auto variance = [](const zp::comparison_graph& g, zp::covariance_kind kind) {
    return zp::infer(maximum_likelihood, g, zp::fit(maximum_likelihood, g), {.kind = kind})
        .variance_of_difference(0, 2);
  };
  CHECK(variance(heavy, zp::covariance_kind::model) ==
        Approx(variance(plain, zp::covariance_kind::model) / 2).epsilon(1e-12));
  CHECK(variance(heavy, zp::covariance_kind::sandwich) ==
        Approx(variance(plain, zp::covariance_kind::sandwich)).epsilon(1e-12));
}

TEST_CASE("ranks are told apart only by significant differences") {
  win_table w(4);  // 0 and 1 are close; both far above 2; 3 hardly played
  w(0, 1) = 52, w(1, 0) = 48;
  w(0, 2) = w(1, 2) = 90, w(2, 0) = w(2, 1) = 10;
  w(3, 2) = 1, w(2, 3) = 1;
  const auto found = zp::infer(maximum_likelihood, w.graph(), zp::fit(maximum_likelihood, w.graph()));
  CHECK(found.best_rank == std::vector<std::int64_t>{1, 1, 3, 1});
  CHECK(found.worst_rank == std::vector<std::int64_t>{3, 3, 4, 4});
}

TEST_CASE("intervals have the same bits for any number of threads") {
  const auto graph = random_wins(40, 0.3, 9, 106).graph();
  const zm::threads one(1), three(3);
  const auto fitted = zp::fit(maximum_likelihood, graph);
  const auto found = zp::infer(maximum_likelihood, graph, fitted);
  CHECK(zp::infer(one, maximum_likelihood, graph, fitted).covariance == found.covariance);
  CHECK(zp::infer(three, maximum_likelihood, graph, fitted).covariance == found.covariance);
}

TEST_CASE("what cannot be inferred is refused by name") {
  win_table w(2);
  w(0, 1) = 3, w(1, 0) = 1;
  const auto graph = w.graph();
  const auto fitted = zp::fit(maximum_likelihood, graph);
  for (const double level : {0.0, 1.0, -0.5, 1.5, std::nan("")})
    CHECK(thrown<zm::domain_error>([&] {
            zp::infer(maximum_likelihood, graph, fitted, {.level = level});
          }).argument() == "level");
  const auto other = win_table(3).graph();
  CHECK(thrown<zm::shape_error>([&] { zp::infer(maximum_likelihood, other, fitted); }).argument() == "fitted");
  CHECK(thrown<zm::shape_error>([&] { zp::score_covariance(other, fitted); }).argument() == "fitted");
  CHECK(thrown<zm::shape_error>([&] {
          zp::variance_of_difference(maximum_likelihood, other, fitted, 0, 1);
        }).argument() == "fitted");
  CHECK(thrown<zm::domain_error>([&] {
          zp::variance_of_difference(maximum_likelihood, graph, fitted, 0, 2);
        }).argument() == "j");

  win_table islands(4);
  islands(0, 1) = islands(1, 0) = islands(2, 3) = islands(3, 2) = 1;
  const auto parts = zp::fit(maximum_likelihood, islands.graph(), {.existence = zp::existence::by_component});
  CHECK(thrown<zm::domain_error>([&] { zp::infer(maximum_likelihood, islands.graph(), parts); }).argument() ==
        "fitted");
  CHECK(thrown<zm::domain_error>([&] {
          zp::variance_of_difference(maximum_likelihood, islands.graph(), parts, 0, 2);
        }).argument() == "fitted");
}
