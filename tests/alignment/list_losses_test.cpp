// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <limits>
#include <string>
#include <vector>
#include <zermelo/alignment/dpo.hpp>

#include "alignment/list_kernels.hpp"
#include "catch.hpp"
#include "thrown.hpp"

namespace zm = zermelo;
namespace al = zermelo::alignment;
using list_kernels::batch;
using list_kernels::ranking_loss;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("pairs are lists of two: Plackett-Luce, InfoNCA and LiPO's pairs are DPO there") {
  const al::dpo dpo{.beta = 0.5};
  for (const double h : {-700.0, -3.0, 0.0, 1e-9, 4.0, 700.0}) {
    const std::vector<double> policy{h, 0}, labels{1, 0}, hard{800, 0};
    const std::vector<std::int64_t> whole{0, 2};
    std::vector<double> loss(1), gradient(2);
    const auto check = [&](const auto& kernel, const std::vector<double>& y, double factor) {
      zm::list_loss(kernel, policy, zm::no_reference, y, loss, gradient, zm::segmented_by(whole));
      CHECK(loss[0] == Approx(factor * dpo(h).value).epsilon(1e-14).margin(1e-300));
      CHECK(gradient[0] == Approx(factor * dpo(h).slope).epsilon(1e-13).margin(1e-300));
      CHECK(gradient[1] == Approx(-factor * dpo(h).slope).epsilon(1e-13).margin(1e-300));
    };
    check(al::dpo_plackett_luce{.beta = 0.5}, labels, 1);
    check(al::lipo<ranking_loss::pair_logistic>{.beta = 0.5}, labels, 1);
    check(al::lipo<ranking_loss::list_mle>{.beta = 0.5}, labels, 1);
    if (std::abs(h) < 30)
      check(al::infonca{.beta = 0.5, .alpha = 1}, hard, 1);  // a sum of both terms cancels in its tail
  }
}

TEST_CASE("losses of differences are blind to a shift of all log-ratios, anchored ones are not") {
  batch b(20, 4);
  batch shifted = b;
  for (double& x : shifted.policy) x += 7;
  const auto moved = [&](const auto& kernel) {
    batch x = b, y = shifted;
    x.run(zm::simd{}, kernel), y.run(zm::simd{}, kernel);
    double largest = 0;
    for (std::size_t k = 0; k < x.losses.size(); ++k) largest = std::max(largest, std::abs(x.losses[k] - y.losses[k]));
    return largest;
  };
  CHECK(moved(al::infonca{}) < 1e-13);
  CHECK(moved(al::exo{}) < 1e-12);
  CHECK(moved(al::dpo_plackett_luce{}) < 1e-13);
  CHECK(moved(al::lipo<ranking_loss::pair_logistic>{}) < 1e-13);
  CHECK(moved(al::lipo<ranking_loss::softmax>{}) < 1e-13);
  CHECK(moved(al::lipo_lambda{}) < 1e-13);
  CHECK(moved(al::nca{.beta = 0.1}) > 1e-3);
  CHECK(moved(al::lipo<ranking_loss::point_mse>{}) > 1e-3);
}

TEST_CASE("EXO is zero at its target and nowhere else, and one response has nothing to learn from") {
  const std::vector<double> labels{0.2, 0.9, 0.4};
  std::vector<double> policy;
  for (const double y : labels) policy.push_back(y / 0.3 / 0.5 - 3);
  const std::vector<std::int64_t> whole{0, 3}, one{0, 1, 2, 3};
  std::vector<double> loss(1), gradient(3), losses(3);
  const al::exo kernel{.beta = 0.5, .beta_r = 0.3};
  zm::list_loss(kernel, policy, zm::no_reference, labels, loss, gradient, zm::segmented_by(whole));
  CHECK(loss[0] == Approx(0).margin(1e-15));
  for (const double g : gradient) CHECK(g == Approx(0).margin(1e-15));
  policy[0] += 1;
  zm::list_loss(kernel, policy, zm::no_reference, labels, loss, gradient, zm::segmented_by(whole));
  CHECK(loss[0] > 0.01);
  zm::list_loss(kernel, policy, zm::no_reference, labels, losses, gradient, zm::segmented_by(one));
  for (const double x : losses) CHECK(x == Approx(0).margin(1e-15));  // of a product and the same, rounded
  zm::list_loss(al::dpo_plackett_luce{}, policy, zm::no_reference, labels, losses, gradient, zm::segmented_by(one));
  CHECK(losses == std::vector<double>(3, 0.0));
  CHECK(gradient == std::vector<double>(3, 0.0));
}

TEST_CASE("PRO with equal rewards counts the rivals, and with two responses is a logistic loss of their gap") {
  const std::vector<double> policy{-4, -9, -3}, equal{2, 2, 2}, rewards{1.5, 0.25}, lengths{2, 3, 4};
  std::vector<double> loss(1), gradient(3);
  const std::vector<std::int64_t> three{0, 3}, two{0, 2};
  zm::list_loss(al::pro{.sft_weight = 0}, policy, zm::no_reference, equal, loss, gradient, zm::segmented_by(three),
                zm::item_lengths(lengths));
  CHECK(loss[0] == Approx(std::log(3.0) + std::log(2.0)).epsilon(1e-15));
  CHECK(gradient == std::vector<double>(3, 0.0));
  const std::vector<double> pair{-4, -9}, n{2, 3};
  std::vector<double> for_pair(2);
  zm::list_loss(al::pro{.sft_weight = 0}, pair, zm::no_reference, rewards, loss, for_pair, zm::segmented_by(two),
                zm::item_lengths(n));
  CHECK(loss[0] == Approx(std::log1p(std::exp(-((-2.0) - (-3.0)) * 1.25))).epsilon(1e-14));
  const std::vector<double> ascending{1, 2};
  CHECK(thrown<zm::domain_error>([&] {
          zm::list_loss(al::pro{}, pair, zm::no_reference, ascending, loss, for_pair, zm::segmented_by(two));
        }).argument() == "labels");
}

TEST_CASE("LiPO-λ weighs mistakes at the top above those at the bottom, and options of rax scale it") {
  // Four items in order of their scores; two neighbours of labels 1 and 0 stand at the top, or at the bottom.
  const std::vector<std::int64_t> whole{0, 4};
  std::vector<double> loss(1), gradient(4);
  const std::vector<double> policy{4, 3, 2, 1}, top{0, 1, 0, 0}, bottom{0, 0, 0, 1};
  const auto of = [&](const auto& kernel, const std::vector<double>& labels) {
    zm::list_loss(kernel, policy, zm::no_reference, labels, loss, gradient, zm::segmented_by(whole));
    return loss[0];
  };
  const al::lipo_lambda plain{.beta = 1};
  of(plain, top);
  // The pair (0, 1) alone: gain 1, 1/ln 2 − 1/ln 3 apart; pairs with items behind push item 1 up a little.
  CHECK(gradient[0] > 0);
  const double at_top = gradient[0];
  of(plain, bottom);
  CHECK(at_top > gradient[2]);
  al::lipo_lambda scaled = plain;
  scaled.scaled_by_size = true;
  CHECK(of(scaled, top) == Approx(4 * of(plain, top)).epsilon(1e-14));
  scaled = plain, scaled.mean_over_pairs = true;
  CHECK(of(scaled, top) == Approx(of(plain, top) / 3).epsilon(1e-14));
  scaled = plain, scaled.normalised = true;
  CHECK(of(scaled, top) == Approx(of(plain, top) * std::log(2.0)).epsilon(1e-14));
  scaled = plain, scaled.top = 1;  // only the first rank has a discount
  CHECK(of(scaled, bottom) == Approx(std::log1p(std::exp(3.0)) / std::log(2.0)).epsilon(1e-14));
  const std::vector<double> huge{1, 2000, 0, 0};
  CHECK_THROWS_AS(of(plain, huge), zm::domain_error);
}

TEST_CASE("weights multiply losses of lists, and positions name the supervised response") {
  batch b(9, 3), c(9, 3);
  std::vector<double> weights(9, 2.0);
  weights[4] = 0;
  std::vector<std::int64_t> last(9, 2);
  const al::rrhf kernel{.rank_weight = 0};
  const auto plain = b.run(zm::simd{}, kernel);
  const auto sums = zm::list_loss(kernel, c.as_matrix(c.policy), c.as_matrix(c.reference), c.as_matrix(c.labels),
                                  c.losses, c.as_matrix(c.gradient), zm::weighted_by(weights), zm::picking(last));
  CHECK(plain.weight == 9);
  CHECK(sums.weight == 16);
  for (std::size_t i = 0; i < 9; ++i) {
    CHECK(b.losses[i] == Approx(-(b.policy[3 * i] - b.reference[3 * i])).epsilon(1e-14));
    CHECK(c.losses[i] == Approx(-weights[i] * (b.policy[3 * i + 2] - b.reference[3 * i + 2])).epsilon(1e-14));
    CHECK(c.gradient[3 * i + 2] == -weights[i]);
  }
}

TEST_CASE("what a loss of lists cannot take is refused by tensor and position") {
  const auto refused = [](auto&& change) {
    return thrown<zm::domain_error>([&] {
      batch b(40, 3);
      change(b);
      b.run(zm::simd{}, al::infonca{});
    });
  };
  const auto nan = refused([](batch& b) { b.policy[100] = std::nan(""); });
  CHECK(nan.argument() == "log_probs");
  CHECK(nan.index() == 100);
  CHECK(refused([](batch& b) { b.reference[7] = infinity; }).argument() == "reference");
  CHECK(refused([](batch& b) { b.labels[119] = -infinity; }).argument() == "labels");
  CHECK(refused([](batch& b) { b.lengths[60] = 0; }).index() == 60);
  CHECK(refused([](batch& b) { b.policy[5] = b.reference[5] = -infinity; }).index() == 5);
  CHECK(refused([](batch& b) { b.policy[3] = b.policy[4] = b.policy[5] = -infinity; }).argument() == "log_probs");
  batch b(4, 3);
  CHECK_NOTHROW([&] { b.policy[5] = -infinity, b.run(zm::simd{}, al::nca{}); }());
  CHECK(b.losses[1] == infinity);
  std::vector<double> few(3);
  CHECK(thrown<zm::shape_error>([&] {
          zm::list_loss(al::nca{}, b.as_matrix(b.policy), zm::no_reference, b.as_matrix(b.labels), few, zm::discard);
        }).argument() == "losses");
  const std::vector<std::int64_t> falling{0, 5, 3, 12}, outside{0, 3, 0, 0};
  CHECK(thrown<zm::domain_error>([&] {
          zm::list_loss(al::nca{}, b.lengths, zm::no_reference, b.labels, few, zm::discard, zm::segmented_by(falling));
        }).argument() == "offsets");
  CHECK(thrown<zm::domain_error>([&] {
          zm::list_loss(al::rrhf{}, b.as_matrix(b.labels), zm::no_reference, b.as_matrix(b.labels), b.losses,
                        zm::discard, zm::picking(outside));
        }).argument() == "picked");
  const std::vector<double> scores{0.5, 1.5}, policy{-1, -2};
  const std::vector<std::int64_t> two{0, 2};
  std::vector<double> one(1);
  CHECK(thrown<zm::domain_error>([&] {
          zm::list_loss(al::lipo<ranking_loss::point_sigmoid>{}, policy, zm::no_reference, scores, one, zm::discard,
                        zm::segmented_by(two));
        }).argument() == "labels");
  batch none(0, 3);
  CHECK_THROWS_AS(none.run(zm::simd{}, al::nca{}).mean_over_lists(), zm::domain_error);
}
