// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <vector>
#include <zermelo/core/distributions.hpp>
#include <zermelo/core/execution/threads.hpp>

#include "../catch.hpp"

namespace zm = zermelo;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// The chi-square quantile at 1 − 10⁻⁶, by Wilson and Hilferty's cube. The draws are fixed by their seeds: a test that
/// passes once passes always, and a right sampler fails with probability 10⁻⁶ when its seed is chosen.
double chi_square_bound(double freedom) {
  const double z = zm::normal_quantile(1 - 1e-6), s = 2 / (9 * freedom);
  return freedom * std::pow(1 - s + z * std::sqrt(s), 3);
}

/// Pearson's statistic of the values seen against P(k), neighbouring values pooled until 50 are expected.
template <class F>
void check_fit(const std::map<std::int64_t, double>& seen, double n, F log_probability) {
  double statistic = 0, observed = 0, expected = 0, all_expected = 0;
  int cells = 0;
  const auto close = [&](double e) {
    statistic += (observed - e) * (observed - e) / e;
    observed = expected = 0;
    ++cells;
  };
  const std::int64_t first = seen.begin()->first, last = seen.rbegin()->first;
  double rest = n;
  for (std::int64_t k = first; k <= last; ++k) {
    const auto at = seen.find(k);
    const double e = n * std::exp(log_probability(k));
    observed += at == seen.end() ? 0 : at->second;
    expected += e;
    all_expected += e;
    if (expected >= 50 && rest - expected >= 50) {
      rest -= expected;
      close(expected);
    }
  }
  close(rest);  // the last cell takes what is left of the distribution
  CAPTURE(statistic, cells);
  CHECK(all_expected == Approx(n).epsilon(1e-3));
  CHECK(statistic < chi_square_bound((std::max)(1, cells - 1)));
}

double log_poisson(std::int64_t k, double mean) {
  const double x = static_cast<double>(k);
  return x * std::log(mean) - mean - std::lgamma(x + 1);
}

double log_binomial(std::int64_t k, double m, double p) {
  const double x = static_cast<double>(k);
  return std::lgamma(m + 1) - std::lgamma(x + 1) - std::lgamma(m - x + 1) + x * std::log(p) + (m - x) * std::log1p(-p);
}

struct moments {
  double mean, variance;
};

moments moments_of(const std::vector<double>& x) {
  return {zm::mean(std::span<const double>(x)), zm::variance(std::span<const double>(x))};
}

}  // namespace

TEST_CASE("normal, exponential and Gumbel numbers have their distribution") {
  const std::size_t n = 200000;
  std::vector<double> z(n), e(n), g(n);
  std::map<std::int64_t, double> cells[3];
  for (std::size_t i = 0; i < n; ++i) {
    z[i] = zm::normal(1, 1, i), e[i] = zm::exponential(1, 2, i), g[i] = zm::gumbel(1, 3, i);
    // each number's distribution function is uniform: a hundred even cells
    cells[0][static_cast<std::int64_t>(100 * zm::normal_cdf(z[i]))] += 1;
    cells[1][static_cast<std::int64_t>(-100 * std::expm1(-e[i]))] += 1;
    cells[2][static_cast<std::int64_t>(100 * std::exp(-std::exp(-g[i])))] += 1;
  }
  for (const auto& seen : cells) check_fit(seen, n, [](std::int64_t) { return -std::log(100.0); });
  const double root = std::sqrt(static_cast<double>(n));
  CHECK(std::abs(moments_of(z).mean) < 5 / root);
  CHECK(std::abs(moments_of(z).variance - 1) < 5 * std::sqrt(2.0) / root);
  CHECK(std::abs(moments_of(e).mean - 1) < 5 / root);
  CHECK(std::abs(moments_of(g).mean - 0.57721566490153286) < 5 * 1.2825498301618641 / root);
}

TEST_CASE("transformed rejection keeps a candidate exactly below the density, and its quick tests agree") {
  // A candidate (u, v) at k is kept iff v ≤ P(k) G'(u) α with G' = a/u² + b; the bound is formed in long double.
  std::uint64_t i = 0;
  for (double mean = 10; mean < 2e7; mean *= 1.37) {
    const double width = zm::detail::transformed_width(mean), quick = zm::detail::transformed_quick(width);
    const auto keeps = [&](double k, double u, double v) {
      return k >= 16 ? zm::detail::keeps<double, std::int64_t>(k, mean, width, u, v)
                     : zm::detail::keeps_small(k, mean, width, u, v);
    };
    for (int repeat = 0; repeat < 300; ++repeat, ++i) {
      const auto c = zm::detail::transform(zm::uniform_open(3, 1, i), 0.5, mean, width);
      if (c.k < 0) continue;
      const long double k = static_cast<long double>(c.k), lambda = static_cast<long double>(mean);
      const long double log_probability = k * std::log(lambda) - lambda - std::lgamma(k + 1);
      const double a = 0.02483 * width - 0.059;
      const double bound = static_cast<double>(std::exp(log_probability)) * (a / (c.u * c.u) + width) /
                           (1.1239 + 1.1328 / (width - 3.4));
      CAPTURE(mean, c.k, c.u, bound);
      if (bound < 0x1p-54) {  // below every v that is drawn
        REQUIRE(!keeps(c.k, c.u, 0x1p-53));
        continue;
      }
      // k log λ stays below 4·10⁸: its rounding by 2⁻⁶⁴ leaves 2·10⁻¹¹
      REQUIRE(keeps(c.k, c.u, bound * (1 - 1e-10)));
      REQUIRE(!keeps(c.k, c.u, bound * (1 + 1e-10)));
      if (c.u >= 0.07) REQUIRE(keeps(c.k, c.u, quick));
      if (c.u < 0.013) REQUIRE(!keeps(c.k, c.u, c.u * (1 + 1e-10)));
    }
  }
}

TEST_CASE("Poisson numbers one at a time have their distribution") {
  for (const double mean : {0.1, 3.0, 9.99, 10.0, 11.5, 50.0, 1e3, 1e6}) {
    CAPTURE(mean);
    const std::size_t n = 200000;
    std::map<std::int64_t, double> seen;
    std::vector<double> x(n);
    for (std::size_t i = 0; i < n; ++i) {
      const std::int64_t k = zm::poisson(7, 1, i, mean);
      seen[k] += 1;
      x[i] = static_cast<double>(k);
    }
    check_fit(seen, static_cast<double>(n), [&](std::int64_t k) { return log_poisson(k, mean); });
    const auto [average, variance] = moments_of(x);
    const double draws = static_cast<double>(n);
    CHECK(std::abs(average - mean) < 5 * std::sqrt(mean / draws));
    // the variance of a sample variance: (μ₄ − σ⁴)/n with μ₄ = λ + 3λ²
    CHECK(std::abs(variance - mean) < 5 * std::sqrt((mean + 2 * mean * mean) / draws));
  }
  CHECK(zm::poisson(7, 1, 0, 0) == 0);
  for (const double bad : {-1.0, 2e15, infinity, not_a_number})
    CHECK_THROWS_AS(zm::poisson(7, 1, 0, bad), zm::domain_error);
}

TEST_CASE("Poisson numbers on lanes have their distribution, whatever stands beside them") {
  const std::vector<double> means = {0.1, 1e3, 3.0, 0.0, 9.99, 10.0, 50.0, 15.5, 1e6};
  const std::size_t groups = 40000;
  std::vector<double> all;
  for (std::size_t g = 0; g < groups; ++g) all.insert(all.end(), means.begin(), means.end());
  const auto cells = zm::detail::prepare_poisson(all);
  std::vector<std::map<std::int64_t, double>> seen(means.size());
  std::vector<std::int64_t> counts(all.size());
  const std::uint64_t replicates = 10;
  for (std::uint64_t r = 0; r < replicates; ++r) {
    zm::detail::draw_poisson(cells, zm::philox{3, r}, 0, counts.data());
    for (std::size_t k = 0; k < counts.size(); ++k) seen[k % means.size()][counts[k]] += 1;
  }
  for (std::size_t k = 0; k < means.size(); ++k) {
    CAPTURE(means[k]);
    if (means[k] == 0) {
      CHECK(seen[k].size() == 1);
      CHECK(seen[k].begin()->first == 0);
    } else {
      check_fit(seen[k], static_cast<double>(groups * replicates),
                [&](std::int64_t x) { return log_poisson(x, means[k]); });
    }
  }
}

TEST_CASE("an alias table holds exactly the shares it was built from") {
  for (const std::size_t n : {1u, 2u, 5u, 1000u, 20000u}) {
    std::vector<double> shares(n);
    for (std::size_t c = 0; c < n; ++c) shares[c] = c % 7 == 3 ? 0 : std::pow(zm::uniform_open(2, n, c), 4);
    const double total = zm::sum(std::span<const double>(shares)).sum;
    const auto table = zm::detail::prepare_alias(shares, total);
    std::vector<double> drawn(n);
    for (std::size_t c = 0; c < n; ++c) {
      const double own = static_cast<double>(table[c].threshold) * 0x1p-64;
      drawn[c] += own;
      drawn[static_cast<std::size_t>(table[c].other)] += 1 - own;
    }
    for (std::size_t c = 0; c < n; ++c) {
      if (shares[c] == 0) REQUIRE(drawn[c] == 0);
      // a handful of roundings of numbers up to n p, and up to n cells may overflow into one
      REQUIRE(std::abs(drawn[c] / static_cast<double>(n) - shares[c] / total) < 1e-15 * (1 + drawn[c]));
    }
  }
}

TEST_CASE("multinomial counts have binomial margins and covariances -m p q, and sum to m") {
  const std::vector<double> shares = {5, 0, 3, 1.5, 0.5};
  for (const std::int64_t m : {std::int64_t{3}, std::int64_t{40}, std::int64_t{1000}, std::int64_t{300000}}) {
    CAPTURE(m);
    const zm::multinomial_sampler sampler(m, shares);
    const std::size_t replicates = 40000;
    std::vector<std::map<std::int64_t, double>> seen(5);
    std::vector<std::vector<double>> x(5, std::vector<double>(replicates));
    std::vector<std::int64_t> counts(5);
    for (std::size_t r = 0; r < replicates; ++r) {
      sampler.draw(9, r, std::span<std::int64_t>(counts));
      REQUIRE(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}) == m);
      REQUIRE(counts[1] == 0);
      for (std::size_t c = 0; c < 5; ++c) {
        seen[c][counts[c]] += 1;
        x[c][r] = static_cast<double>(counts[c]);
      }
    }
    const double trials = static_cast<double>(m), n = static_cast<double>(replicates);
    for (const std::size_t a : {0u, 2u, 3u, 4u}) {
      CAPTURE(a);
      const double p = shares[a] / 10;
      check_fit(seen[a], n, [&](std::int64_t k) { return log_binomial(k, trials, p); });
      for (const std::size_t b : {0u, 2u, 3u, 4u}) {
        if (b <= a) continue;
        const double q = shares[b] / 10;
        double products = 0;
        for (std::size_t r = 0; r < replicates; ++r) products += (x[a][r] - trials * p) * (x[b][r] - trials * q);
        // the variance of the product is σ_aa σ_bb + 2σ_ab² − σ_ab² for normal numbers; few trials add their fourth
        // cumulant, at most m p q
        const double covariance = -trials * p * q;
        const double spread = trials * p * (1 - p) * trials * q * (1 - q) + covariance * covariance + trials * p * q;
        CHECK(std::abs(products / n - covariance) < 5 * std::sqrt(spread / n));
      }
    }
  }
}

TEST_CASE("ten million trials in fifteen thousand cells sum exactly and fit their shares") {
  const std::size_t n = 15000;
  const std::int64_t m = 10000000;
  std::vector<double> shares(n);
  for (std::size_t c = 0; c < n; ++c)
    shares[c] = c % 100 == 7 ? 0 : zm::exponential(4, 0, c) * (c % 3 == 0 ? 0.001 : 1);
  const double total = zm::sum(std::span<const double>(shares)).sum;
  const zm::multinomial_sampler sampler(m, shares);
  std::vector<double> counts(n);
  for (std::uint64_t replicate = 0; replicate < 5; ++replicate) {
    sampler.draw(1, replicate, std::span<double>(counts));
    CHECK(zm::sum(std::span<const double>(counts)).sum == static_cast<double>(m));
    double statistic = 0, cells = 0;
    for (std::size_t c = 0; c < n; ++c) {
      if (shares[c] == 0) REQUIRE(counts[c] == 0);
      const double expected = shares[c] / total * static_cast<double>(m);
      if (expected < 5) continue;
      statistic += (counts[c] - expected) * (counts[c] - expected) / expected;
      ++cells;
    }
    CHECK(statistic < chi_square_bound(cells));
    // and not too small: the lower tail of the same cube
    const double s = 2 / (9 * cells);
    CHECK(statistic > cells * std::pow(1 - s - 4.7534 * std::sqrt(s), 3));
  }
}

TEST_CASE("counts are a function of seed and replicate alone") {
  const std::vector<double> shares(2000, 1.0);
  for (const std::int64_t m : {std::int64_t{100}, std::int64_t{1000000}}) {
    const zm::multinomial_sampler sampler(m, shares);
    std::vector<std::int64_t> a(2000), b(2000);
    std::vector<double> real(2000);
    sampler.draw(5, 8, std::span<std::int64_t>(a));
    sampler.draw(5, 8, std::span<double>(real));
    for (std::size_t c = 0; c < 2000; ++c) REQUIRE(real[c] == static_cast<double>(a[c]));
    sampler.draw(5, 9, std::span<std::int64_t>(b));
    CHECK(a != b);
    sampler.draw(6, 8, std::span<std::int64_t>(b));
    CHECK(a != b);
    const zm::multinomial_sampler again(m, shares);
    again.draw(5, 8, std::span<std::int64_t>(b));
    CHECK(a == b);
    for (const int n : {1, 2, 3}) {
      zm::threads pool(n);
      std::vector<std::vector<std::int64_t>> all(12, std::vector<std::int64_t>(2000));
      zm::for_each_tile(pool, 12, [&](std::int64_t r) {
        sampler.draw(5, static_cast<std::uint64_t>(r), std::span<std::int64_t>(all[static_cast<std::size_t>(r)]));
      });
      CHECK(all[8] == a);
    }
  }
}

TEST_CASE("no trials, one trial and one cell are multinomial too") {
  std::vector<std::int64_t> counts(3);
  const std::vector<double> shares = {0, 2, 1};
  zm::multinomial_sampler(0, shares).draw(1, 1, std::span<std::int64_t>(counts));
  CHECK(counts == std::vector<std::int64_t>{0, 0, 0});
  const zm::multinomial_sampler one(1, shares);
  double second = 0;
  for (std::uint64_t r = 0; r < 3000; ++r) {
    one.draw(1, r, std::span<std::int64_t>(counts));
    REQUIRE(counts[0] == 0);
    REQUIRE(counts[1] + counts[2] == 1);
    second += static_cast<double>(counts[1]);
  }
  CHECK(std::abs(second - 2000) < 5 * std::sqrt(3000 * 2.0 / 9));
  std::vector<std::int64_t> single(1);
  const std::vector<double> all = {0.25};
  for (const std::int64_t m : {std::int64_t{1}, std::int64_t{7}, std::int64_t{10000000}, std::int64_t{1} << 50}) {
    zm::multinomial_sampler(m, all).draw(1, 1, std::span<std::int64_t>(single));
    CHECK(single[0] == m);
  }
}

TEST_CASE("a multinomial sampler refuses shares and trials that define none") {
  using shares = std::vector<double>;
  const auto index_of = [](const shares& s) {
    try {
      zm::multinomial_sampler(10, s);
    } catch (const zm::domain_error& e) {
      return e.index();
    }
    return std::int64_t{-2};
  };
  CHECK(index_of({1, -1, 2}) == 1);
  CHECK(index_of({1, 2, not_a_number}) == 2);
  CHECK(index_of({infinity, 2}) == 0);
  CHECK(index_of({0, 0}) == zm::domain_error::whole);
  CHECK(index_of({1.5e308, 1.5e308}) == zm::domain_error::whole);
  CHECK_THROWS_AS(zm::multinomial_sampler(10, shares{}), zm::shape_error);
  CHECK_THROWS_AS(zm::multinomial_sampler(-1, shares{1}), zm::domain_error);
  CHECK_THROWS_AS(zm::multinomial_sampler((std::int64_t{1} << 53) + 1, shares{1}), zm::domain_error);
  std::vector<double> wrong(2);
  CHECK_THROWS_AS(zm::multinomial_sampler(10, shares{1}).draw(1, 1, std::span<double>(wrong)), zm::shape_error);
}
