// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>
#include <zermelo/core/execution/threads.hpp>
#include <zermelo/core/random.hpp>
#include <zermelo/core/statistics.hpp>

#include "../catch.hpp"
#include "../thrown.hpp"

namespace zm = zermelo;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

std::vector<double> uniforms(std::size_t n, std::uint64_t stream) {
  std::vector<double> x(n);
  zm::fill_uniform(1, stream, std::span<double>(x));
  return x;
}

}  // namespace

TEST_CASE("a sum of floats keeps six digits where a running sum keeps none") {
  const std::size_t n = 20000003;
  std::vector<float> x(n, 0.1f);
  zm::fill_uniform(3, 0, std::span<float>(x).first(n / 2));
  long double exact = 0;
  float naive = 0;
  for (float v : x) {
    exact += static_cast<long double>(v);
    naive += v;
  }
  const auto got = zm::sum(std::span<const float>(x));
  CHECK(got.count == static_cast<std::int64_t>(n));
  // sixteen terms a lane: at most 15 roundings of 2^-24, relative to the sum of absolute values
  CHECK(std::abs(got.sum / static_cast<double>(exact) - 1) < 15 * 0x1p-24);
  CHECK(std::abs(static_cast<double>(naive) / static_cast<double>(exact) - 1) > 1e-3);
}

TEST_CASE("sums and means have the same bits under every policy and number of threads") {
  zm::threads one(1), two(2), three(3);
  for (const std::size_t n : {1u, 63u, 64u, 65u, 1023u, 1024u, 1025u, 65536u, 65537u, 400001u}) {
    auto x = uniforms(n, 2);
    for (double& v : x) v = v * 2e6 - 1e6;
    std::vector<float> f(n);
    for (std::size_t k = 0; k < n; ++k) f[k] = static_cast<float>(x[k]);
    const std::span<const double> d(x);
    const std::span<const float> s(f);
    const auto all = [&](auto&& policy) {
      const bool same = zm::sum(policy, d).sum == zm::sum(d).sum && zm::sum(policy, s).sum == zm::sum(s).sum &&
                        zm::mean(policy, d) == zm::mean(d) && zm::variance(policy, d, 0) == zm::variance(d, 0);
      return same;
    };
    CHECK(all(zm::serial{}));
    CHECK(all(zm::simd{}));
    CHECK(all(one));
    CHECK(all(two));
    CHECK(all(three));
  }
}

TEST_CASE("a sum of doubles is off by a few units of its absolute sum") {
  const std::size_t n = 3000000;
  auto x = uniforms(n, 5);
  long double exact = 0, absolute = 0;
  for (std::size_t k = 0; k < n; ++k) {
    x[k] = (x[k] - 0.5) * std::exp(40 * zm::uniform(1, 6, k));
    exact += static_cast<long double>(x[k]);
    absolute += static_cast<long double>(std::abs(x[k]));
  }
  const long double off = static_cast<long double>(zm::sum(std::span<const double>(x)).sum) - exact;
  // 15 terms a lane and 64 flushes a tile of 2^16, six halvings: the bound is (15 + 64 + 6) 2^-53
  CHECK(std::abs(static_cast<double>(off / absolute)) < 85 * 0x1p-53);
}

TEST_CASE("an empty sum is zero of nothing, and nothing has no mean") {
  const auto empty = zm::sum(std::span<const double>());
  CHECK(empty.sum == 0);
  CHECK(empty.count == 0);
  CHECK_THROWS_AS(empty.mean(), zm::domain_error);
  CHECK_THROWS_AS(zm::mean(std::span<const double>()), zm::domain_error);
}

TEST_CASE("sums merge: any split into parts gives the mean of the whole") {
  const auto x = uniforms(10000, 8);
  const std::span<const double> all(x);
  for (const std::size_t cut : {0u, 1u, 5000u, 10000u}) {
    auto merged = zm::sum(all.first(cut));
    merged.merge(zm::sum(all.subspan(cut)));
    CHECK(merged.count == 10000);
    CHECK(merged.mean() == Approx(zm::sum(all).mean()).epsilon(1e-14));
  }
}

TEST_CASE("one infinity makes an infinite sum; NaN and both infinities are refused with their index") {
  std::vector<double> x(5000, 1.0);
  x[4321] = infinity;
  CHECK(zm::sum(std::span<const double>(x)).sum == infinity);
  CHECK(zm::mean(std::span<const double>(x)) == infinity);
  CHECK(thrown<zm::domain_error>([&] { zm::variance(std::span<const double>(x)); }).index() == 4321);
  x[17] = -infinity;
  CHECK(thrown<zm::domain_error>([&] { zm::sum(std::span<const double>(x)); }).index() == zm::domain_error::whole);
  x[1234] = not_a_number;
  CHECK(thrown<zm::domain_error>([&] { zm::sum(std::span<const double>(x)); }).index() == 1234);
  CHECK(thrown<zm::domain_error>([&] { zm::mean(std::span<const double>(x)); }).index() == 1234);
  std::vector<float> f(100, 1.0f);
  f[99] = std::numeric_limits<float>::quiet_NaN();
  CHECK(thrown<zm::domain_error>([&] { zm::sum(std::span<const float>(f)); }).index() == 99);
}

TEST_CASE("a constant sample has its value as mean and exactly no variance") {
  for (const double value : {0.1, -1.0 / 3, 1e-300, 1e300, 123456.789, 0.0}) {
    for (const std::size_t n : {1u, 2u, 3u, 7u, 100u, 70001u}) {
      const std::vector<double> x(n, value);
      CHECK(zm::mean(std::span<const double>(x)) == value);
      CHECK(zm::variance(std::span<const double>(x), 0) == 0.0);
      if (n > 1) CHECK(zm::variance(std::span<const double>(x)) == 0.0);
    }
  }
}

TEST_CASE("variance does not cancel and obeys its denominator") {
  const std::vector<double> x = {1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16};
  CHECK(zm::mean(std::span<const double>(x)) == 1e9 + 10);
  CHECK(zm::variance(std::span<const double>(x)) == 30.0);
  CHECK(zm::variance(std::span<const double>(x), 0) == 22.5);
  const std::vector<double> one = {1.0};
  CHECK_THROWS_AS(zm::variance(std::span<const double>(one)), zm::domain_error);
  CHECK_THROWS_AS(zm::variance(std::span<const double>(x), 4), zm::domain_error);
  CHECK_THROWS_AS(zm::variance(std::span<const double>(x), -1), zm::domain_error);
}

TEST_CASE("quantiles stand at position (n - 1) q of the sorted sample, interpolated") {
  const std::vector<double> sorted = {1, 2, 4, 8, 16};
  CHECK(zm::quantile_of_sorted(sorted, 0) == 1);
  CHECK(zm::quantile_of_sorted(sorted, 1) == 16);
  CHECK(zm::quantile_of_sorted(sorted, 0.5) == 4);
  CHECK(zm::quantile_of_sorted(sorted, 0.125) == 1.5);
  CHECK(zm::quantile_of_sorted(sorted, 0.8125) == 10);
  const std::vector<double> single = {3};
  CHECK(zm::quantile_of_sorted(single, 0.3) == 3);
}

TEST_CASE("quantiles by selection equal those of the sorted sample") {
  for (const std::size_t n : {1u, 2u, 3u, 10u, 101u, 1000u, 4099u}) {
    auto x = uniforms(n, 12);
    for (double& v : x)
      if (n > 50) v = std::floor(v * 40);  // with ties
    auto sorted = x;
    std::sort(sorted.begin(), sorted.end());
    std::vector<double> q(150), out(150);
    for (std::size_t k = 0; k < q.size(); ++k) q[k] = zm::uniform(1, 13, k);
    q[3] = 0, q[4] = 1, q[5] = 0.5, q[6] = 0.025, q[7] = 0.975, q[8] = q[9];
    zm::quantiles(x, q, out);
    for (std::size_t k = 0; k < q.size(); ++k) REQUIRE(out[k] == zm::quantile_of_sorted(sorted, q[k]));
    auto y = uniforms(n, 12);
    auto z = y;
    std::sort(z.begin(), z.end());
    CHECK(zm::quantile(y, 0.3) == zm::quantile_of_sorted(z, 0.3));
    std::sort(x.begin(), x.end());
    CHECK(x == sorted);  // reordered, nothing lost
  }
}

TEST_CASE("quantiles of infinities are values or limits, and undefined only between both") {
  const std::vector<double> x = {-infinity, -infinity, 0, 1, infinity, infinity};
  CHECK(zm::quantile_of_sorted(x, 0.1) == -infinity);
  CHECK(zm::quantile_of_sorted(x, 0.3) == -infinity);
  CHECK(zm::quantile_of_sorted(x, 0.4) == 0);
  CHECK(zm::quantile_of_sorted(x, 0.5) == 0.5);
  CHECK(zm::quantile_of_sorted(x, 0.7) == infinity);
  CHECK(zm::quantile_of_sorted(x, 0.9) == infinity);
  const std::vector<double> both = {-infinity, infinity};
  CHECK_THROWS_AS(zm::quantile_of_sorted(both, 0.5), zm::domain_error);
  CHECK(zm::quantile_of_sorted(both, 1) == infinity);
  const std::vector<double> far = {-1.5e308, 1.5e308};
  CHECK(zm::quantile_of_sorted(far, 0.5) == 0);
}

TEST_CASE("quantiles refuse what has none") {
  std::vector<double> x = {3, not_a_number, 1}, empty, out(1);
  CHECK(thrown<zm::domain_error>([&] { zm::quantile(x, 0.5); }).index() == 1);
  CHECK_THROWS_AS(zm::quantile(empty, 0.5), zm::shape_error);
  CHECK_THROWS_AS(zm::quantile_of_sorted(empty, 0.5), zm::shape_error);
  x[1] = 2;
  for (const double q : {-0.1, 1.1, not_a_number, infinity}) {
    CHECK_THROWS_AS(zm::quantile(x, q), zm::domain_error);
    CHECK_THROWS_AS(zm::quantile_of_sorted(x, q), zm::domain_error);
  }
  const std::vector<double> two = {0.1, 0.2};
  CHECK_THROWS_AS(zm::quantiles(x, two, out), zm::shape_error);
}

TEST_CASE("the normal distribution function is right in both tails") {
  // references: mpmath with 60 digits; erfc of the C library is within a few units of 2^-53
  const double reference[][2] = {
      {-38.0, 2.8854283600687843084e-316}, {-30.0, 4.9067139271481870595e-198}, {-20.5, 1.0764673258790960335e-93},
      {-10.0, 7.619853024160526066e-24},   {-5.25, 7.6049605164887142511e-8},   {-1.5, 0.066807201268858066004},
      {-0.5, 0.30853753872598689636},      {0.001, 0.50039894221391106259},     {0.3, 0.61791142218895263307},
      {1.0, 0.84134474606854294859},       {2.75, 0.99702023676494544325},      {6.0, 0.99999999901341235496},
      {8.5, 0.99999999999999999052},
  };
  for (const auto& [x, p] : reference) {
    CAPTURE(x);
    CHECK(std::abs(zm::normal_cdf(x) - p) <= 1e-15 * p + 1e-323);
  }
  CHECK(zm::normal_cdf(-infinity) == 0);
  CHECK(zm::normal_cdf(infinity) == 1);
  CHECK(zm::normal_cdf(0) == 0.5);
}

TEST_CASE("normal quantiles are right to 1e-15") {
  const double reference[][2] = {
      {1e-308, -37.540674921545942401},
      {1e-200, -30.205594179579643063},
      {1e-50, -14.933337534788488981},
      {1e-20, -9.2623400897984075796},
      {1.4e-11, -6.6567230915181836356},
      {1e-08, -5.6120012441747887279},
      {1e-05, -4.2648907939228246102},
      {0.001, -3.0902323061678135354},
      {0.025, -1.9599639845400542118},
      {0.0749, -1.4402382675279636631},
      {0.0751, -1.4388253927525399824},
      {0.2, -0.84162123357291416552},
      {0.4999, -0.00025066283008800749239},
      {0.5000001, 2.5066282733116483012e-7},
      {0.7, 0.52440051270804065631},
      {0.9249, 1.4388253927525403742},
      {0.975, 1.9599639845400538556},
      {0.99, 2.3263478740408407676},
      {0.9999999999990905, 7.0477002566644087254},
      {0.9999999999999999, 8.2095361516013868556},
  };
  for (const auto& [p, x] : reference) {
    CAPTURE(p);
    CHECK(std::abs(zm::normal_quantile(p) / x - 1) <= 1e-15);
  }
  CHECK(zm::normal_quantile(0.975) == Approx(1.959963984540054).epsilon(3e-16));
  CHECK(zm::normal_quantile(0.5) == 0);
  CHECK(zm::normal_quantile(0) == -infinity);
  CHECK(zm::normal_quantile(1) == infinity);
  for (const double p : {-1e-9, 1.0000001, not_a_number}) CHECK_THROWS_AS(zm::normal_quantile(p), zm::domain_error);
}
