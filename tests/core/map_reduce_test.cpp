// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/primitives/map_reduce.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "property.hpp"
#include "thrown.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/random.hpp"

namespace zm = zermelo;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// x, y → x·y and x + y, with the sum of products, the largest sum and the smallest.
struct product_and_sum {
  template <class V>
  auto operator()(V x, V y) const {
    return zm::mapped{zm::bundle(x * y, x + y), zm::bundle(zm::total(x * y), zm::largest(x + y), zm::smallest(x + y))};
  }
};

struct doubled {
  template <class V>
  V operator()(V x) const {
    return V(2) * x;
  }
};

/// Writes nothing.
struct summed {
  template <class V>
  auto operator()(V x) const {
    return zm::mapped{zm::bundle<>(), zm::bundle(zm::total(x))};
  }
};

std::vector<double> random_numbers(std::size_t n, std::uint64_t seed) {
  std::vector<double> x(n);
  zm::fill_uniform(seed, 0, x);
  for (double& v : x) v = 2 * v - 1;
  return x;
}

}  // namespace

TEST_CASE("map_reduce writes what the kernel returns and merges its statistics") {
  for (const std::size_t n : {0u, 1u, 7u, 8u, 9u, 4095u, 4096u, 4097u, 70001u}) {
    const auto x = random_numbers(n, 1), y = random_numbers(n, 2);
    std::vector<double> product(n), sum(n);
    const auto got = zm::map_reduce(product_and_sum{}, zm::inputs(x, y), zm::outputs(product, sum));
    double total = 0, size = 0, most = -infinity, least = infinity;
    bool same = true;
    for (std::size_t k = 0; k < n; ++k) {
      same = same && product[k] == x[k] * y[k] && sum[k] == x[k] + y[k];
      total += x[k] * y[k];
      size += std::abs(x[k] * y[k]);
      most = std::max(most, x[k] + y[k]);
      least = std::min(least, x[k] + y[k]);
    }
    INFO(n << " elements");
    CHECK(same);
    // The naive sum is the worse of the two: n roundings of the sum of absolute terms.
    CHECK(std::abs(zm::get<0>(got).value - total) <= static_cast<double>(n) * 1.2e-16 * size);
    CHECK(zm::get<1>(got).value == most);
    CHECK(zm::get<2>(got).value == least);
  }
}

TEST_CASE("an output may be its input, and one that is not wanted is discarded") {
  auto x = random_numbers(5000, 3);
  const auto before = x;
  zm::map_reduce(doubled{}, zm::inputs(x), zm::outputs(x));
  CHECK(x[0] == 2 * before[0]);
  CHECK(x[4999] == 2 * before[4999]);
  const auto y = random_numbers(5000, 4);
  std::vector<double> sum(5000);
  const auto both = zm::map_reduce(product_and_sum{}, zm::inputs(x, y), zm::outputs(zm::discard, sum));
  CHECK(sum[17] == x[17] + y[17]);
  CHECK(zm::get<1>(both).value == *std::max_element(sum.begin(), sum.end()));
}

TEST_CASE("strided, transposed and contiguous tensors give the same bits") {
  std::vector<double> wide = random_numbers(60000, 5), packed;
  const zm::tensor_view<double, 2> transposed{.data = wide.data(), .shape = {200, 150}, .strides = {2, 400}};
  for (std::int64_t k = 0; k < transposed.size(); ++k) packed.push_back(transposed.element(k));
  CHECK(zm::get<0>(zm::map_reduce(summed{}, zm::inputs(transposed))).value ==
        zm::get<0>(zm::map_reduce(summed{}, zm::inputs(packed))).value);
  std::vector<double> out(packed.size());
  zm::map_reduce(doubled{}, zm::inputs(packed), zm::outputs(out));
  zm::map_reduce(doubled{}, zm::inputs(transposed), zm::outputs(transposed));
  CHECK(transposed(7, 11) == out[7 * 150 + 11]);
  CHECK(wide[1] == random_numbers(60000, 5)[1]);  // what lies between the strides is not written
}

TEST_CASE("arithmetic is in double if any tensor is") {
  const std::vector<float> x(1000, 0.1f);
  const std::vector<double> y(1000, 1.0 / 3);
  const auto got = zm::map_reduce(product_and_sum{}, zm::inputs(x, y), zm::outputs(zm::discard, zm::discard));
  CHECK(zm::get<1>(got).value == static_cast<double>(0.1f) + 1.0 / 3);
}

TEST_CASE("sums of floats keep six digits over ten million terms") {
  const std::vector<float> x(10'000'000, 0.1f);
  const double sum = zm::get<0>(zm::map_reduce(summed{}, zm::inputs(x))).value;
  // A lane adds up 32 terms in its own precision: at most 31 roundings of 2⁻²⁴, 1.8e-6. Equal terms, whose roundings do
  // not cancel, lose 3e-7.
  CHECK(sum == Approx(static_cast<double>(0.1f) * 1e7).epsilon(1e-6));
}

TEST_CASE("map_reduce names the tensor whose length differs") {
  const std::vector<double> three(3), four(4);
  std::vector<double> out(3), longer(4);
  const auto call = [](const auto& in, const auto& to) {
    return thrown<zm::shape_error>([&] { zm::map_reduce(product_and_sum{}, in, to); }).argument();
  };
  CHECK(call(zm::inputs(three, four), zm::outputs(out, out)) == "input 1");
  CHECK(call(zm::inputs(three, three), zm::outputs(out, longer)) == "output 1");
  const zm::named chosen("chosen", three), rejected("rejected", four);
  CHECK(call(zm::inputs(chosen, rejected), zm::outputs(zm::discard, zm::discard)) == "rejected");
}

TEST_CASE("map_reduce names the tensor and the position of the first NaN, under every policy") {
  const zm::threads pool(3);
  check_property(
      [&] {
        const auto n = *rc::gen::inRange<std::size_t>(1, 20000);
        const auto at = *rc::gen::inRange<std::size_t>(0, n);
        std::vector<double> x(n, 1.0), y(n, 2.0);
        y[at] = std::numeric_limits<double>::quiet_NaN();
        for (std::size_t k = at + 1; k < n; k += 5000) x[k] = y[at];
        const auto complaint = [&](auto&& policy) {
          try {
            zm::map_reduce(policy, product_and_sum{}, zm::inputs(x, zm::named("second", y)),
                           zm::outputs(zm::discard, zm::discard));
          } catch (const zm::domain_error& e) {
            return e.argument() + "[" + std::to_string(e.index()) + "]";
          }
          return std::string("nothing");
        };
        const std::string expected = "second[" + std::to_string(at) + "]";
        RC_ASSERT(complaint(zm::serial{}) == expected);
        RC_ASSERT(complaint(zm::simd{}) == expected);
        RC_ASSERT(complaint(pool) == expected);
      },
      40);
}
