// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <limits>
#include <string>
#include <vector>
#include <zermelo/alignment/dpo.hpp>
#include <zermelo/alignment/ipo.hpp>
#include <zermelo/core/execution/threads.hpp>
#include <zermelo/core/pair_loss.hpp>
#include <zermelo/core/random.hpp>

#include "catch.hpp"

namespace zm = zermelo;
using zm::alignment::dpo;
using zm::alignment::ipo;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
const double nan_value = std::nan("");

/// Log-probabilities of n pairs and room for the results.
struct batch {
  std::vector<double> chosen, rejected, chosen_before, rejected_before, losses, for_chosen, for_rejected;

  explicit batch(std::size_t n) : losses(n), for_chosen(n), for_rejected(n) {
    std::uint64_t stream = 0;
    for (auto* column : {&chosen, &rejected, &chosen_before, &rejected_before}) {
      for (std::size_t k = 0; k < n; ++k) column->push_back(-60 * zm::uniform(7, stream, k));
      ++stream;
    }
  }
  template <class P, class Kernel, class... Options>
  zm::pair_sums run(P&& policy, const Kernel& kernel, const Options&... options) {
    return zm::pair_loss(policy, kernel, chosen, rejected, chosen_before, rejected_before, losses, for_chosen,
                         for_rejected, options...);
  }
};

}  // namespace

TEST_CASE("a policy that equals its reference has a loss of ln 2, accuracy 0 and opposite gradients of beta/2") {
  batch b(9);
  b.chosen = b.chosen_before, b.rejected = b.rejected_before;
  const auto sums = b.run(zm::simd{}, dpo{.beta = 0.3});
  // Terms are exact to 2.3 ulp; nine of them are added.
  CHECK(sums.mean_over_pairs() == Approx(std::log(2.0)).epsilon(1e-15));
  CHECK(sums.accuracy() == 0);
  for (std::size_t k = 0; k < 9; ++k) {
    CHECK(b.for_chosen[k] == -0.15);
    CHECK(b.for_rejected[k] == 0.15);
  }
}

TEST_CASE("swapping chosen and rejected changes a DPO loss by the margin") {
  batch b(100);
  b.run(zm::simd{}, dpo{});
  const auto losses = b.losses;
  std::swap(b.chosen, b.rejected), std::swap(b.chosen_before, b.rejected_before);
  b.run(zm::simd{}, dpo{});
  for (std::size_t k = 0; k < 100; ++k) {
    const double h = 0.1 * ((b.rejected[k] - b.rejected_before[k]) - (b.chosen[k] - b.chosen_before[k]));
    // Losses up to 12, each within 2.3 ulp, and h within 3.
    CHECK(std::abs(losses[k] - b.losses[k] + h) <= 2e-14);
  }
}

TEST_CASE("tails of a DPO loss and its gradients are exact at margins of 700 and of infinity") {
  const std::vector<double> chosen{0, -700, 0, -infinity}, rejected{-700, 0, -infinity, 0};
  std::vector<double> losses(4), for_chosen(4), for_rejected(4);
  zm::pair_loss(dpo{.beta = 1}, chosen, rejected, zm::no_reference, zm::no_reference, losses, for_chosen, for_rejected);
  const double tail = std::exp(-700.0);
  CHECK(losses[0] == Approx(tail).epsilon(1e-15));
  CHECK(for_rejected[0] == Approx(tail).epsilon(1e-15));
  CHECK(losses[1] == 700);
  CHECK(for_chosen[1] == -1);
  CHECK(losses[2] == 0);
  CHECK(for_chosen[2] == 0);
  CHECK(losses[3] == infinity);
  CHECK(for_chosen[3] == -1);
}

TEST_CASE("an IPO loss is zero at its target and grows on both sides of it") {
  const std::vector<double> chosen{5, 4, 6}, rejected{0, 0, 0};
  std::vector<double> losses(3), for_chosen(3);
  zm::pair_loss(ipo{.tau = 0.1}, chosen, rejected, zm::no_reference, zm::no_reference, losses, for_chosen, zm::discard);
  CHECK(losses == std::vector<double>{0, 1, 1});
  CHECK(for_chosen == std::vector<double>{0, -2, 2});
}

TEST_CASE("what a mask leaves out is never looked at, whatever lies there") {
  constexpr std::size_t n = 37;
  batch clean(n), dirty(n);
  std::vector<char> mask(n, 1);
  std::vector<double> weight(n, 2), rubbish_weight(n, 2);
  const double rubbish[] = {nan_value, infinity, -infinity, 1e30};
  for (std::size_t k = 0; k < n; k += 3) {
    mask[k] = 0;
    dirty.chosen[k] = rubbish[k % 4];
    dirty.rejected_before[k] = rubbish[(k + 1) % 4];
    rubbish_weight[k] = rubbish[(k + 2) % 4];
  }
  const auto expected = clean.run(zm::simd{}, dpo{}, zm::counted_where(mask), zm::weighted_by(weight));
  const auto got = dirty.run(zm::simd{}, dpo{}, zm::counted_where(mask), zm::weighted_by(rubbish_weight));
  CHECK(got.loss == expected.loss);
  CHECK(got.pairs == 24);
  CHECK(got.weight == 48);
  CHECK(dirty.losses == clean.losses);
  CHECK(dirty.for_chosen == clean.for_chosen);
  CHECK(dirty.losses[0] == 0);
  CHECK(dirty.for_rejected[3] == 0);
}

TEST_CASE("any split into micro-batches adds up to the sums of the whole") {
  batch whole(1000);
  const auto expected = whole.run(zm::simd{}, dpo{});
  zm::pair_sums sums;
  for (const auto& [from, to] : {std::pair{0, 1}, {1, 130}, {130, 131}, {131, 1000}}) {
    batch part(0);
    const auto cut = [begin = from, end = to](const std::vector<double>& x) {
      return std::vector<double>(x.begin() + begin, x.begin() + end);
    };
    part.chosen = cut(whole.chosen), part.rejected = cut(whole.rejected);
    part.chosen_before = cut(whole.chosen_before), part.rejected_before = cut(whole.rejected_before);
    for (auto* out : {&part.losses, &part.for_chosen, &part.for_rejected}) out->resize(part.chosen.size());
    sums = merge(sums, part.run(zm::simd{}, dpo{}));
    CHECK(part.losses == cut(whole.losses));
  }
  // At most a thousand additions of positive terms.
  CHECK(sums.loss == Approx(expected.loss).epsilon(1e-13));
  CHECK(sums.pairs == 1000);
  CHECK(sums.correct == expected.correct);
}

TEST_CASE("weights multiply losses and gradients, and a weight of zero silences an infinite loss") {
  const std::vector<double> chosen{-infinity, -1, -2}, rejected{-1, -2, -1}, weights{0, 1, 3};
  std::vector<double> losses(3), for_chosen(3), for_rejected(3), plain(3);
  const auto none = zm::no_reference;
  const auto sums = zm::pair_loss(dpo{.beta = 1}, chosen, rejected, none, none, losses, for_chosen, for_rejected,
                                  zm::weighted_by(weights));
  zm::pair_loss(dpo{.beta = 1}, chosen, rejected, none, none, plain, zm::discard, zm::discard);
  CHECK(losses == std::vector<double>{0, plain[1], 3 * plain[2]});
  CHECK(for_chosen[0] == 0);
  CHECK(for_rejected[2] == -for_chosen[2]);
  CHECK(sums.mean_over_weight() == Approx((plain[1] + 3 * plain[2]) / 4).epsilon(1e-15));
  CHECK(sums.mean_over_pairs() == Approx((plain[1] + 3 * plain[2]) / 3).epsilon(1e-15));
}

TEST_CASE("lengths divide log-ratios and gradients") {
  const std::vector<double> chosen{10}, rejected{9};
  const std::vector<int> n{50}, m{30};
  std::vector<double> losses(1), for_chosen(1), for_rejected(1);
  zm::pair_loss(dpo{.beta = 1}, chosen, rejected, zm::no_reference, zm::no_reference, losses, for_chosen, for_rejected,
                zm::normalised_by(n, m));
  const double h = 10.0 / 50 - 9.0 / 30;
  CHECK(losses[0] == Approx(std::log1p(std::exp(-h))).epsilon(1e-15));
  CHECK(for_chosen[0] == Approx(-1 / (1 + std::exp(h)) / 50).epsilon(1e-15));
  CHECK(for_rejected[0] == Approx(1 / (1 + std::exp(h)) / 30).epsilon(1e-15));
}

TEST_CASE("threads give the bits of one, and scalar code the same to rounding") {
  batch one(20'000), many(20'000), scalar(20'000);
  const zm::threads pool(3);
  const auto a = one.run(zm::simd{}, dpo{.label_smoothing = 0.1}), b = many.run(pool, dpo{.label_smoothing = 0.1}),
             c = scalar.run(zm::serial{}, dpo{.label_smoothing = 0.1});
  CHECK(a.loss == b.loss);
  CHECK(one.for_chosen == many.for_chosen);
  CHECK(one.losses == scalar.losses);  // packs and scalars agree to the last bit
  CHECK(c.loss == Approx(a.loss).epsilon(1e-12));
}

TEST_CASE(
    "a legal infinity is no fault, and a fault beside it is found, where gradients replace log-probabilities too") {
  for (const bool in_place : {false, true}) {
    batch b(9000);
    b.chosen[5] = b.rejected_before[4500] = -infinity;
    const auto run = [&](batch x) {
      std::vector<double> for_chosen(9000), for_rejected(9000);
      const auto sums =
          zm::pair_loss(dpo{.beta = 1}, x.chosen, x.rejected, x.chosen_before, x.rejected_before, x.losses,
                        in_place ? x.chosen : for_chosen, in_place ? x.rejected_before : for_rejected);
      CHECK((in_place ? x.chosen : for_chosen)[5] == -1);
      CHECK((in_place ? x.rejected_before : for_rejected)[4500] == 1);
      return sums;
    };
    CHECK(run(b).loss == infinity);
    b.rejected[4700] = infinity;
    const auto error = [&]() -> std::string {
      try {
        run(b);
      } catch (const zm::domain_error& e) {
        return e.what();
      }
      return "no error";
    };
    CHECK(error() == "rejected[4700]: a log-probability of this pair is +∞");
  }
}

TEST_CASE("bad pairs are named by tensor and position") {
  batch b(20);
  const auto message = [&](auto&&... options) -> std::string {
    try {
      b.run(zm::simd{}, dpo{}, options...);
    } catch (const zm::domain_error& e) {
      return e.what();
    }
    return "no error";
  };
  b.rejected[17] = nan_value;
  CHECK(message() == "rejected[17]: is not a number");
  b = batch(20), b.chosen[3] = infinity;
  CHECK(message() == "chosen[3]: a log-probability of this pair is +∞");
  b = batch(20), b.chosen[19] = b.chosen_before[19] = -infinity;
  CHECK(message() == "chosen[19]: the log-ratio is a difference of equal infinities, which is undefined");
  b = batch(20), b.chosen[2] = b.rejected[2] = -infinity;
  CHECK(message() == "chosen[2]: the margin is a difference of equal infinities, which is undefined");
  b = batch(20);
  std::vector<double> weights(20, 1), lengths(20, 5), zero(20, 5);
  weights[4] = -1, zero[8] = 0;
  CHECK(message(zm::weighted_by(weights)) == "weights[4]: -1, expected a finite number, zero or more");
  CHECK(message(zm::normalised_by(lengths, zero)) == "rejected_lengths[8]: 0, expected a positive length");
  lengths.pop_back();
  CHECK_THROWS_AS(b.run(zm::simd{}, dpo{}, zm::weighted_by(lengths)), zm::shape_error);
  CHECK_THROWS_AS(b.run(zm::simd{}, dpo{.beta = 0}), zm::domain_error);
  CHECK_THROWS_AS(b.run(zm::simd{}, dpo{.label_smoothing = 1.5}), zm::domain_error);
  CHECK_THROWS_AS(b.run(zm::simd{}, ipo{.tau = nan_value}), zm::domain_error);
  batch empty(0);
  CHECK(empty.run(zm::simd{}, dpo{}).pairs == 0);
  CHECK_THROWS_AS(empty.run(zm::simd{}, dpo{}).mean_over_pairs(), zm::domain_error);
}
