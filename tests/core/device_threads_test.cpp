// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the threads of a device do, thread after thread on the host: indices, tails, masks, faults and merges are checked
// where there is no device.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "zermelo/alignment/dpo.hpp"
#include "zermelo/core/detail/cuda/map_walk.hpp"
#include "zermelo/core/pair_loss.hpp"
#include "zermelo/core/random.hpp"

namespace zm = zermelo;
namespace device = zermelo::detail;

namespace {

/// x, y → x·y and x + y, with the sum of products, the largest sum and the smallest.
struct product_and_sum {
  template <class V>
  auto operator()(V x, V y) const {
    return zm::mapped{zm::bundle(x * y, x + y), zm::bundle(zm::total(x * y), zm::largest(x + y), zm::smallest(x + y))};
  }
};

template <class T, class... View>
auto columns(const View&... v) {
  return zm::bundle<device::device_column<View>...>(device::device_column_of<T>(v)...);
}

template <class T, class Kernel, class Mask, class In, class Out>
auto walk_over(const Kernel& kernel, const Mask& mask, const In& in, const Out& out, std::int64_t n) {
  return device::map_walk<T, Kernel, Mask, In, Out>{kernel, mask, in, out, n};
}

/// The merge of the parts that the threads of one block hold, round by round.
template <class Part>
Part over_block(std::vector<Part> parts) {
  for (int distance = 1; distance < device::block_threads; distance *= 2)
    for (int t = 0; t < device::block_threads; ++t)
      device::merge_round(t, distance, device::block_threads, [&](int to, int from) {
        merge_parts(parts[static_cast<std::size_t>(to)], parts[static_cast<std::size_t>(from)]);
      });
  return parts[0];
}

template <class Walk>
typename Walk::part run(const Walk& walk, std::int64_t blocks) {
  std::vector<typename Walk::part> of_blocks, of_threads;
  for (std::int64_t b = 0; b < blocks; ++b) {
    of_threads.clear();
    for (std::int64_t t = 0; t < device::block_threads; ++t)
      of_threads.push_back(walk.of_thread(b * device::block_threads + t, blocks * device::block_threads));
    of_blocks.push_back(over_block(of_threads));
  }
  of_threads.clear();
  for (int t = 0; t < device::block_threads; ++t)
    of_threads.push_back(device::merged_stretch(of_blocks.data(), static_cast<int>(blocks), t));
  return over_block(of_threads);
}

template <class T>
std::vector<T> random_numbers(std::size_t n, std::uint64_t seed) {
  std::vector<T> x(n);
  zm::fill_uniform(seed, 0, x);
  for (T& v : x) v = 2 * v - 1;
  return x;
}

/// Sums of n terms of at most one, lanes of which add up to 32 before they are flushed.
template <class T>
double tolerance(std::size_t n) {
  return 32 * static_cast<double>(std::numeric_limits<T>::epsilon()) * static_cast<double>(n);
}

}  // namespace

TEMPLATE_TEST_CASE("threads of a device map every element once and merge all statistics", "", float, double) {
  using T = TestType;
  for (const std::size_t n : {0u, 1u, 3u, 4u, 5u, 1023u, 1024u, 4099u, 70001u}) {
    const auto x = random_numbers<T>(n, 1), y = random_numbers<T>(n, 2);
    std::vector<T> product(n, 7), sum(n, 7), expected_product(n), expected_sum(n);
    const auto walk = walk_over<T>(product_and_sum{}, device::no_column{}, columns<T>(zm::view(x), zm::view(y)),
                                   columns<T>(zm::view(product), zm::view(sum)), static_cast<std::int64_t>(n));
    const auto got = run(walk, device::map_blocks<T>(static_cast<std::int64_t>(n)));
    const auto expected =
        zm::map_reduce(zm::serial{}, product_and_sum{}, zm::inputs(x, y), zm::outputs(expected_product, expected_sum));
    CHECK(got.fault == zm::no_fault);
    CHECK(product == expected_product);
    CHECK(sum == expected_sum);
    CHECK(std::abs(zm::get<0>(got.totals).value - zm::get<0>(expected).value) <= tolerance<T>(n));
    CHECK(zm::get<1>(got.totals).value == zm::get<1>(expected).value);
    CHECK(zm::get<2>(got.totals).value == zm::get<2>(expected).value);
  }
}

TEST_CASE("a device's sums have the same bits whether tensors are aligned, shifted or strided, and whatever the grid") {
  constexpr std::size_t n = 20011;
  const auto x = random_numbers<float>(n, 1), y = random_numbers<float>(n, 2);
  std::vector<float> product(n), sum(n), shifted(n + 1), strided(3 * n), reversed(n), more(2 * n);
  for (std::size_t k = 0; k < n; ++k) shifted[k + 1] = strided[3 * k] = reversed[n - 1 - k] = x[k];
  const auto length = static_cast<std::int64_t>(n);
  using view_type = zm::tensor_view<const float, 1>;
  const auto blocks = device::map_blocks<float>(length);
  const auto sums = [&](view_type of_x, auto to) {
    const auto walk = walk_over<float>(product_and_sum{}, device::no_column{}, columns<float>(of_x, zm::view(y)),
                                       columns<float>(to, zm::view(sum)), length);
    return zm::get<0>(run(walk, blocks).totals).value;
  };
  const double expected = sums(zm::view(x), zm::view(product));
  const auto first = product;
  CHECK(sums({shifted.data() + 1, {length}, {1}}, zm::view(product)) == expected);
  CHECK(product == first);
  CHECK(sums({strided.data(), {length}, {3}}, zm::view(product)) == expected);
  CHECK(sums({reversed.data() + n - 1, {length}, {-1}}, zm::tensor_view<float, 1>{more.data(), {length}, {2}}) ==
        expected);
  for (std::size_t k = 0; k < n; ++k) REQUIRE(more[2 * k] == first[k]);
}

TEST_CASE("a device's masks keep what lies under them out of outputs, sums and faults") {
  constexpr std::size_t n = 4103;
  auto x = random_numbers<float>(n, 3), y = random_numbers<float>(n, 4);
  std::vector<char> mask(n, 1);
  double expected = 0;
  for (std::size_t k = 0; k < n; ++k) {
    if (k % 3 == 0) {
      mask[k] = 0;
      x[k] = k % 2 ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
    } else {
      expected += static_cast<double>(x[k] * y[k]);
    }
  }
  std::vector<float> product(n, 7), sum(n, 7);
  const auto length = static_cast<std::int64_t>(n);
  const auto kept = device::device_column_of<float>(zm::view(mask));
  const auto walk = walk_over<float>(product_and_sum{}, kept, columns<float>(zm::view(x), zm::view(y)),
                                     columns<float>(zm::view(product), zm::view(sum)), length);
  const auto got = run(walk, device::map_blocks<float>(length));
  CHECK(got.fault == zm::no_fault);
  CHECK(std::abs(zm::get<0>(got.totals).value - expected) <= tolerance<float>(n));
  CHECK(zm::get<1>(got.totals).value <= 2);
  for (std::size_t k = 0; k < n; ++k)
    REQUIRE(product[k] == (mask[k] ? x[k] * y[k] : 0.0f));
}

TEST_CASE("a device names the first NaN and its argument, wherever it is") {
  constexpr std::int64_t n = 9001;
  for (const std::int64_t at : {std::int64_t{0}, std::int64_t{5}, std::int64_t{4096}, n - 1}) {
    auto x = random_numbers<float>(n, 3), y = random_numbers<float>(n, 4);
    y[static_cast<std::size_t>(at)] = std::numeric_limits<float>::quiet_NaN();
    if (at + 1 < n) x[static_cast<std::size_t>(at + 1)] = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> product(n), sum(n);
    const auto walk = walk_over<float>(product_and_sum{}, device::no_column{}, columns<float>(zm::view(x), zm::view(y)),
                                       columns<float>(zm::view(product), zm::view(sum)), n);
    const auto bad = zm::fault_of(run(walk, device::map_blocks<float>(n)).fault);
    CHECK(bad.code == zm::fault_code::not_a_number);
    CHECK(bad.index == at);
    CHECK(bad.argument == 1);
  }
}

TEST_CASE("a device maps pair losses as the host does, and notes what a kernel refuses") {
  constexpr std::int64_t n = 5003;
  std::vector<double> chosen(n), rejected(n), weights(n), losses(n), chosen_slope(n), expected(n), expected_slope(n);
  zm::fill_uniform(1, 0, chosen), zm::fill_uniform(1, 1, rejected), zm::fill_uniform(1, 2, weights);
  const device::pair_kernel<zm::alignment::dpo, false, true, false> kernel{{.beta = 0.3}};
  const auto mapped = [&] {
    const auto in = columns<double>(zm::view(chosen), zm::view(rejected), zm::view(weights));
    using to = device::device_column<zm::tensor_view<double, 1>>;
    const zm::bundle<to, to, device::no_column> out(device::device_column_of<double>(zm::view(losses)),
                                                    device::device_column_of<double>(zm::view(chosen_slope)),
                                                    device::no_column{});
    return run(walk_over<double>(kernel, device::no_column{}, in, out, n), device::map_blocks<double>(n));
  };
  const auto got = mapped();
  const auto sums = zm::pair_loss(zm::serial{}, zm::alignment::dpo{.beta = 0.3}, chosen, rejected, zm::no_reference,
                                  zm::no_reference, expected, expected_slope, zm::discard, zm::weighted_by(weights));
  const auto same = zm::detail::to_pair_sums{}(got.totals);
  CHECK(same.loss == Approx(sums.loss).epsilon(1e-13));
  CHECK(same.weight == Approx(sums.weight).epsilon(1e-13));
  CHECK(same.pairs == n);
  CHECK(same.correct == sums.correct);
  for (std::size_t k = 0; k < n; ++k) {
    // Products may be fused with sums in one of the two and not in the other.
    REQUIRE(losses[k] == Approx(expected[k]).epsilon(1e-15));
    REQUIRE(chosen_slope[k] == Approx(expected_slope[k]).epsilon(1e-15));
  }
  weights[77] = -1, weights[4000] = -1;
  const auto bad = zm::fault_of(mapped().fault);
  CHECK(bad.code == zm::fault_code::refused);
  CHECK(bad.index == 77);
}
