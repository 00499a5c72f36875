// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>
#include <zermelo/alignment/aot.hpp>
#include <zermelo/core/execution/threads.hpp>
#include <zermelo/core/random.hpp>
#include <zermelo/core/response_loss.hpp>

#include "catch.hpp"
#include "thrown.hpp"

namespace zm = zermelo;
namespace al = zermelo::alignment;

namespace {

struct batch {
  std::vector<double> chosen, rejected, chosen_before, rejected_before, losses, for_chosen, for_rejected;
  explicit batch(std::size_t n) : losses(n), for_chosen(n), for_rejected(n) {
    std::uint64_t stream = 0;
    for (auto* c : {&chosen, &rejected, &chosen_before, &rejected_before}) {
      for (std::size_t k = 0; k < n; ++k) c->push_back(-30 * zm::uniform(13, stream, k));
      ++stream;
    }
  }
  template <class P>
  al::batch_coupled_sums run(P&& policy, bool paired, const al::dpo& kernel) {
    return paired ? al::aot_paired(policy, kernel, chosen, rejected, chosen_before, rejected_before, losses, for_chosen,
                                   for_rejected)
                  : al::aot_unpaired(policy, kernel, chosen, rejected, chosen_before, rejected_before, losses,
                                     for_chosen, for_rejected);
  }
  batch permuted(const std::vector<std::size_t>& order) const {
    batch b(0);
    for (const std::size_t k : order) {
      b.chosen.push_back(chosen[k]), b.rejected.push_back(rejected[k]);
      b.chosen_before.push_back(chosen_before[k]), b.rejected_before.push_back(rejected_before[k]);
    }
    for (auto* c : {&b.losses, &b.for_chosen, &b.for_rejected}) c->resize(order.size());
    return b;
  }
};

template <class T>
concept mergeable = requires(const T& x) { merge(x, x); };

}  // namespace

TEST_CASE("transport of a batch of one is DPO") {
  for (const bool paired : {true, false}) {
    batch b(1);
    const auto sums = b.run(zm::simd{}, paired, {.beta = 0.3, .label_smoothing = 0.1});
    const double h = (b.chosen[0] - b.chosen_before[0]) - (b.rejected[0] - b.rejected_before[0]);
    const auto dpo = al::dpo{.beta = 0.3, .label_smoothing = 0.1}(h);
    CHECK(sums.mean_over_pairs() == Approx(dpo.value).epsilon(1e-13));
    CHECK(b.for_chosen[0] == Approx(dpo.slope).epsilon(1e-13));
    CHECK(b.for_rejected[0] == -b.for_chosen[0]);
  }
}

TEST_CASE("transport sees a batch as a set: gradients follow their items through permutations") {
  const std::size_t n = 200;
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [](std::size_t a, std::size_t b) { return zm::random_bits(9, 0, a) < zm::random_bits(9, 0, b); });
  for (const bool paired : {true, false}) {
    batch b(n), p = b.permuted(order);
    b.run(zm::simd{}, paired, {.beta = 0.3});
    p.run(zm::simd{}, paired, {.beta = 0.3});
    CHECK(b.losses == p.losses);
    for (std::size_t k = 0; k < n; ++k) CHECK(p.for_chosen[k] == b.for_chosen[order[k]]);
    for (std::size_t k = 0; k < n; ++k) CHECK(p.for_rejected[k] == b.for_rejected[order[k]]);
  }
}

TEST_CASE("gradients of transport are central differences of the whole batch's loss") {
  for (const bool paired : {true, false}) {
    batch b(12);
    const al::dpo kernel{.beta = 0.3, .label_smoothing = 0.1};
    b.run(zm::simd{}, paired, kernel);
    for (std::size_t k = 0; k < 12; ++k)
      for (const bool first : {true, false}) {
        batch up = b, down = b;
        (first ? up.chosen : up.rejected)[k] += 1e-5;
        (first ? down.chosen : down.rejected)[k] -= 1e-5;
        const double slope =
            (up.run(zm::simd{}, paired, kernel).loss - down.run(zm::simd{}, paired, kernel).loss) / 2e-5;
        CHECK((first ? b.for_chosen : b.for_rejected)[k] == Approx(slope).epsilon(1e-7).margin(1e-9));
      }
  }
}

TEST_CASE("a batch in parts is another batch: its sums do not merge") {
  static_assert(!mergeable<al::batch_coupled_sums>);
  static_assert(mergeable<zm::response_sums>);
  batch b(40);
  const double whole = b.run(zm::simd{}, true, {}).loss;
  std::vector<std::size_t> first(20), second(20);
  std::iota(first.begin(), first.end(), std::size_t{0});
  std::iota(second.begin(), second.end(), std::size_t{20});
  const double parts =
      b.permuted(first).run(zm::simd{}, true, {}).loss + b.permuted(second).run(zm::simd{}, true, {}).loss;
  CHECK(std::abs(whole - parts) > 1e-6);
}

TEST_CASE("ties are broken by position, and every policy gives the same gradients") {
  batch b(2);
  b.chosen = {-1, -1}, b.rejected = {-2, -2}, b.chosen_before = {-1, -3}, b.rejected_before = {-2, -2};
  b.run(zm::simd{}, true, {.beta = 1});
  const al::dpo dpo{.beta = 1};
  CHECK(b.for_chosen[0] ==
        Approx(dpo(1.0 - -1.0).slope).epsilon(1e-14));  // the first gets the smaller reference margin
  CHECK(b.for_chosen[1] == Approx(dpo(0.0).slope).epsilon(1e-14));
  const zm::threads pool(2);
  batch x(5000), y(5000), z(5000);
  x.run(zm::simd{}, false, {}), y.run(pool, false, {}), z.run(zm::serial{}, false, {});
  CHECK(x.for_chosen == y.for_chosen);
  CHECK(x.for_rejected == z.for_rejected);
}

TEST_CASE("a response that the policy never writes has the limit of its loss") {
  batch b(30);
  b.rejected[7] = -std::numeric_limits<double>::infinity();
  CHECK(b.run(zm::simd{}, true, {}).loss < 30 * 30);
  CHECK(b.losses[29] == 0);
  CHECK(b.for_chosen[7] == 0);
}

TEST_CASE("what transport cannot take is refused by tensor and position") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const auto refused = [](bool paired, auto&& change) {
    return thrown<zm::domain_error>([&] {
      batch b(20);
      change(b);
      b.run(zm::simd{}, paired, {});
    });
  };
  CHECK(refused(true, [](batch& b) { b.rejected_before[5] = std::nan(""); }).argument() == "reference_rejected");
  CHECK(refused(false, [](batch& b) { b.chosen[3] = infinity; }).argument() == "chosen");
  CHECK(refused(true, [](batch& b) { b.chosen[3] = b.rejected[3] = -infinity; }).index() == 3);
  batch short_one(20);
  short_one.rejected.pop_back();
  CHECK_THROWS_AS(short_one.run(zm::simd{}, true, {}), zm::shape_error);
  batch few(20);
  few.for_chosen.pop_back();
  CHECK_THROWS_AS(few.run(zm::simd{}, false, {}), zm::shape_error);
  batch none(0);
  CHECK_THROWS_AS(none.run(zm::simd{}, true, {}).mean_over_pairs(), zm::domain_error);
}
