// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>
#include <zermelo/core/execution/threads.hpp>
#include <zermelo/core/random.hpp>
#include <zermelo/game/anchor_step.hpp>

#include "catch.hpp"
#include "thrown.hpp"

namespace {

namespace zm = zermelo;
using zm::game::anchor_step;

constexpr double infinity = std::numeric_limits<double>::infinity();

template <class T = double>
std::vector<T> numbers(std::int64_t n, std::uint64_t stream, double scale = 1) {
  std::vector<T> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(scale * (zm::uniform(7, stream, i) - 0.5));
  return x;
}

/// By the definition, in long double.
std::vector<double> defined(const std::vector<double>& base, const std::vector<double>& reference,
                            const std::vector<double>& payoff, double w, double s) {
  std::vector<long double> z(base.size());
  long double most = -infinity, sum = 0;
  for (std::size_t i = 0; i < z.size(); ++i) {
    z[i] = static_cast<long double>(s) * payoff[i];
    if (w < 1) z[i] += (1 - static_cast<long double>(w)) * base[i];
    if (w > 0) z[i] += static_cast<long double>(w) * reference[i];
    most = std::max(most, z[i]);
  }
  for (const long double x : z) sum += std::exp(x - most);
  std::vector<double> out;
  for (const long double x : z) out.push_back(static_cast<double>(x - most - std::log(sum)));
  return out;
}

}  // namespace

TEST_CASE("an anchor step is the normalised weighted sum, on every policy and for every length") {
  zm::threads pool{2};
  for (const std::int64_t n : {1, 2, 7, 8, 64, 1000, 20001}) {
    const auto base = numbers(n, 0, 40), reference = numbers(n, 1, 9), payoff = numbers(n, 2, 2);
    for (const double w : {0.0, 0.25, 1.0}) {
      const auto expected = defined(base, reference, payoff, w, 1.5);
      const auto check = [&](auto&& policy) {
        std::vector<double> logs(base.size()), p(base.size());
        anchor_step(policy, base, reference, payoff, logs, p, {.reference_weight = w, .step = 1.5});
        double sum = 0;
        for (std::size_t i = 0; i < logs.size(); ++i) {
          // A weighted sum of numbers up to 20, rounded four times.
          CHECK(std::abs(logs[i] - expected[i]) <= 4e-16 * 40);
          CHECK(p[i] == Approx(std::exp(expected[i])).epsilon(4e-14).margin(0));
          sum += p[i];
        }
        CHECK(std::abs(sum - 1) < 1e-13);
      };
      check(zm::serial{});
      check(zm::simd{});
      check(pool);
    }
  }
}

TEST_CASE("threads give the bits of one thread") {
  const std::int64_t n = 100000;
  const auto base = numbers(n, 0, 40), payoff = numbers(n, 2, 2);
  std::vector<double> one(base.size()), two(base.size());
  zm::threads pool{2};
  anchor_step(zm::simd{}, base, base, payoff, one, zm::discard, {.step = 3});
  anchor_step(pool, base, base, payoff, two, zm::discard, {.step = 3});
  CHECK(one == two);
}

TEST_CASE("a constant added to payoffs or to log-probabilities changes nothing") {
  const auto base = numbers(50, 0, 10), reference = numbers(50, 1, 3), payoff = numbers(50, 2);
  auto shifted_base = base, shifted_payoff = payoff;
  for (double& x : shifted_base) x += 700;
  for (double& x : shifted_payoff) x -= 300;
  std::vector<double> a(50), b(50);
  anchor_step(base, reference, payoff, a, zm::discard, {.reference_weight = 0.25, .step = 2});
  anchor_step(shifted_base, reference, shifted_payoff, b, zm::discard, {.reference_weight = 0.25, .step = 2});
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) < 4e-13);  // units of 700
}

TEST_CASE("items of probability zero stay out, unless their weight is zero") {
  const std::vector<double> base{-infinity, std::log(0.5), std::log(0.5)}, q{5, 0, 0};
  const std::vector<double> reference{std::log(0.25), std::log(0.75), -infinity};
  std::vector<double> logs(3), p(3);
  const auto step = [&](double w) { anchor_step(base, reference, q, logs, p, {.reference_weight = w, .step = 1}); };
  step(0);
  CHECK(logs[0] == -infinity);
  CHECK(p == std::vector<double>{0, 0.5, 0.5});
  step(0.5);
  CHECK(p == std::vector<double>{0, 1, 0});
  step(1);
  CHECK(logs[2] == -infinity);
  CHECK(p[0] == Approx(std::exp(5) / (std::exp(5) + 3)));
  // Whole blocks of zeros in a long row.
  std::vector<double> sparse(30000, -infinity), out(30000), mass(30000), flat(30000);
  sparse[20000] = -3, sparse[29999] = -3;
  anchor_step(sparse, sparse, flat, out, mass, {});
  CHECK(mass[20000] == 0.5);
  CHECK(mass[29999] == 0.5);
  CHECK(mass[0] == 0);
  CHECK(out[1] == -infinity);
}

TEST_CASE("rows of a batch are steps of their own, of strided tensors and of floats too") {
  const auto base = numbers<float>(30, 0, 9), reference = numbers<float>(30, 1), payoff = numbers<float>(30, 2);
  std::vector<float> rows(30), single(30), column(30);
  const auto as_rows = [](auto& x) { return zm::matrix_view(x.data(), 5, 6); };
  anchor_step(as_rows(base), as_rows(reference), as_rows(payoff), as_rows(rows), zm::discard,
              {.reference_weight = 0.5, .step = 1});
  for (std::int64_t r = 0; r < 5; ++r) {
    const auto row = [&](auto& x) { return zm::vector_view(x.data() + 6 * r, 6); };
    anchor_step(row(base), row(reference), row(payoff), row(single), zm::discard, {.reference_weight = 0.5, .step = 1});
  }
  CHECK(rows == single);
  const auto strided = [](auto& x) { return zm::transposed(zm::matrix_view(x.data(), 6, 5)); };
  std::vector<float> base_t(30), payoff_t(30);
  for (std::int64_t r = 0; r < 5; ++r)
    for (std::int64_t i = 0; i < 6; ++i) {
      strided(base_t)(r, i) = as_rows(base)(r, i);
      strided(payoff_t)(r, i) = as_rows(payoff)(r, i);
    }
  anchor_step(strided(base_t), as_rows(reference), strided(payoff_t), strided(column), zm::discard,
              {.reference_weight = 0.5, .step = 1});
  for (std::int64_t r = 0; r < 5; ++r)
    for (std::int64_t i = 0; i < 6; ++i) CHECK(strided(column)(r, i) == Approx(as_rows(rows)(r, i)).epsilon(1e-6));
}

TEST_CASE("a step that is none is refused, with the place") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> fine{0, 0}, holed{0, nan}, nothing{-infinity, -infinity}, most{infinity, 0};
  std::vector<double> out(2);
  const auto refuse = [&](const auto& b, const auto& r, const auto& q, zm::game::anchor_parameters p) {
    return thrown<zm::domain_error>([&] { anchor_step(b, r, q, out, zm::discard, p); });
  };
  CHECK(refuse(holed, fine, fine, {}).argument() == "base");
  CHECK(refuse(fine, fine, holed, {}).argument() == "payoff");
  CHECK(refuse(fine, holed, fine, {.reference_weight = 0.5}).index() == 1);
  CHECK(refuse(nothing, fine, fine, {.reference_weight = 0.5}).argument() == "base");
  CHECK(refuse(most, fine, fine, {}).index() == 0);
  CHECK(refuse(fine, fine, fine, {.reference_weight = 1.5}).argument() == "reference_weight");
  CHECK(refuse(fine, fine, fine, {.reference_weight = nan}).argument() == "reference_weight");
  CHECK(refuse(fine, fine, fine, {.step = infinity}).argument() == "step");
  const std::vector<double> three(3);
  CHECK_THROWS_AS(anchor_step(fine, fine, three, out, zm::discard), zm::shape_error);
  std::vector<double> none;
  CHECK_THROWS_AS(anchor_step(none, none, none, none, zm::discard), zm::shape_error);
}
