// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/alignment/fused_head.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>
#include <numeric>
#include <vector>

#include "catch.hpp"
#include "property.hpp"
#include "thrown.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/random.hpp"

namespace zm = zermelo;
namespace za = zermelo::alignment;

namespace {

/// Bytes asked for by new since the last look. Eigen's panels come from malloc and do not count.
std::atomic<std::int64_t> bytes_asked_for{0};

}  // namespace

// Sanitizers have allocators of their own.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  bytes_asked_for += static_cast<std::int64_t>(bytes);
  if (void* const memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity(),
                 not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class T>
struct head {
  std::int64_t rows, width, vocabulary;
  std::vector<T> hidden, weight, bias;
  std::vector<std::int32_t> targets;
  std::vector<double> upstream, through;

  head(std::int64_t n, std::int64_t d, std::int64_t v, std::uint64_t seed, double size = 1)
      : rows(n), width(d), vocabulary(v) {
    const auto fill = [&](std::vector<T>& x, std::int64_t count, std::uint64_t stream) {
      for (std::int64_t k = 0; k < count; ++k)
        x.push_back(static_cast<T>(size * (2 * zm::uniform(seed, stream, static_cast<std::uint64_t>(k)) - 1)));
    };
    fill(hidden, n * d, 0);
    fill(weight, v * d, 1);
    fill(bias, v, 2);
    for (std::int64_t k = 0; k < n; ++k) {
      const auto at = static_cast<std::uint64_t>(k);
      const double y = zm::uniform(seed, 3, at) * static_cast<double>(v);
      targets.push_back(zm::uniform(seed, 6, at) < 0.2 ? -100 : static_cast<std::int32_t>(y));
      upstream.push_back(zm::uniform(seed, 4, at) - 0.5);
      through.push_back(zm::uniform(seed, 5, at) - 0.5);
    }
  }
  auto h() const { return zm::matrix_view(hidden.data(), rows, width); }
  auto w() const { return zm::matrix_view(weight.data(), vocabulary, width); }
};

struct answers {
  std::vector<double> logprob, normaliser, hidden, weight, bias;
  bool operator==(const answers&) const = default;
};

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double most = a.size() == b.size() ? 0 : infinity;
  for (std::size_t k = 0; k < std::min(a.size(), b.size()); ++k) most = std::max(most, std::abs(a[k] - b[k]));
  return most;
}
double distance(const answers& a, const answers& b) {
  return std::max({distance(a.logprob, b.logprob), distance(a.normaliser, b.normaliser), distance(a.hidden, b.hidden),
                   distance(a.weight, b.weight), distance(a.bias, b.bias)});
}

template <class P, class T>
answers fused(const P& policy, const head<T>& x, const za::fused_parameters& p = {}) {
  const auto n = static_cast<std::size_t>(x.rows);
  answers a{std::vector<double>(n), std::vector<double>(n), std::vector<double>(x.hidden.size()),
            std::vector<double>(x.weight.size()), std::vector<double>(x.bias.size())};
  za::fused_linear_logprobs(policy, x.h(), x.w(), x.bias, x.targets, a.logprob, a.normaliser, p);
  const auto through = za::normaliser_upstream(x.through);
  za::fused_linear_logprobs_gradient(policy, x.h(), x.w(), x.bias, x.targets, a.normaliser, x.upstream,
                                     zm::matrix_view(a.hidden.data(), x.rows, x.width),
                                     zm::matrix_view(a.weight.data(), x.vocabulary, x.width), a.bias, p, through);
  return a;
}

/// The same by logits that exist.
template <class T>
answers materialised(const head<T>& x, double softcap) {
  const auto n = static_cast<std::size_t>(x.rows);
  std::vector<double> logits, slope, gradient;
  for (std::int64_t r = 0; r < x.rows; ++r)
    for (std::int64_t v = 0; v < x.vocabulary; ++v) {
      double z = static_cast<double>(x.bias[static_cast<std::size_t>(v)]);
      for (std::int64_t j = 0; j < x.width; ++j)
        z += static_cast<double>(x.h()(r, j)) * static_cast<double>(x.w()(v, j));
      const double t = softcap > 0 ? std::tanh(z / softcap) : 0;
      logits.push_back(softcap > 0 ? softcap * t : z);
      slope.push_back(1 - t * t);
    }
  gradient.resize(logits.size());
  answers a{std::vector<double>(n), std::vector<double>(n), std::vector<double>(x.hidden.size()),
            std::vector<double>(x.weight.size()), std::vector<double>(x.bias.size())};
  const auto z = zm::matrix_view(logits.data(), x.rows, x.vocabulary);
  za::token_logprobs(z, x.targets, a.logprob, za::token_parameters{.every_row = true}, za::normalisers(a.normaliser));
  const auto through = za::normaliser_upstream(x.through);
  za::token_logprobs_gradient(z, x.targets, x.upstream, zm::matrix_view(gradient.data(), x.rows, x.vocabulary),
                              through);
  for (std::int64_t r = 0; r < x.rows; ++r)
    for (std::int64_t v = 0; v < x.vocabulary; ++v) {
      const auto k = static_cast<std::size_t>(r * x.vocabulary + v);
      const double g = gradient[k] * slope[k];
      a.bias[static_cast<std::size_t>(v)] += g;
      for (std::int64_t j = 0; j < x.width; ++j) {
        a.hidden[static_cast<std::size_t>(r * x.width + j)] += g * static_cast<double>(x.w()(v, j));
        a.weight[static_cast<std::size_t>(v * x.width + j)] += g * static_cast<double>(x.h()(r, j));
      }
    }
  return a;
}

}  // namespace

TEST_CASE("the fused head is token_logprobs on logits that exist, forward and backward") {
  for (const double softcap : {0.0, 3.0})
    for (const auto& [n, d, v] : {std::array<std::int64_t, 3>{1, 1, 1}, {5, 4, 7}, {40, 33, 300}, {300, 20, 1500}}) {
      const head<double> x(n, d, v, 7);
      const answers expected = materialised(x, softcap);
      const za::fused_parameters p{.softcap = softcap};
      CHECK(distance(fused(zm::simd{}, x, p), expected) < 2e-12);
      CHECK(distance(fused(zm::serial{}, x, p), expected) < 2e-12);
      const head<float> y(n, d, v, 7);
      // Sums of at most 1500 products in float.
      CHECK(distance(fused(zm::simd{}, y, p), materialised(y, softcap)) < 2e-5);
    }
}

TEST_CASE("tiles of any size give the same log-probabilities and gradients") {
  const head<double> x(37, 9, 101, 3);
  const answers whole = fused(zm::simd{}, x);
  for (const std::int64_t rows : {1, 5, 36, 37, 64})
    for (const std::int64_t columns : {1, 7, 100, 101, 4096})
      CHECK(distance(fused(zm::simd{}, x, {.tile_rows = rows, .tile_vocabulary = columns}), whole) < 1e-12);
}

TEST_CASE("any number of threads gives the same bits") {
  const head<float> x(70, 40, 1000, 11);
  for (const za::fused_parameters& p :
       {za::fused_parameters{.tile_rows = 32, .tile_vocabulary = 96}, za::fused_parameters{.softcap = 5}}) {
    const answers expected = fused(zm::simd{}, x, p);
    for (const int n : {1, 2, 3, 5, 16}) CHECK(fused(zm::threads(n), x, p) == expected);
  }
}

TEST_CASE("gradients of the fused head are the differences of what it computes") {
  check_property(
      [] {
        const auto seed = *rc::gen::arbitrary<std::uint32_t>();
        head<double> x(*rc::gen::inRange<std::int64_t>(1, 5), *rc::gen::inRange<std::int64_t>(1, 5),
                       *rc::gen::inRange<std::int64_t>(1, 8), seed);
        const za::fused_parameters p{.softcap = seed % 2 ? 1.5 : 0.0, .tile_rows = 2, .tile_vocabulary = 3};
        const answers at = fused(zm::simd{}, x, p);
        const auto objective = [&] {
          const answers a = fused(zm::simd{}, x, p);
          double sum = 0;
          for (std::size_t n = 0; n < x.targets.size(); ++n)
            if (x.targets[n] >= 0) sum += x.upstream[n] * a.logprob[n] + x.through[n] * a.normaliser[n];
          return sum;
        };
        const auto differences = [&](std::vector<double>& of, const std::vector<double>& gradient) {
          for (std::size_t k = 0; k < of.size(); ++k) {
            const double here = of[k], h = 1e-5;
            of[k] = here + h;
            const double above = objective();
            of[k] = here - h;
            const double below = objective();
            of[k] = here;
            RC_ASSERT(std::abs((above - below) / (2 * h) - gradient[k]) < 1e-8);
          }
        };
        differences(x.hidden, at.hidden);
        differences(x.weight, at.weight);
        differences(x.bias, at.bias);
      },
      30);
}

TEST_CASE("gradients of the weight add up to nothing over the vocabulary, and follow its permutations") {
  head<double> x(20, 6, 50, 5);
  std::fill(x.through.begin(), x.through.end(), 0);
  const za::fused_parameters p{.tile_rows = 8, .tile_vocabulary = 16};
  const answers a = fused(zm::simd{}, x, p);
  for (std::int64_t j = 0; j < x.width; ++j) {
    double sum = 0;
    for (std::int64_t v = 0; v < x.vocabulary; ++v) sum += a.weight[static_cast<std::size_t>(v * x.width + j)];
    CHECK(std::abs(sum) < 1e-14);
  }
  CHECK(std::abs(std::accumulate(a.bias.begin(), a.bias.end(), 0.0)) < 1e-14);

  head<double> turned = x;
  const auto place = [&](std::int64_t v) { return (v * 7 + 3) % 50; };
  for (std::int64_t v = 0; v < 50; ++v) {
    turned.bias[static_cast<std::size_t>(place(v))] = x.bias[static_cast<std::size_t>(v)];
    for (std::int64_t j = 0; j < x.width; ++j)
      turned.weight[static_cast<std::size_t>(place(v) * x.width + j)] =
          x.weight[static_cast<std::size_t>(v * x.width + j)];
  }
  for (auto& y : turned.targets)
    if (y >= 0) y = static_cast<std::int32_t>(place(y));
  const answers b = fused(zm::simd{}, turned, p);
  CHECK(distance(a.logprob, b.logprob) < 1e-13);
  CHECK(distance(a.hidden, b.hidden) < 1e-13);
  for (std::int64_t v = 0; v < 50; ++v)
    for (std::int64_t j = 0; j < x.width; ++j)
      CHECK(std::abs(a.weight[static_cast<std::size_t>(v * x.width + j)] -
                     b.weight[static_cast<std::size_t>(place(v) * x.width + j)]) < 1e-13);
}

TEST_CASE("tokens that are ignored are left out: nothing of them is read, and their gradients are zero") {
  head<double> x(6, 3, 5, 1);
  x.targets = {2, -100, 0, -100, -100, 4};
  const answers clean = fused(zm::simd{}, x);
  for (const std::int64_t n : {1, 3, 4}) {
    x.hidden[static_cast<std::size_t>(3 * n + 1)] = not_a_number;
    x.upstream[static_cast<std::size_t>(n)] = not_a_number;
    x.through[static_cast<std::size_t>(n)] = infinity;
  }
  std::vector<double> logprob(6), hidden(18, 7), weight(15, 7);
  const auto sums = za::fused_linear_logprobs(x.h(), x.w(), x.bias, x.targets, logprob, zm::discard);
  CHECK(logprob == clean.logprob);
  CHECK(sums.tokens == 3);
  const auto through = za::normaliser_upstream(x.through);
  za::fused_linear_logprobs_gradient(x.h(), x.w(), x.bias, x.targets, clean.normaliser, x.upstream,
                                     zm::matrix_view(hidden.data(), 6, 3), zm::matrix_view(weight.data(), 5, 3),
                                     zm::discard, through);
  CHECK(hidden == clean.hidden);
  CHECK(weight == clean.weight);
  CHECK(hidden[4] == 0);

  std::vector<double> bias(5, 7);
  std::fill(x.targets.begin(), x.targets.end(), -100);
  za::fused_linear_logprobs(x.h(), x.w(), x.bias, x.targets, logprob, zm::discard);
  za::fused_linear_logprobs_gradient(x.h(), x.w(), x.bias, x.targets, clean.normaliser, x.upstream,
                                     zm::matrix_view(hidden.data(), 6, 3), zm::matrix_view(weight.data(), 5, 3), bias);
  CHECK(bias == std::vector<double>(5));
  CHECK(logprob == std::vector<double>(6));
  CHECK(hidden == std::vector<double>(18));
  CHECK(weight == std::vector<double>(15));
}

TEST_CASE("hidden states and weights in bfloat16 are those numbers, computed in float") {
  const head<float> x(33, 48, 200, 9);
  head<double> exact(33, 48, 200, 9);
  std::vector<zm::bfloat16> hidden, weight;
  for (std::size_t k = 0; k < x.hidden.size(); ++k) {
    hidden.push_back(zm::bfloat16(x.hidden[k]));
    exact.hidden[k] = static_cast<double>(hidden.back());
  }
  for (std::size_t k = 0; k < x.weight.size(); ++k) {
    weight.push_back(zm::bfloat16(x.weight[k]));
    exact.weight[k] = static_cast<double>(weight.back());
  }
  const answers expected = fused(zm::simd{}, exact);
  const auto h = zm::matrix_view(hidden.data(), 33, 48);
  const auto w = zm::matrix_view(weight.data(), 200, 48);
  std::vector<float> logprob(33), for_hidden(hidden.size()), for_weight(weight.size());
  std::vector<double> normaliser(33);
  za::fused_linear_logprobs(zm::threads(2), h, w, exact.bias, x.targets, logprob, normaliser);
  CHECK(distance({logprob.begin(), logprob.end()}, expected.logprob) < 1e-5);
  const auto through = za::normaliser_upstream(x.through);
  za::fused_linear_logprobs_gradient(h, w, exact.bias, x.targets, normaliser, x.upstream,
                                     zm::matrix_view(for_hidden.data(), 33, 48),
                                     zm::matrix_view(for_weight.data(), 200, 48), zm::discard, through);
  CHECK(distance({for_hidden.begin(), for_hidden.end()}, expected.hidden) < 1e-5);
  CHECK(distance({for_weight.begin(), for_weight.end()}, expected.weight) < 1e-5);
  std::vector<zm::bfloat16> rounded(hidden.size());
  za::fused_linear_logprobs_gradient(h, w, exact.bias, x.targets, normaliser, x.upstream,
                                     zm::matrix_view(rounded.data(), 33, 48), zm::discard, zm::discard, through);
  CHECK(static_cast<float>(rounded[5]) == Approx(for_hidden[5]).epsilon(1.0 / 256));
}

TEST_CASE("matrices stored by columns, and sequences of hidden states, are what their shapes say") {
  const head<double> x(12, 5, 30, 4);
  const answers expected = fused(zm::simd{}, x, {.tile_rows = 5, .tile_vocabulary = 8});
  using by_columns = Eigen::MatrixXd;
  by_columns h(12, 5), w(30, 5), for_hidden(12, 5), for_weight(30, 5);
  for (std::int64_t j = 0; j < 5; ++j) {
    for (std::int64_t n = 0; n < 12; ++n) h(n, j) = x.h()(n, j);
    for (std::int64_t v = 0; v < 30; ++v) w(v, j) = x.w()(v, j);
  }
  std::vector<double> logprob(12), normaliser(12), bias(30);
  const za::fused_parameters p{.tile_rows = 5, .tile_vocabulary = 8};
  const auto through = za::normaliser_upstream(x.through);
  za::fused_linear_logprobs(zm::threads(2), h, w, x.bias, x.targets, logprob, normaliser, p);
  za::fused_linear_logprobs_gradient(zm::threads(2), h, w, x.bias, x.targets, normaliser, x.upstream, for_hidden,
                                     for_weight, bias, p, through);
  CHECK(distance(logprob, expected.logprob) < 1e-14);
  CHECK(distance(bias, expected.bias) < 1e-14);
  for (std::int64_t j = 0; j < 5; ++j) {
    for (std::int64_t n = 0; n < 12; ++n)
      CHECK(std::abs(for_hidden(n, j) - expected.hidden[static_cast<std::size_t>(5 * n + j)]) < 1e-14);
    for (std::int64_t v = 0; v < 30; ++v)
      CHECK(std::abs(for_weight(v, j) - expected.weight[static_cast<std::size_t>(5 * v + j)]) < 1e-14);
  }
  const zm::tensor_view<const double, 3> cube{x.hidden.data(), {3, 4, 5}, {20, 5, 1}};
  const auto targets = zm::matrix_view(x.targets.data(), 3, 4);
  za::fused_linear_logprobs(cube, x.w(), x.bias, targets, logprob, zm::discard, p);
  CHECK(logprob == expected.logprob);
}

TEST_CASE("huge logits and tokens that are ruled out by a bias of -inf have exact limits") {
  head<double> x(3, 2, 4, 2, 1e15);
  x.targets = {0, 1, 2};
  const answers huge = fused(zm::simd{}, x, {.tile_vocabulary = 2});
  CHECK(distance(huge, materialised(x, 0)) <= 1e-12 * 1e30);
  for (const double v : huge.hidden) CHECK(std::isfinite(v));

  head<double> y(5, 3, 6, 2);
  y.targets = {0, 1, 2, 0, 1};
  for (const auto v : std::array<std::size_t, 3>{3, 4, 5}) y.bias[v] = -infinity;  // a whole tile of them
  head<double> small(5, 3, 6, 2);
  small.vocabulary = 3;
  small.bias.resize(3);
  small.weight.resize(9);
  small.targets = y.targets;
  const answers ruled = fused(zm::simd{}, y, {.tile_vocabulary = 3}), without = fused(zm::simd{}, small);
  CHECK(distance(ruled.logprob, without.logprob) < 1e-14);
  CHECK(distance(ruled.hidden, without.hidden) < 1e-14);
  CHECK(ruled.bias[4] == 0);
}

TEST_CASE("what cannot be computed is refused with its name and place") {
  const auto argument = [](auto&& f) {
    try {
      f();
    } catch (const zm::domain_error& e) {
      return e.argument() + "[" + std::to_string(e.index()) + "]";
    } catch (const zm::shape_error& e) {
      return e.argument();
    }
    return std::string("nothing");
  };
  const auto refused = [&](auto&& change, const za::fused_parameters& p = {}) {
    head<double> x(4, 3, 5, 1);
    x.targets = {0, 1, 2, 3};
    change(x);
    return argument([&] { fused(zm::threads(2), x, p); });
  };
  CHECK(refused([](auto&) {}) == "nothing");
  CHECK(refused([](auto& x) { x.targets[2] = 5; }) == "targets[2]");
  CHECK(refused([](auto& x) { x.targets[2] = -1; }) == "targets[2]");
  CHECK(refused([](auto& x) { x.targets.pop_back(); }) == "targets");
  CHECK(refused([](auto& x) { x.hidden[7] = not_a_number; }) == "hidden[7]");
  CHECK(refused([](auto& x) { x.weight[11] = not_a_number; }) == "weight[11]");
  CHECK(refused([](auto& x) { x.bias[4] = not_a_number; }) == "bias[4]");
  CHECK(refused([](auto& x) { x.bias[4] = infinity; }) == "hidden[0]");
  CHECK(refused([](auto& x) { x.bias.assign(5, -infinity); }) == "hidden[0]");
  CHECK(refused([](auto& x) { x.bias.resize(4); }) == "bias");
  CHECK(refused([](auto& x) { x.upstream[3] = not_a_number; }) == "upstream[3]");
  CHECK(refused([](auto& x) { x.through[3] = infinity; }) == "normaliser_upstream[3]");
  CHECK(refused([](auto&) {}, {.softcap = -1}) == "softcap[-1]");
  CHECK(refused([](auto&) {}, {.tile_rows = -1}) == "tile_rows[-1]");
  const std::vector<double> h(6), w(8);
  std::vector<double> out(3);
  const std::vector<int> y(3);
  CHECK(argument([&] {
          za::fused_linear_logprobs(zm::matrix_view(h.data(), 3, 2), zm::matrix_view(w.data(), 2, 4), za::no_bias, y,
                                    out, out);
        }) == "hidden");
  CHECK(argument([&] {
          za::fused_linear_logprobs(zm::matrix_view(h.data(), 3, 2), zm::matrix_view(w.data(), 0, 2), za::no_bias, y,
                                    out, out);
        }) == "weight");
}

TEST_CASE("memory does not grow with the rows, and is less than two chunks of logits") {
  constexpr std::int64_t d = 16, v = 6000;
  const za::fused_parameters p{.tile_rows = 64, .tile_vocabulary = 512};
  std::int64_t before = 0;
  for (const std::int64_t n : {64, 640}) {
    head<float> x(n, d, v, 3);
    std::vector<double> logprob(static_cast<std::size_t>(n)), normaliser(logprob);
    std::vector<float> hidden(x.hidden.size()), weight(x.weight.size());
    const auto h = zm::matrix_view(hidden.data(), n, d);
    const auto w = zm::matrix_view(weight.data(), v, d);
    const zm::threads pool(2);
    const std::int64_t stated = za::fused_workspace_bytes<float>(n, d, v, 2, p);
    // Beside the tiles, a call notes a few numbers of every row.
    const std::int64_t of_rows = 64 * n + 4096;
    bytes_asked_for = 0;
    za::fused_linear_logprobs(pool, x.h(), x.w(), za::no_bias, x.targets, logprob, normaliser, p);
    CHECK(bytes_asked_for <= stated + of_rows);
    bytes_asked_for = 0;
    za::fused_linear_logprobs_gradient(pool, x.h(), x.w(), za::no_bias, x.targets, normaliser, x.upstream, h, w,
                                       zm::discard, p);
    CHECK(bytes_asked_for <= stated + of_rows);
    CHECK(stated <= 2 * p.tile_rows * v * static_cast<std::int64_t>(sizeof(float)));
    if (before > 0) CHECK(stated == before);
    before = stated;
  }
}

TEST_CASE("gradients that are negligible may be skipped, and only those") {
  head<double> x(30, 4, 600, 8);
  for (std::size_t v = 300; v < 600; ++v) x.bias[v] = -60;  // half of the vocabulary is hopeless
  for (auto& y : x.targets) y = y >= 300 ? y - 300 : y;
  const za::fused_parameters all{.tile_vocabulary = 100};
  za::fused_parameters few = all;
  few.negligible = 1e-20;
  const answers exact = fused(zm::simd{}, x, all), skipped = fused(zm::simd{}, x, few);
  CHECK(distance(exact, skipped) < 30 * 600 * 1e-20);
  CHECK(std::all_of(skipped.weight.begin() + 4 * 300, skipped.weight.end(), [](double g) { return g == 0; }));
  CHECK(std::any_of(exact.weight.begin() + 4 * 300, exact.weight.end(), [](double g) { return g != 0; }));
}

TEST_CASE("no tokens are no error") {
  const std::vector<double> none, w = {1, 2};
  std::vector<double> nothing, weight = {7, 7};
  const std::vector<int> y;
  const auto h = zm::matrix_view(none.data(), 0, 1);
  const auto sums = za::fused_linear_logprobs(h, zm::matrix_view(w.data(), 2, 1), za::no_bias, y, nothing, nothing);
  CHECK(sums.tokens == 0);
  za::fused_linear_logprobs_gradient(h, zm::matrix_view(w.data(), 2, 1), za::no_bias, y, nothing, nothing, zm::discard,
                                     zm::matrix_view(weight.data(), 2, 1), zm::discard);
  CHECK(weight == std::vector<double>{0, 0});
}
