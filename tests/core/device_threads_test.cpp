// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the threads of a device do, thread after thread on the host: indices, tails, masks, faults and merges are checked
// where there is no device.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "zermelo/alignment/dpo.hpp"
#include "zermelo/core/detail/cuda/map_walk.hpp"
#include "zermelo/core/detail/cuda/random.hpp"
#include "zermelo/core/detail/cuda/scan_walk.hpp"
#include "zermelo/core/detail/cuda/scatter_walk.hpp"
#include "zermelo/core/detail/cuda/segment_walk.hpp"
#include "zermelo/core/detail/cuda/softmax_walk.hpp"
#include "zermelo/core/pair_loss.hpp"
#include "zermelo/core/primitives/gather.hpp"
#include "zermelo/core/primitives/row_reduce.hpp"
#include "zermelo/core/primitives/scan.hpp"
#include "zermelo/core/primitives/segment_reduce.hpp"
#include "zermelo/core/random.hpp"
#include "zermelo/preference/detail/resident_rows.hpp"

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
  for (std::size_t k = 0; k < n; ++k) REQUIRE(product[k] == (mask[k] ? x[k] * y[k] : 0.0f));
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
  const device::pair_kernel<zm::alignment::dpo, false, true, device::length_use::none, 0, false> kernel{{.beta = 0.3}};
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
  const auto same = zm::detail::to_pair_sums<true, false>{n}(got.totals);
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

namespace {

struct sum_and_largest {
  template <class V>
  auto operator()(V x) const {
    return zm::bundle(zm::total(x), zm::largest(x), zm::log_sum_exp(x));
  }
};

/// What the blocks of a segmented reduction do, and the threads that close segments across tiles.
template <class Walk>
zm::fault_word run_segments(const Walk& walk) {
  std::vector<typename Walk::tile_part> parts(static_cast<std::size_t>(walk.tiles()));
  zm::fault_word first = zm::no_fault;
  for (std::int64_t t = 0; t < walk.tiles(); ++t) {
    auto& to = parts[static_cast<std::size_t>(t)];
    to.tile = walk.tile(t);
    to.continued = false;
    to.head = to.tail = device::bundle_identity<typename Walk::totals>::make();
    int longs = 0;
    for (std::int64_t s = to.tile.first; s < walk.behind_last(to.tile); ++s) {
      const int lanes = walk.is_long(to.tile, s) ? device::block_threads : device::warp_threads;
      longs += lanes == device::block_threads;
      std::vector<typename Walk::part> of_lanes;
      for (int lane = 0; lane < lanes; ++lane)
        of_lanes.push_back(walk.of_lane(walk.begin_of(to.tile, s), walk.end_of(to.tile, s), lane, lanes));
      for (int distance = 1; distance < lanes; distance *= 2)
        for (int lane = 0; lane < lanes; ++lane)
          device::merge_round(lane, distance, lanes, [&](int a, int b) {
            merge_parts(of_lanes[static_cast<std::size_t>(a)], of_lanes[static_cast<std::size_t>(b)]);
          });
      first = std::min(first, of_lanes[0].fault);
      walk.finish(to.tile, s, of_lanes[0].totals, to, first);
    }
    REQUIRE(longs <= device::long_segments_limit);
  }
  for (std::int64_t t = 0; t < walk.tiles(); ++t) walk.close(parts.data(), t, first);
  return first;
}

template <class T>
void check_segments(const std::vector<T>& x, const std::vector<std::int64_t>& offsets) {
  const std::size_t segments = offsets.size() - 1;
  std::vector<double> sum(segments, 7), most(segments, 7), log_sum(segments, 7);
  std::vector<double> expected_sum(segments), expected_most(segments), expected_log_sum(segments), sizes(segments);
  const auto from = zm::view(offsets);
  using offsets_type = device::given_offsets<std::remove_const_t<decltype(from)>>;
  const auto in = columns<T>(zm::view(x));
  const auto out = columns<T>(zm::view(sum), zm::view(most), zm::view(log_sum));
  const device::segment_walk<T, sum_and_largest, offsets_type, std::remove_const_t<decltype(in)>,
                             std::remove_const_t<decltype(out)>>
      walk{{}, {from}, in, out, static_cast<std::int64_t>(x.size())};
  CHECK(run_segments(walk) == zm::no_fault);
  zm::segment_reduce(zm::serial{}, sum_and_largest{}, zm::inputs(x), offsets,
                     zm::outputs(expected_sum, expected_most, expected_log_sum));
  for (std::size_t s = 0; s < segments; ++s) {
    const auto length = static_cast<std::size_t>(offsets[s + 1] - offsets[s]);
    REQUIRE(std::abs(sum[s] - expected_sum[s]) <= tolerance<T>(length));
    REQUIRE(most[s] == expected_most[s]);
    // The lanes' sums of exponentials are within 64 units; the logarithm divides by the sum.
    if (length > 0)
      REQUIRE(std::abs(log_sum[s] - expected_log_sum[s]) <=
              64 * static_cast<double>(std::numeric_limits<T>::epsilon()));
    else
      REQUIRE(log_sum[s] == -std::numeric_limits<double>::infinity());
  }
}

}  // namespace

TEMPLATE_TEST_CASE("threads of a device reduce segments of any lengths, also across tiles", "", float, double) {
  using T = TestType;
  const auto x = random_numbers<T>(60000, 9);
  const std::int64_t n = 60000;
  check_segments<T>(x, {0, n});
  check_segments<T>(x, {0, 0, 0, n, n});
  check_segments<T>(x, {0, 1, 2, 20000, 20001, 20001, 45000, 59999, n});
  check_segments<T>(x, {0, 4095, 4096, 8191, 8192, 8193, n});
  check_segments<T>({}, {0, 0, 0, 0});
  std::vector<std::int64_t> ragged{0}, empty(9001, 0);
  for (std::uint64_t s = 0; ragged.back() < n; ++s) {
    const double u = zm::uniform(3, 1, s);
    ragged.push_back(std::min(n, ragged.back() + static_cast<std::int64_t>(u < 0.3    ? 0
                                                                           : u < 0.98 ? 30 * u
                                                                                      : 5000 * u)));
  }
  check_segments<T>(x, ragged);
  empty.push_back(n);
  check_segments<T>(x, empty);
}

TEST_CASE("threads of a device sum the rows of a comparison graph at strengths that they gather") {
  namespace fits = zermelo::preference::detail;
  const std::vector<double> strength{0.3, -1.2, 0.5, 2}, wins{1, 2, 3, 4, 5, 6}, losses{6, 5, 4, 3, 2, 1};
  const std::vector<std::int32_t> own{0, 0, 1, 2, 2, 3}, opponents{1, 2, 0, 0, 3, 2};
  const std::vector<std::int64_t> offsets{0, 2, 3, 5, 6};
  std::vector<double> won(4), lost(4), bent(4);
  const auto gathered = [&](const std::vector<std::int32_t>& at) {
    return fits::gathered_view<double, zm::memory::host>{strength.data(), at.data(), {6}, {1}};
  };
  const auto begins = zm::view(offsets);
  const auto in = columns<double>(gathered(own), gathered(opponents), zm::view(wins), zm::view(losses));
  const auto out = columns<double>(zm::view(won), zm::view(lost), zm::view(bent));
  const device::segment_walk<double, fits::row_kernel<fits::wanted{}, zm::logistic>,
                             device::given_offsets<std::remove_const_t<decltype(begins)>>,
                             std::remove_const_t<decltype(in)>, std::remove_const_t<decltype(out)>>
      walk{{}, {begins}, in, out, 6};
  CHECK(run_segments(walk) == zm::no_fault);
  for (std::size_t i = 0; i < 4; ++i) {
    double expected_won = 0, expected_lost = 0;
    for (auto e = static_cast<std::size_t>(offsets[i]); e < static_cast<std::size_t>(offsets[i + 1]); ++e) {
      const double p = zm::sigmoid(strength[i] - strength[static_cast<std::size_t>(opponents[e])]);
      expected_won += wins[e] * (1 - p), expected_lost += losses[e] * p;
    }
    CHECK(won[i] == Approx(expected_won).epsilon(1e-14));
    CHECK(lost[i] == Approx(expected_lost).epsilon(1e-14));
  }
}

TEST_CASE("a device names wrong offsets and reads nothing outside of the elements") {
  const auto x = random_numbers<float>(10000, 9);
  const auto first_fault = [&](const std::vector<std::int64_t>& offsets) {
    const device::given_offsets<zm::tensor_view<const std::int64_t, 1>> from{zm::view(offsets)};
    zm::fault_word first = zm::no_fault;
    for (std::size_t s = 0; s < offsets.size(); ++s)
      first = std::min(first, device::fault_of_offset(from, 10000, static_cast<std::int64_t>(s)));
    std::vector<double> out(offsets.size() - 1);
    const auto in = columns<float>(zm::view(x));
    const auto to = columns<float>(zm::view(out), zm::view(out), zm::view(out));
    run_segments(device::segment_walk<float, sum_and_largest, std::remove_const_t<decltype(from)>,
                                      std::remove_const_t<decltype(in)>, std::remove_const_t<decltype(to)>>{
        {}, from, in, to, 10000});  // the sanitizers watch
    return zm::fault_of(first);
  };
  CHECK(first_fault({0, 5000, 10000}).code == zm::fault_code::none);
  CHECK(first_fault({1, 5000, 10000}).index == 0);
  CHECK(first_fault({0, 7000, 5000, 10000}).index == 2);
  CHECK(first_fault({0, 99999999, 10000}).index == 2);
  CHECK(first_fault({0, -5, 10000}).index == 1);
  CHECK(first_fault({0, 5000, 9999}).index == 2);
  CHECK(first_fault({0, 5000, 20000}).code == zm::fault_code::not_ascending);
}

namespace {

/// What the block of every row does.
template <device::softmax_output Form, class X, class O>
zm::fault_word run_softmax(const X& x, const O& out) {
  const device::softmax_walk<float, Form, X, O> walk{x, out};
  using walk_type = std::remove_const_t<decltype(walk)>;
  zm::fault_word first = zm::no_fault;
  for (std::int64_t r = 0; r < x.shape[0]; ++r) {
    std::vector<typename walk_type::largest_part> most;
    std::vector<typename walk_type::sum_part> sums;
    for (int t = 0; t < device::block_threads; ++t) most.push_back(walk.largest_of_lane(r, t, device::block_threads));
    const auto top = over_block(most);
    const double largest = zm::get<0>(top.totals).value;
    first = std::min({first, top.fault, walk.fault_of_row(r, largest)});
    for (int t = 0; t < device::block_threads; ++t)
      sums.push_back(walk.sum_of_lane(r, largest, t, device::block_threads));
    const double sum = zm::get<0>(over_block(sums).totals).value;
    for (int t = 0; t < device::block_threads; ++t) walk.write_lane(r, largest, sum, t, device::block_threads);
  }
  return first;
}

}  // namespace

TEST_CASE("a block of a device makes the softmax of a row as the host does, in place and of columns too") {
  constexpr std::int64_t rows = 5, width = 1003;
  auto x = random_numbers<float>(rows * width, 11);
  for (float& v : x) v *= 30;
  for (std::size_t k = 0; k < x.size(); k += 7) x[k] = -std::numeric_limits<float>::infinity();
  const auto from = zm::matrix_view(x.data(), rows, width);
  std::vector<float> out(x.size()), expected(x.size()), sums(rows), expected_sums(rows);
  const auto to = zm::matrix_view(out.data(), rows, width), wanted = zm::matrix_view(expected.data(), rows, width);
  const auto close = [&] {
    for (std::size_t k = 0; k < out.size(); ++k) {
      INFO(k);
      // Sums of 32 terms of a lane, an exponential and two products.
      REQUIRE((out[k] == expected[k] || std::abs(out[k] - expected[k]) <= 4e-6f * (std::abs(expected[k]) + 1e-3f)));
    }
  };
  CHECK(run_softmax<device::softmax_output::probabilities>(from, to) == zm::no_fault);
  zm::softmax_rows(zm::serial{}, from, wanted);
  close();
  CHECK(run_softmax<device::softmax_output::logarithms>(from, to) == zm::no_fault);
  zm::log_softmax_rows(zm::serial{}, from, wanted);
  close();
  CHECK(run_softmax<device::softmax_output::normaliser>(from, zm::view(sums)) == zm::no_fault);
  zm::log_sum_exp_rows(zm::serial{}, from, expected_sums);
  for (std::size_t r = 0; r < rows; ++r) CHECK(sums[r] == Approx(expected_sums[r]).epsilon(1e-6));
  zm::softmax_rows(zm::serial{}, zm::transposed(from), zm::transposed(wanted));
  CHECK(run_softmax<device::softmax_output::probabilities>(zm::transposed(from), zm::transposed(from)) == zm::no_fault);
  out = x;
  close();
}

TEST_CASE("a device notes the first row whose softmax is undefined") {
  const float inf = std::numeric_limits<float>::infinity();
  float x[4][2] = {{1, 2}, {-inf, -inf}, {inf, 0}, {std::numeric_limits<float>::quiet_NaN(), 0}}, out[4][2], sums[4];
  const auto first = [&](std::int64_t from, std::int64_t rows) {
    const auto v = zm::matrix_view(x[from], rows, 2);
    return zm::fault_of(run_softmax<device::softmax_output::probabilities>(v, zm::matrix_view(out[from], rows, 2)));
  };
  CHECK(first(0, 1).code == zm::fault_code::none);
  CHECK(first(0, 4).index == 1);
  CHECK(first(2, 2).index == 0);
  CHECK(first(3, 1).code == zm::fault_code::refused);
  CHECK(run_softmax<device::softmax_output::normaliser>(zm::matrix_view(x[0], 3, 2), zm::vector_view(sums, 3)) ==
        zm::no_fault);
  CHECK(sums[1] == -inf);
  CHECK(sums[2] == inf);
}

namespace {

struct recurrence {
  template <class V>
  auto operator()(V a, V b) const {
    return zm::affine(a, b);
  }
};

/// What the threads of a block hold before each of them, round by round.
template <class Part>
std::vector<Part> before_threads(std::vector<Part> from) {
  std::vector<Part> to(from), before{Part::identity()};
  for (int distance = 1; distance < device::block_threads; distance *= 2) {
    for (int t = 0; t < device::block_threads; ++t) device::scan_round(t, distance, from.data(), to.data());
    from.swap(to);
  }
  before.insert(before.end(), from.begin(), from.end() - 1);
  return before;
}

/// What the three kernels of a scan do.
template <class Walk>
zm::fault_word run_scan(const Walk& walk) {
  using part = typename Walk::part;
  std::vector<part> tiles, threads;
  const auto parts_of_tile = [&](std::int64_t tile) {
    threads.clear();
    for (int t = 0; t < device::block_threads; ++t) threads.push_back(walk.of_thread(tile, t));
    return threads;
  };
  for (std::int64_t tile = 0; tile < walk.tiles(); ++tile) tiles.push_back(over_block(parts_of_tile(tile)));
  threads.clear();
  for (int t = 0; t < device::block_threads; ++t)
    threads.push_back(device::merged_stretch(tiles.data(), walk.tiles(), t));
  const auto before = before_threads(threads);
  for (int t = 0; t < device::block_threads; ++t)
    device::spread_stretch(tiles.data(), walk.tiles(), t, before[static_cast<std::size_t>(t)]);
  zm::fault_word first = zm::no_fault;
  for (std::int64_t tile = 0; tile < walk.tiles(); ++tile) {
    const auto before_each = before_threads(parts_of_tile(tile));
    for (int t = 0; t < device::block_threads; ++t) {
      part own = tiles[static_cast<std::size_t>(tile)];
      merge_parts(own, before_each[static_cast<std::size_t>(t)]);
      own.fault = zm::no_fault;
      first = std::min(first, walk.write_thread(tile, t, own));
    }
  }
  return first;
}

template <bool Reverse, class Offsets>
zm::fault_word scan_on_threads(const Offsets& offsets, const std::vector<double>& a, const std::vector<double>& b,
                               std::vector<double>& out, bool exclusive) {
  const auto in = columns<double>(zm::view(a), zm::view(b));
  using to_type = device::device_column<zm::tensor_view<double, 1>>;
  const zm::bundle<to_type, device::no_column> to(device::device_column_of<double>(zm::view(out)), device::no_column{});
  return run_scan(device::scan_walk<double, Reverse, recurrence, Offsets, std::remove_const_t<decltype(in)>,
                                    std::remove_const_t<decltype(to)>>{
      {}, offsets, in, to, static_cast<std::int64_t>(a.size()), exclusive});
}

}  // namespace

TEST_CASE("threads of a device scan recurrences in both directions, in segments of any lengths") {
  for (const std::int64_t n : {std::int64_t{0}, std::int64_t{1}, std::int64_t{8}, std::int64_t{2047},
                               std::int64_t{2048}, std::int64_t{2049}, std::int64_t{50001}}) {
    std::vector<double> a(static_cast<std::size_t>(n)), b(a), out(a), expected(a);
    zm::fill_uniform(1, 0, a), zm::fill_uniform(1, 1, b);
    std::vector<std::int64_t> offsets{0, 0};
    for (std::uint64_t s = 0; offsets.back() < n; ++s) {
      const double u = zm::uniform(4, 1, s);
      offsets.push_back(std::min(n, offsets.back() + static_cast<std::int64_t>(u < 0.2   ? 0
                                                                               : u < 0.9 ? 20 * u
                                                                                         : 9000 * u)));
    }
    offsets.push_back(n);
    const device::given_offsets<zm::tensor_view<const std::int64_t, 1>> from{
        zm::vector_view(static_cast<const std::int64_t*>(offsets.data()), static_cast<std::int64_t>(offsets.size()))};
    // Factors are below one: what was rounded long ago has died away.
    const auto close = [&] {
      for (std::size_t k = 0; k < out.size(); ++k) REQUIRE(out[k] == Approx(expected[k]).epsilon(1e-13).margin(1e-13));
    };
    for (const bool exclusive : {false, true}) {
      CHECK(scan_on_threads<false>(device::device_whole{}, a, b, out, exclusive) == zm::no_fault);
      zm::scan(zm::serial{}, recurrence{}, zm::inputs(a, b), zm::outputs(expected, zm::discard),
               {.exclusive = exclusive});
      close();
      CHECK(scan_on_threads<true>(device::device_whole{}, a, b, out, exclusive) == zm::no_fault);
      zm::scan(zm::serial{}, recurrence{}, zm::inputs(a, b), zm::outputs(expected, zm::discard),
               {.reverse = true, .exclusive = exclusive});
      close();
      CHECK(scan_on_threads<false>(from, a, b, out, exclusive) == zm::no_fault);
      zm::segment_scan(zm::serial{}, recurrence{}, zm::inputs(a, b), offsets, zm::outputs(expected, zm::discard),
                       {.exclusive = exclusive});
      close();
      CHECK(scan_on_threads<true>(from, a, b, out, exclusive) == zm::no_fault);
      zm::segment_scan(zm::serial{}, recurrence{}, zm::inputs(a, b), offsets, zm::outputs(expected, zm::discard),
                       {.reverse = true, .exclusive = exclusive});
      close();
    }
  }
}

TEST_CASE("a device names the NaN that a scan visits first") {
  std::vector<double> a(5000, 0.5), b(a), out(a);
  b[4] = a[4000] = std::numeric_limits<double>::quiet_NaN();
  const auto forward = zm::fault_of(scan_on_threads<false>(device::device_whole{}, a, b, out, false));
  CHECK(forward.code == zm::fault_code::not_a_number);
  CHECK(forward.argument == 1);
  CHECK(forward.index == 4);
  const auto backward = zm::fault_of(scan_on_threads<true>(device::device_whole{}, a, b, out, false));
  CHECK(backward.argument == 0);
  CHECK(backward.index == 4999 - 4000);
  const std::vector<std::int64_t> wrong{0, 9999999, -7, 5000};
  scan_on_threads<true>(device::given_offsets<zm::tensor_view<const std::int64_t, 1>>{zm::view(wrong)}, a, b, out,
                        false);  // the sanitizers watch
}

TEMPLATE_TEST_CASE("threads of a device draw any stretch of a stream, wherever it lies in memory", "", float, double) {
  using T = TestType;
  for (const std::uint64_t first : {0u, 1u, 2u, 3u, 1000003u})
    for (const std::size_t shift : {0u, 1u})
      for (const std::int64_t n : {0, 1, 2, 3, 4, 5, 1001}) {
        std::vector<T> memory(static_cast<std::size_t>(n) + shift + 1, T(7)), expected(static_cast<std::size_t>(n));
        const device::random_walk<T> walk{zm::philox{5, 6}, first, memory.data() + shift, n};
        for (std::int64_t b = 0; b < walk.blocks(); ++b) walk.write_block(b);
        zm::fill_uniform(5, 6, expected, first);
        CHECK(std::equal(expected.begin(), expected.end(), memory.begin() + static_cast<std::ptrdiff_t>(shift)));
        CHECK(memory.back() == T(7));
        if (shift > 0) CHECK(memory.front() == T(7));
      }
}

TEST_CASE("threads of a device add what sorted indices send to one output") {
  constexpr std::int64_t m = 20000, n = 37;
  const auto source = random_numbers<double>(m, 1);
  std::vector<std::uint32_t> keys, positions;
  std::vector<std::int64_t> whole(m), index(m);
  for (std::uint64_t k = 0; k < m; ++k) {  // half of them fall on output 5; none on output 6
    const double u = zm::uniform(8, 8, k);
    index[k] = u < 0.5 ? 5 : static_cast<std::int64_t>(u * n);
    if (index[k] == 6) index[k] = 36;
    positions.push_back(static_cast<std::uint32_t>(k));
    whole[k] = static_cast<std::int64_t>(k) - 7;
  }
  std::stable_sort(positions.begin(), positions.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return index[a] < index[b]; });
  for (const std::uint32_t p : positions) keys.push_back(static_cast<std::uint32_t>(index[p]));
  std::vector<std::int64_t> begins;
  for (std::int64_t i = 0; i <= n; ++i) begins.push_back(device::first_at_least(keys.data(), m, i));
  CHECK(begins.front() == 0);
  CHECK(begins.back() == m);

  std::vector<double> out(n, 1), expected(n, 1);
  const auto from = device::device_column_of<double>(zm::view(source));
  const auto to = device::device_column_of<double>(zm::view(out));
  using source_type = std::remove_const_t<decltype(from)>;
  using out_type = std::remove_const_t<decltype(to)>;
  using offsets_type = device::given_offsets<zm::tensor_view<const std::int64_t, 1>>;
  const device::segment_walk<double, device::sum_of_elements, offsets_type,
                             zm::bundle<device::sorted_column<source_type, std::uint32_t>>,
                             zm::bundle<device::adding_column<out_type>>>
      walk{{},
           {zm::vector_view(static_cast<const std::int64_t*>(begins.data()), n + 1)},
           {{from, positions.data()}},
           {{to}},
           m};
  CHECK(run_segments(walk) == zm::no_fault);
  zm::scatter_add(source, index, expected);
  for (std::size_t i = 0; i < n; ++i) CHECK(out[i] == Approx(expected[i]).margin(1e-11));  // ten thousand additions
  CHECK(out[6] == 1);

  std::vector<std::int64_t> counts(n, 3), expected_counts(n, 3);
  const auto integers = device::device_column_of<float>(zm::view(whole));
  const auto into = device::device_column_of<float>(zm::view(counts));
  const device::scatter_walk<std::remove_const_t<decltype(integers)>, std::remove_const_t<decltype(into)>,
                             std::uint32_t>
      adding{integers, into, begins.data(), positions.data()};
  for (std::int64_t i = 0; i < adding.outputs(); ++i) {
    device::run_sum all{0};
    for (int lane = 0; lane < device::warp_threads; ++lane)
      merge_parts(all, adding.of_lane(i, lane, device::warp_threads));
    adding.finish(i, all);
  }
  zm::scatter_add(whole, index, expected_counts);
  CHECK(counts == expected_counts);
  CHECK(device::bits_below(1) == 1);
  CHECK(device::bits_below(256) == 8);
  CHECK(device::bits_below(257) == 9);
}
