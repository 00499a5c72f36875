// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/primitives/segment_reduce.hpp"

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

/// x, w → Σ w x, Σ w, the largest x and log Σ exp x.
struct moments {
  template <class V>
  auto operator()(V x, V w) const {
    return zm::bundle(zm::total(x * w), zm::total(w), zm::largest(x), zm::log_sum_exp(x));
  }
};
struct added {
  template <class V>
  auto operator()(V x) const {
    return zm::total(x);
  }
};
struct log_added {
  template <class V>
  auto operator()(V x) const {
    return zm::log_sum_exp(x);
  }
};

template <class T>
struct answers {
  std::vector<T> product, weight, most, log_sum;
  explicit answers(std::size_t s) : product(s), weight(s), most(s), log_sum(s) {}
  bool operator==(const answers&) const = default;
};

template <class T, class N, class P>
answers<T> reduce(P&& policy, const std::vector<T>& x, const std::vector<T>& w, const std::vector<N>& offsets) {
  answers<T> got(offsets.size() - 1);
  zm::segment_reduce(policy, moments{}, zm::inputs(x, w), offsets,
                     zm::outputs(got.product, got.weight, got.most, got.log_sum));
  return got;
}

template <class T>
std::vector<T> random_numbers(std::size_t n, std::uint64_t seed) {
  std::vector<T> x(n);
  for (std::size_t k = 0; k < n; ++k) x[k] = static_cast<T>(20 * zm::uniform(seed, 0, k) - 10);
  return x;
}

/// Segments of random length below `longest`, a third of them empty.
template <class N>
std::vector<N> random_offsets(std::size_t n, std::int64_t longest, std::uint64_t seed) {
  std::vector<N> offsets{0};
  for (std::uint64_t k = 0; static_cast<std::size_t>(offsets.back()) < n; ++k) {
    const std::uint64_t bits = zm::random_bits(seed, 1, k);
    const std::int64_t length = bits % 3 == 0 ? 0 : zm::index_below(bits, longest) + 1;
    offsets.push_back(
        static_cast<N>(std::min(static_cast<std::int64_t>(offsets.back()) + length, static_cast<std::int64_t>(n))));
  }
  return offsets;
}

/// Whether the answers are those of sums in long double, within n roundings of the sum of absolute terms.
template <class T, class N>
bool right(const answers<T>& got, const std::vector<T>& x, const std::vector<T>& w, const std::vector<N>& offsets) {
  // A lane adds at most 32 terms in T, its lanes 4 more, and the answer is rounded to T; exp is good to 4 units.
  const long double unit = std::numeric_limits<T>::epsilon();
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    long double product = 0, size = 0, weight = 0, weights = 0, most = -infinity, sum = 0;
    for (auto k = static_cast<std::size_t>(offsets[s]); k < static_cast<std::size_t>(offsets[s + 1]); ++k) {
      product += static_cast<long double>(x[k]) * w[k];
      size += std::abs(static_cast<long double>(x[k]) * w[k]);
      weight += w[k];
      weights += std::abs(w[k]);
      most = std::max(most, static_cast<long double>(x[k]));
      sum += std::exp(static_cast<long double>(x[k]));
    }
    if (!(std::abs(got.product[s] - product) <= 20 * unit * size)) return false;
    if (!(std::abs(got.weight[s] - weight) <= 20 * unit * weights)) return false;
    if (static_cast<long double>(got.most[s]) != most) return false;
    if (sum == 0 ? got.log_sum[s] != -static_cast<T>(infinity)
                 : !(std::abs(got.log_sum[s] - std::log(sum)) <= 40 * unit + 2 * unit * std::abs(std::log(sum))))
      return false;
  }
  return true;
}

}  // namespace

TEMPLATE_TEST_CASE("segments have the statistics of their elements, whatever their lengths, under every policy", "",
                   float, double) {
  const zm::threads two(2), three(3);
  for (const std::size_t n : {0u, 1u, 15u, 16u, 17u, 4095u, 4096u, 4097u, 60001u})
    for (const std::int64_t longest : {1, 5, 40, 3000, 100000}) {
      const auto x = random_numbers<TestType>(n, n + 1), w = random_numbers<TestType>(n, n + 2);
      const auto offsets = random_offsets<std::int32_t>(n, longest, n + 3);
      const std::vector<std::int64_t> wide(offsets.begin(), offsets.end());
      INFO(n << " elements, segments of at most " << longest);
      const auto got = reduce(zm::simd{}, x, w, offsets);
      CHECK(right(got, x, w, offsets));
      CHECK(right(reduce(zm::serial{}, x, w, wide), x, w, wide));
      CHECK(reduce(two, x, w, wide) == got);
      CHECK(reduce(three, x, w, offsets) == got);
    }
}

TEST_CASE("a million empty segments get the identity, and a huge one among them its sum") {
  const zm::threads pool(2);
  std::vector<std::int64_t> offsets(1'000'001, 0);
  const std::vector<double> x(300'000, 0.5);
  for (std::size_t s = 500'000; s < offsets.size(); ++s) offsets[s] = 300'000;
  std::vector<double> sum(1'000'000), log_sum(1'000'000);
  zm::segment_reduce(pool, added{}, zm::inputs(x), offsets, zm::outputs(sum));
  zm::segment_reduce(pool, log_added{}, zm::inputs(x), offsets, zm::outputs(log_sum));
  CHECK(sum[499'999] == 150'000);
  CHECK(log_sum[499'999] == Approx(0.5 + std::log(300'000.0)).epsilon(1e-15));
  CHECK(std::count(sum.begin(), sum.end(), 0.0) == 999'999);
  CHECK(std::count(log_sum.begin(), log_sum.end(), -infinity) == 999'999);
}

TEST_CASE("strided inputs, repeated elements and strided offsets give the bits of packed ones") {
  const auto x = random_numbers<float>(9000, 1);
  std::vector<float> apart(3 * x.size(), 7.0f);
  for (std::size_t k = 0; k < x.size(); ++k) apart[3 * k] = x[k];
  const auto offsets = random_offsets<std::int64_t>(9000, 100, 2);
  std::vector<std::int64_t> offsets_apart(2 * offsets.size(), -1);
  for (std::size_t s = 0; s < offsets.size(); ++s) offsets_apart[2 * s] = offsets[s];
  const auto segments = static_cast<std::int64_t>(offsets.size()) - 1;
  std::vector<float> packed(offsets.size() - 1), strided(offsets.size() - 1);
  zm::segment_reduce(log_added{}, zm::inputs(x), offsets, zm::outputs(packed));
  const zm::tensor_view<float, 1> far{.data = apart.data(), .shape = {9000}, .strides = {3}};
  const zm::tensor_view<const std::int64_t, 1> far_offsets{
      .data = offsets_apart.data(), .shape = {segments + 1}, .strides = {2}};
  zm::segment_reduce(log_added{}, zm::inputs(far), far_offsets, zm::outputs(strided));
  CHECK(packed == strided);
  const double one = 1;
  const zm::tensor_view<const double, 1> same{.data = &one, .shape = {9000}, .strides = {0}};
  std::vector<double> lengths(packed.size());
  zm::segment_reduce(added{}, zm::inputs(same), offsets, zm::outputs(lengths));
  CHECK(lengths[3] == static_cast<double>(offsets[4] - offsets[3]));
}

TEST_CASE("log-sum-exp is exact at its edges") {
  const auto of = [](const std::vector<double>& x) {
    const std::vector<int> offsets{0, static_cast<int>(x.size())};
    double simd = 0, serial = 0;
    zm::segment_reduce(log_added{}, zm::inputs(x), offsets, zm::outputs(zm::tensor_view<double, 1>{&simd, {1}, {1}}));
    zm::segment_reduce(zm::serial{}, log_added{}, zm::inputs(x), offsets,
                       zm::outputs(zm::tensor_view<double, 1>{&serial, {1}, {1}}));
    CHECK((simd == serial || std::abs(simd - serial) <= 1e-15 * std::abs(simd)));
    return simd;
  };
  CHECK(of({}) == -infinity);
  CHECK(of({-infinity}) == -infinity);
  CHECK(of(std::vector<double>(100, -infinity)) == -infinity);
  CHECK(of({-infinity, 3}) == 3);
  CHECK(of({3, -infinity, -infinity}) == 3);
  CHECK(of({infinity, 3}) == infinity);
  CHECK(of({infinity, -infinity, infinity}) == infinity);
  CHECK(of(std::vector<double>(50, infinity)) == infinity);
  CHECK(of({700, 700}) == Approx(700 + std::log(2.0)).epsilon(1e-15));
  CHECK(of({-700, 700}) == 700);
  CHECK(of({-1e308, -1e308}) == -1e308);
  CHECK(of({5e-324, -5e-324}) == Approx(std::log(2.0)).epsilon(1e-15));
}

TEST_CASE("segment_reduce says what is wrong with offsets, tensors and numbers") {
  std::vector<double> x(20000, 1.0), sums(3), more(4);
  const auto call = [&](const auto& offsets, auto& out) {
    try {
      zm::segment_reduce(added{}, zm::inputs(x), offsets, zm::outputs(out));
    } catch (const zm::error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  using list = std::vector<std::int64_t>;
  CHECK(call(list{}, sums) == "offsets: is empty, expected one more offset than there are segments");
  CHECK(call(list{1, 2, 3, 20000}, sums) == "offsets[0]: 1, expected 0, where the first segment begins");
  CHECK(call(list{0, 7000, 20000, 9000}, sums) == "offsets[3]: 9000 follows 20000, expected ascending offsets");
  CHECK(call(list{0, 9000, 7000, 20000}, sums) == "offsets[2]: 7000 follows 9000, expected ascending offsets");
  CHECK(call(list{0, 1, 2, 3}, sums) == "offsets[3]: 3, expected the number of elements, 20000");
  CHECK(call(list{0, -5, 2, 20000}, sums) == "offsets[1]: -5 follows 0, expected ascending offsets");
  CHECK(call(list{0, 1, 2, 20000}, more) == "output 0: 4 elements, expected one for each of the 3 segments");
  x[12345] = std::numeric_limits<double>::quiet_NaN();
  CHECK(call(list{0, 1, 2, 20000}, sums) == "input 0[12345]: is not a number");
  x[12345] = infinity;
  CHECK(call(list{0, 1, 2, 20000}, sums).empty());
  CHECK(sums[2] == infinity);
  x[17] = -infinity;
  CHECK(call(list{0, 1, 2, 20000}, sums) == "output 0[2]: is undefined: terms of +inf and -inf meet");
}

TEST_CASE("offsets that do not ascend are found wherever they are, and nothing is read outside the tensors") {
  const zm::threads pool(3);
  check_property(
      [&] {
        const auto n = *rc::gen::inRange<std::size_t>(0, 30000);
        auto offsets = random_offsets<std::int64_t>(n, *rc::gen::inRange<std::int64_t>(1, 3000), 7);
        RC_PRE(offsets.size() > 3);
        const auto at = *rc::gen::inRange<std::size_t>(1, offsets.size() - 1);
        offsets[at] = *rc::gen::arbitrary<bool>() ? -1 : static_cast<std::int64_t>(n) + 1 + (1 << 20);
        const std::vector<float> x(n, 1.0f);
        std::vector<float> out(offsets.size() - 1);
        const auto index = [&](auto&& policy) {
          return thrown<zm::domain_error>(
                     [&] { zm::segment_reduce(policy, added{}, zm::inputs(x), offsets, zm::outputs(out)); })
              .index();
        };
        const auto expected = static_cast<std::int64_t>(offsets[at] < 0 ? at : at + 1);
        RC_ASSERT(index(zm::simd{}) == expected);
        RC_ASSERT(index(pool) == expected);
      },
      60);
}

TEST_CASE("segments of one element that is repeated beyond 2³¹ positions are not read where they do not lie") {
  // 2³² + 2 empty steps would take seconds: the walk's arithmetic is checked on offsets that no tensor holds.
  const zm::detail::equal_offsets rows{3, std::int64_t{1} << 33};
  const auto tile = zm::detail::tile_of_walk(rows, 3 * rows.length, (std::int64_t{1} << 33) + 5, std::int64_t{5} << 32);
  CHECK(tile.first == 1);
  CHECK(tile.last == 2);
  CHECK(tile.begin == (std::int64_t{1} << 33) + 4);
  CHECK(tile.end == (std::int64_t{5} << 32) - 2);
}
