// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/alignment/token_weights.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "property.hpp"
#include "thrown.hpp"
#include "zermelo/core/execution/threads.hpp"

namespace zm = zermelo;
namespace za = zermelo::alignment;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity(),
                 not_a_number = std::numeric_limits<double>::quiet_NaN();

/// Two sequences of three tokens, of which the second one ends early.
const std::vector<int> mask = {0, 1, 1, 1, 0, 0};
const auto kept = zm::matrix_view(mask.data(), 2, 3);
const std::vector<double> padded_tokens = {not_a_number, -1, -2, -3, infinity, 7};
const std::vector<std::int64_t> offsets = {0, 2, 3};
const std::vector<double> ragged_tokens = {-1, -2, -3};

}  // namespace

TEST_CASE("sums over padded and over ragged sequences are the same, and a mask hides what lies under it") {
  std::vector<double> padded(2), ragged(2);
  std::vector<int> count(2);
  za::sum_tokens(za::padded(kept), padded_tokens, padded, count);
  CHECK(padded == std::vector<double>{-3, -3});
  CHECK(count == std::vector<int>{2, 1});
  za::sum_tokens(zm::threads(2), za::ragged(offsets), ragged_tokens, ragged, count);
  CHECK(ragged == padded);
  CHECK(count == std::vector<int>{2, 1});
  std::vector<double> spread(6, 7);
  za::spread_over_tokens(za::padded(kept), std::vector<double>{5, -4}, spread);
  CHECK(spread == std::vector<double>{0, 5, 5, -4, 0, 0});
}

TEST_CASE("log-ratios are subtracted token by token: long sequences lose nothing") {
  constexpr std::size_t n = 4096;
  std::vector<float> policy(n), reference(n);
  double expected = 0;
  for (std::size_t k = 0; k < n; ++k) {
    reference[k] = -2.5F - static_cast<float>(k % 7) / 3;
    policy[k] = reference[k] + 1e-4F;
    expected += static_cast<double>(policy[k]) - static_cast<double>(reference[k]);
  }
  const std::vector<std::int32_t> one = {0, n};
  std::vector<double> sum(1);
  za::sum_token_log_ratios(za::ragged(one), policy, reference, sum);
  CHECK(sum[0] == Approx(expected).epsilon(1e-13));
}

TEST_CASE("a clamp on log-ratios holds values within its bounds and stops gradients outside of them") {
  const std::vector<double> policy = {-1, -5, -1}, reference = {-1.25, -1, -4}, u = {2, 3};
  std::vector<double> sum(2), gradient(3);
  const za::log_ratio_parameters p{.low = -1, .high = 0.5};
  za::sum_token_log_ratios(za::ragged(offsets), policy, reference, sum, p);
  CHECK(sum == std::vector<double>{-0.75, 0.5});
  za::sum_token_log_ratios_gradient(zm::simd{}, za::ragged(offsets), policy, reference, u, gradient, p);
  CHECK(gradient == std::vector<double>{2, 0, 0});
  CHECK_THROWS_AS(za::sum_token_log_ratios(za::ragged(offsets), policy, reference, sum, {.low = 1, .high = 0}),
                  zm::domain_error);
  const std::vector<double> never(3, -infinity);
  CHECK(thrown<zm::domain_error>([&] { za::sum_token_log_ratios(za::ragged(offsets), never, never, sum); }).index() ==
        0);
}

TEST_CASE("a response is weighted by how aligned it is with the policy: 1 under a uniform policy") {
  const double uniform = -std::log(4.0);
  std::vector<double> mean(2), weight(2);
  za::aligned_weights(za::ragged(offsets), std::vector<double>(3, uniform), std::vector<double>(3, uniform), mean,
                      weight);
  CHECK(mean == std::vector<double>{0, 0});
  CHECK(weight == std::vector<double>{1, 1});
  za::aligned_weights(za::ragged(offsets), ragged_tokens, std::vector<double>{-1, -1, -1}, mean, weight);
  CHECK(mean == std::vector<double>{-0.5, -2});
  CHECK(weight[1] == Approx(std::exp(-2)));
  const std::vector<int> empty_one = {0, 3, 3};
  CHECK(thrown<zm::domain_error>([&] {
          za::aligned_weights(za::ragged(empty_one), ragged_tokens, ragged_tokens, mean, weight);
        }).index() == 1);
}

TEST_CASE("the length-desensitised sum is the plain one at α = 1, a truncated one at 0, and linear between") {
  check_property([] {
    const auto lengths = *rc::gen::container<std::vector<int>>(6, rc::gen::inRange(0, 7));
    std::vector<int> first = {0}, second = {0};
    std::vector<double> x, y;
    for (std::size_t s = 0; s < 3; ++s) {
      for (int t = 0; t < lengths[s]; ++t) x.push_back(-1 - 0.25 * t);
      for (int t = 0; t < lengths[s + 3]; ++t) y.push_back(-2 - 0.5 * t);
      first.push_back(static_cast<int>(x.size()));
      second.push_back(static_cast<int>(y.size()));
    }
    const auto sums = [&](double alpha) {
      std::vector<double> a(3), b(3);
      za::length_desensitised_sums(zm::simd{}, za::ragged(first), x, za::ragged(second), y, a, b, {.alpha = alpha});
      a.insert(a.end(), b.begin(), b.end());
      return a;
    };
    const auto all = sums(1), none = sums(0), half = sums(0.5);
    std::vector<double> plain(3), count(3);
    za::sum_tokens(za::ragged(first), x, plain, count);
    const std::vector<double> u = {1, 2, 3}, v = {-1, -2, -3};
    std::vector<double> gx(x.size()), gy(y.size());
    za::length_desensitised_gradient(zm::simd{}, za::ragged(first), za::ragged(second), u, v, gx, gy, {.alpha = 0.5});
    double by_gradient = 0, by_sums = 0;
    for (std::size_t k = 0; k < x.size(); ++k) by_gradient += gx[k] * x[k];
    for (std::size_t k = 0; k < y.size(); ++k) by_gradient += gy[k] * y[k];
    for (std::size_t s = 0; s < 3; ++s) {
      RC_ASSERT(all[s] == plain[s]);
      RC_ASSERT(half[s] == (all[s] + none[s]) / 2);
      by_sums += u[s] * half[s] + v[s] * half[s + 3];
    }
    RC_ASSERT(std::abs(by_gradient - by_sums) < 1e-12);  // sums are linear: Euler's theorem checks the gradient
  });
  std::vector<double> a(2), b(2);
  for (const double alpha : {-0.1, 1.1, not_a_number})
    CHECK_THROWS_AS(za::length_desensitised_sums(zm::simd{}, za::ragged(offsets), ragged_tokens, za::ragged(offsets),
                                                 ragged_tokens, a, b, {.alpha = alpha}),
                    zm::domain_error);
}

TEST_CASE("tokens that do not fit their sequences are refused by name") {
  std::vector<double> sum(2);
  const std::vector<double> five(5), bad = {-1, not_a_number, -3};
  CHECK(thrown<zm::shape_error>([&] { za::sum_tokens(za::ragged(offsets), five, sum, zm::discard); }).argument() ==
        "logprobs");
  const auto error = thrown<zm::domain_error>([&] { za::sum_tokens(za::ragged(offsets), bad, sum, zm::discard); });
  CHECK(error.argument() == "logprobs");
  CHECK(error.index() == 1);
  const std::vector<int> falling = {0, 2, 1};
  CHECK(thrown<zm::domain_error>([&] { za::sum_tokens(za::ragged(falling), bad, sum, zm::discard); }).index() == 2);
}
