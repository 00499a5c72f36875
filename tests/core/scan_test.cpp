// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/primitives/scan.hpp"

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

struct added {
  template <class V>
  auto operator()(V x) const {
    return zm::total(x);
  }
};
struct most {
  template <class V>
  auto operator()(V x) const {
    return zm::largest(x);
  }
};
struct log_added {
  template <class V>
  auto operator()(V x) const {
    return zm::log_sum_exp(x);
  }
};
/// b, a → x ↦ a x + b.
struct recurrence {
  template <class V>
  auto operator()(V b, V a) const {
    return zm::affine(a, b);
  }
};

template <class T>
std::vector<T> random_numbers(std::size_t n, std::uint64_t seed) {
  std::vector<T> x(n);
  for (std::size_t k = 0; k < n; ++k) x[k] = static_cast<T>(2 * zm::uniform(seed, 0, k) - 1);
  return x;
}

std::vector<std::int64_t> random_offsets(std::size_t n, std::int64_t longest, std::uint64_t seed) {
  std::vector<std::int64_t> offsets{0};
  for (std::uint64_t k = 0; static_cast<std::size_t>(offsets.back()) < n; ++k) {
    const std::uint64_t bits = zm::random_bits(seed, 1, k);
    const std::int64_t length = bits % 4 == 0 ? 0 : zm::index_below(bits, longest) + 1;
    offsets.push_back(std::min(offsets.back() + length, static_cast<std::int64_t>(n)));
  }
  return offsets;
}

/// Prefix sums of x and the recurrence with coefficients a, in long double; `size` is the same of absolute terms.
struct reference {
  std::vector<long double> sum, sum_size, state, state_size, largest;
  template <class T>
  reference(const std::vector<T>& x, const std::vector<T>& a, const std::vector<std::int64_t>& offsets,
            zm::scan_parameters p) {
    const std::size_t n = x.size();
    for (auto* v : {&sum, &sum_size, &state, &state_size, &largest}) v->resize(n);
    for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
      long double now[5] = {0, 0, 0, 0, -infinity};
      for (std::int64_t visited = offsets[s]; visited < offsets[s + 1]; ++visited) {
        const auto k = static_cast<std::size_t>(p.reverse ? offsets[s + 1] - 1 - (visited - offsets[s]) : visited);
        if (p.exclusive) write(k, now);
        now[0] += x[k];
        now[1] += std::abs(x[k]);
        now[2] = a[k] * now[2] + x[k];
        now[3] = std::abs(a[k]) * now[3] + std::abs(x[k]);
        now[4] = std::max(now[4], static_cast<long double>(x[k]));
        if (!p.exclusive) write(k, now);
      }
    }
  }
  void write(std::size_t k, const long double (&now)[5]) {
    sum[k] = now[0], sum_size[k] = now[1], state[k] = now[2], state_size[k] = now[3], largest[k] = now[4];
  }
};

template <class T>
struct prefixes {
  std::vector<T> sum, state, largest;
  explicit prefixes(std::size_t n) : sum(n), state(n), largest(n) {}
  bool operator==(const prefixes&) const = default;

  bool right(const reference& expected) const {
    // Within a pack: four merges of two roundings; then one with what was carried in double, and one to T.
    const long double unit = std::numeric_limits<T>::epsilon();
    for (std::size_t k = 0; k < sum.size(); ++k) {
      if (!(std::abs(sum[k] - expected.sum[k]) <= 6 * unit * expected.sum_size[k])) return false;
      if (!(std::abs(state[k] - expected.state[k]) <= 12 * unit * expected.state_size[k])) return false;
      if (largest[k] != static_cast<T>(expected.largest[k])) return false;
    }
    return true;
  }
};

template <class T, class P>
prefixes<T> scan(P&& policy, const std::vector<T>& x, const std::vector<T>& a, zm::scan_parameters p) {
  prefixes<T> got(x.size());
  zm::scan(policy, added{}, zm::inputs(x), zm::outputs(got.sum), p);
  zm::scan(policy, recurrence{}, zm::inputs(x, a), zm::outputs(got.state, zm::discard), p);
  zm::scan(policy, most{}, zm::inputs(x), zm::outputs(got.largest), p);
  return got;
}

template <class T, class P>
prefixes<T> scan(P&& policy, const std::vector<T>& x, const std::vector<T>& a, const std::vector<std::int64_t>& offsets,
                 zm::scan_parameters p) {
  prefixes<T> got(x.size());
  zm::segment_scan(policy, added{}, zm::inputs(x), offsets, zm::outputs(got.sum), p);
  zm::segment_scan(policy, recurrence{}, zm::inputs(x, a), offsets, zm::outputs(got.state, zm::discard), p);
  zm::segment_scan(policy, most{}, zm::inputs(x), offsets, zm::outputs(got.largest), p);
  return got;
}

constexpr zm::scan_parameters directions[] = {{false, false}, {false, true}, {true, false}, {true, true}};

}  // namespace

TEMPLATE_TEST_CASE("scans give the prefixes of every rule, in both directions and under every policy", "", float,
                   double) {
  using T = TestType;
  const zm::threads two(2), three(3);
  for (const std::size_t n : {0u, 1u, 7u, 8u, 17u, 8191u, 8192u, 8193u, 50001u}) {
    const auto x = random_numbers<T>(n, 1), a = random_numbers<T>(n, 2);
    for (const auto p : directions) {
      const reference expected(x, a, {0, static_cast<std::int64_t>(n)}, p);
      INFO(n << " elements, reverse " << p.reverse << ", exclusive " << p.exclusive);
      const auto got = scan(zm::simd{}, x, a, p);
      CHECK(got.right(expected));
      CHECK(scan(zm::serial{}, x, a, p).right(expected));
      CHECK(scan(two, x, a, p) == got);
      CHECK(scan(three, x, a, p) == got);
    }
  }
}

TEMPLATE_TEST_CASE("scans begin anew in every segment, whatever their lengths", "", float, double) {
  using T = TestType;
  const zm::threads pool(3);
  for (const std::size_t n : {0u, 1u, 40u, 8192u, 40001u})
    for (const std::int64_t longest : {1, 6, 300, 30000}) {
      const auto x = random_numbers<T>(n, 3), a = random_numbers<T>(n, 4);
      const auto offsets = random_offsets(n, longest, n);
      for (const auto p : directions) {
        const reference expected(x, a, offsets, p);
        INFO(n << " elements, segments of at most " << longest << ", reverse " << p.reverse << ", exclusive "
               << p.exclusive);
        const auto got = scan(zm::simd{}, x, a, offsets, p);
        CHECK(got.right(expected));
        CHECK(scan(zm::serial{}, x, a, offsets, p).right(expected));
        CHECK(scan(pool, x, a, offsets, p) == got);
      }
    }
}

TEST_CASE("a scan of more tiles than are kept at once carries on between them") {
  const std::size_t n = 256 * 8192 + 70000;
  const zm::threads pool(2);
  const std::vector<float> ones(n, 1.0f);
  for (const bool reverse : {false, true}) {
    std::vector<float> sum(n), again(n);
    zm::scan(added{}, zm::inputs(ones), zm::outputs(sum), {.reverse = reverse});
    bool right = true;
    for (std::size_t k = 0; k < n; ++k) right = right && sum[k] == static_cast<float>(reverse ? n - k : k + 1);
    CHECK(right);
    zm::scan(pool, added{}, zm::inputs(ones), zm::outputs(again), {.reverse = reverse});
    CHECK(again == sum);
  }
}

TEST_CASE("an output may be the input, and may lie apart in memory") {
  const auto x = random_numbers<double>(20000, 5);
  for (const auto p : directions) {
    std::vector<double> out(x.size()), same = x, wide(2 * x.size(), 9.0);
    zm::scan(added{}, zm::inputs(x), zm::outputs(out), p);
    zm::scan(added{}, zm::inputs(same), zm::outputs(same), p);
    CHECK(same == out);
    const zm::tensor_view<double, 1> apart{
        .data = wide.data(), .shape = {static_cast<std::int64_t>(x.size())}, .strides = {2}};
    zm::scan(added{}, zm::inputs(x), zm::outputs(apart), p);
    bool equal = true;
    for (std::size_t k = 0; k < x.size(); ++k) equal = equal && wide[2 * k] == out[k] && wide[2 * k + 1] == 9.0;
    CHECK(equal);
  }
}

TEST_CASE("discounts of zero end an episode, whatever follows it") {
  // Returns of two episodes, of which the second is worth infinitely much.
  const std::vector<double> reward{1, 2, 3, infinity, 1}, discount{0.5, 0.5, 0, 1, 1};
  for (const int policy : {0, 1}) {
    std::vector<double> value(5);
    if (policy == 0)
      zm::scan(zm::serial{}, recurrence{}, zm::inputs(reward, discount), zm::outputs(value, zm::discard),
               {.reverse = true});
    else
      zm::scan(recurrence{}, zm::inputs(reward, discount), zm::outputs(value, zm::discard), {.reverse = true});
    CHECK(value == std::vector<double>{2.75, 3.5, 3, infinity, 1});
  }
}

TEST_CASE("running log-sum-exps are those of every prefix") {
  auto x = random_numbers<double>(3000, 6);
  x[0] = x[1] = x[17] = -infinity;
  for (double& v : x) v *= 100;
  std::vector<double> out(x.size());
  zm::scan(log_added{}, zm::inputs(x), zm::outputs(out));
  CHECK(out[0] == -infinity);
  CHECK(out[1] == -infinity);
  CHECK(out[2] == x[2]);
  long double largest = -infinity, sum = 0;
  bool right = true;
  for (std::size_t k = 0; k < x.size(); ++k) {
    const long double next = std::max(largest, static_cast<long double>(x[k]));
    if (next > -infinity) sum = sum * (largest > -infinity ? std::exp(largest - next) : 0) + std::exp(x[k] - next);
    largest = next;
    // Differences of the arguments are rounded at their size, 100: the logarithm by as much.
    if (k > 1) right = right && std::abs(out[k] - (largest + std::log(sum))) <= 2e-14L;
  }
  CHECK(right);
}

TEST_CASE("a scan names the first NaN of its way, and where infinities meet") {
  const zm::threads pool(2);
  std::vector<double> x(30000, 1.0), out(30000);
  const auto call = [&](auto&& policy, bool reverse, auto& to) {
    try {
      zm::scan(policy, added{}, zm::inputs(x), zm::outputs(to), {.reverse = reverse});
    } catch (const zm::error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  x[100] = infinity;
  x[20000] = -infinity;
  for (const bool in_place : {false, true}) {
    const auto before = x;
    auto& to = in_place ? x : out;
    CHECK(call(zm::simd{}, false, to) == "output 0[20000]: is undefined: terms of +inf and -inf meet");
    x = before;
    CHECK(call(pool, true, to) == "output 0[100]: is undefined: terms of +inf and -inf meet");
    x = before;
  }
  x[9000] = x[25000] = std::numeric_limits<double>::quiet_NaN();
  for (const bool in_place : {false, true}) {
    const auto before = x;
    auto& to = in_place ? x : out;
    CHECK(call(zm::serial{}, false, to) == "input 0[9000]: is not a number");
    x = before;
    CHECK(call(zm::simd{}, true, to) == "input 0[25000]: is not a number");
    x = before;
    CHECK(call(pool, true, to) == "input 0[25000]: is not a number");
    x = before;
  }
  std::vector<double> three(3);
  CHECK(call(zm::simd{}, false, three) == "output 0: 3 elements, expected as many as input 0, 30000");
  const std::vector<int> offsets{0, 5, 3, 30000};
  CHECK(thrown<zm::domain_error>([&] {
          zm::segment_scan(added{}, zm::inputs(out), offsets, zm::outputs(out), {.reverse = true});
        }).index() == 2);
}

TEST_CASE("a scan of one part of a sequence goes on where the other ended") {
  check_property(
      [] {
        const auto n = *rc::gen::inRange<std::size_t>(1, 20000);
        const auto cut = *rc::gen::inRange<std::size_t>(0, n);
        std::vector<double> x(n), whole(n), parts(n);
        for (std::size_t k = 0; k < n; ++k) x[k] = static_cast<double>(k * 7919 % 1001) - 500;  // sums are exact
        zm::scan(added{}, zm::inputs(x), zm::outputs(whole));
        const std::vector<std::int64_t> offsets{0, static_cast<std::int64_t>(cut), static_cast<std::int64_t>(n)};
        zm::segment_scan(added{}, zm::inputs(x), offsets, zm::outputs(parts));
        const double first = cut > 0 ? parts[cut - 1] : 0;
        for (std::size_t k = 0; k < n; ++k) RC_ASSERT(parts[k] + (k < cut ? 0 : first) == whole[k]);
      },
      60);
}
