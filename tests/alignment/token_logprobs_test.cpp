// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/alignment/token_logprobs.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
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

constexpr double infinity = std::numeric_limits<double>::infinity(),
                 not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class M>
std::vector<M> random_logits(std::int64_t n, std::uint64_t seed, double size = 8) {
  std::vector<M> z;
  for (std::int64_t k = 0; k < n; ++k)
    z.push_back(static_cast<M>(size * (2 * zm::uniform(seed, 0, static_cast<std::uint64_t>(k)) - 1)));
  return z;
}

std::vector<std::int32_t> random_targets(std::int64_t n, std::int64_t width, std::uint64_t seed) {
  std::vector<std::int32_t> y;
  for (std::int64_t k = 0; k < n; ++k)
    y.push_back(
        static_cast<std::int32_t>(zm::uniform(seed, 1, static_cast<std::uint64_t>(k)) * static_cast<double>(width)));
  return y;
}

struct definition {
  double normaliser, entropy, log_collision, top_entropy, top_raw, top_mass;
};

/// The definitions, in long double.
template <class M>
definition by_definition(const M* z, std::int64_t n, std::int64_t k) {
  std::vector<long double> p;
  for (std::int64_t j = 0; j < n; ++j) p.push_back(static_cast<long double>(static_cast<double>(z[j])));
  std::sort(p.rbegin(), p.rend());
  const long double most = p[0];
  long double sum = 0, entropy = 0, squares = 0, raw = 0, mass = 0, renormalised = 0;
  for (const long double x : p) sum += std::exp(x - most);
  for (long double& x : p) {
    const long double log_p = x - most - std::log(sum);
    x = std::exp(log_p);
    entropy -= x == 0 ? 0 : x * log_p;
    squares += x * x;
  }
  for (std::int64_t j = 0; j < k; ++j) mass += p[static_cast<std::size_t>(j)];
  for (std::int64_t j = 0; j < k; ++j) {
    const long double q = p[static_cast<std::size_t>(j)];
    if (q == 0) continue;
    raw -= q * std::log(q);
    renormalised -= q / mass * std::log(q / mass);
  }
  return {
      static_cast<double>(most + std::log(sum)), static_cast<double>(entropy), static_cast<double>(std::log(squares)),
      static_cast<double>(renormalised),         static_cast<double>(raw),     static_cast<double>(mass)};
}

template <class M>
constexpr double unit = std::is_same_v<M, double> ? std::numeric_limits<double>::epsilon()
                                                  : static_cast<double>(std::numeric_limits<float>::epsilon());

struct scores {
  std::vector<double> logprob, normaliser, entropy, collision, top, raw, mass;
  explicit scores(std::int64_t n)
      : logprob(static_cast<std::size_t>(n)),
        normaliser(logprob),
        entropy(logprob),
        collision(logprob),
        top(logprob),
        raw(logprob),
        mass(logprob) {}
  bool operator==(const scores&) const = default;
};

template <class P, class Z, class Y>
scores scored(const P& policy, const Z& logits, const Y& targets, std::int64_t k) {
  scores s(logits.shape[0]);
  za::token_logprobs(policy, logits, targets, s.logprob, za::normalisers(s.normaliser), za::entropies(s.entropy),
                     za::log_collisions(s.collision), za::top_tokens(k, s.top, s.raw, s.mass));
  return s;
}

/// Σ u·logprob + w·normaliser over the rows that are scored.
double objective(const std::vector<double>& z, std::int64_t width, const std::vector<std::int32_t>& y,
                 const std::vector<double>& u, const std::vector<double>& w) {
  std::vector<double> logprob(y.size()), normaliser(y.size());
  za::token_logprobs(zm::serial{}, zm::matrix_view(z.data(), std::ssize(y), width), y, logprob,
                     za::normalisers(normaliser));
  double sum = 0;
  for (std::size_t n = 0; n < y.size(); ++n) sum += u[n] * logprob[n] + w[n] * normaliser[n];
  return sum;
}

}  // namespace

TEMPLATE_TEST_CASE("log-probabilities, entropies, collisions and top-k indicators are those of the definition", "",
                   double, float, zm::bfloat16, zm::float16) {
  using M = TestType;
  for (const std::int64_t width : {1, 2, 7, 16, 31, 33, 1024, 1025, 4096, 4097, 5003}) {
    constexpr std::int64_t rows = 5;
    const auto z = random_logits<M>(rows * width, static_cast<std::uint64_t>(width));
    const auto y = random_targets(rows, width, 3);
    const std::int64_t k = std::min<std::int64_t>(width, 10);
    const auto logits = zm::matrix_view(z.data(), rows, width);
    const scores simd = scored(zm::simd{}, logits, y, k), serial = scored(zm::serial{}, logits, y, k);
    CHECK(scored(zm::threads(3), logits, y, k) == simd);
    for (const scores& got : {simd, serial})
      for (std::size_t n = 0; n < rows; ++n) {
        const M* const row = z.data() + static_cast<std::int64_t>(n) * width;
        const definition expected = by_definition(row, width, k);
        // An exponential errs by 2 units, a lane of 32 sums by 32 more at worst; logarithms turn them into absolute errors.
        const double tolerance = 40 * unit<M>;
        CHECK(got.normaliser[n] == Approx(expected.normaliser).margin(tolerance).epsilon(1e-15));
        CHECK(got.logprob[n] ==
              Approx(static_cast<double>(row[y[n]]) - expected.normaliser).margin(tolerance).epsilon(1e-15));
        CHECK(got.entropy[n] == Approx(expected.entropy).margin(20 * tolerance));
        CHECK(got.collision[n] == Approx(expected.log_collision).margin(3 * tolerance));
        CHECK(got.top[n] == Approx(expected.top_entropy).margin(1e-13));
        CHECK(got.raw[n] == Approx(expected.top_raw).margin(2 * tolerance));
        CHECK(got.mass[n] == Approx(expected.top_mass).margin(tolerance));
      }
  }
}

TEST_CASE("equal logits are a uniform distribution, and a vocabulary of one token is certain") {
  for (const double level : {0.0, 700.0, -700.0, 1e30, -1e30})
    for (const std::int64_t width : {1, 8, 3000}) {
      const std::vector<double> z(static_cast<std::size_t>(width), level);
      const std::int64_t k = width > 1 ? width / 2 : 1;
      const scores s = scored(zm::simd{}, zm::matrix_view(z.data(), 1, width), std::vector{0}, k);
      CHECK(s.logprob[0] == Approx(-std::log(static_cast<double>(width))).margin(1e-15));
      CHECK(s.entropy[0] == Approx(std::log(static_cast<double>(width))).margin(1e-15));
      CHECK(s.collision[0] == Approx(-std::log(static_cast<double>(width))).margin(1e-15));
      CHECK(s.top[0] == Approx(std::log(static_cast<double>(k))).margin(1e-15));
      CHECK(s.mass[0] == Approx(static_cast<double>(k) / static_cast<double>(width)));
    }
  const std::vector<double> one = {-3.5}, upstream = {2};
  std::vector<double> gradient = {7};
  za::token_logprobs_gradient(zm::matrix_view(one.data(), 1, 1), std::vector{0}, upstream,
                              zm::matrix_view(gradient.data(), 1, 1));
  CHECK(gradient[0] == 0);
}

TEST_CASE("a logit of -inf has probability 0, wherever it stands") {
  for (const std::int64_t width : {3, 8500}) {
    auto z = random_logits<float>(width, 5);
    const float least = -std::numeric_limits<float>::infinity();
    for (std::int64_t j = 0; j < width; ++j)
      if (j % 3 == 0 || (j >= 4096 && j < 8200)) z[static_cast<std::size_t>(j)] = least;  // a whole block among them
    const auto logits = zm::matrix_view(z.data(), 1, width);
    const definition expected = by_definition(z.data(), width, 3);
    const scores s = scored(zm::simd{}, logits, std::vector{1}, 3),
                 hopeless = scored(zm::simd{}, logits, std::vector{0}, 3);
    CHECK(s.normaliser[0] == Approx(expected.normaliser));
    CHECK(s.entropy[0] == Approx(expected.entropy).margin(1e-5));
    CHECK(s.mass[0] == Approx(expected.top_mass));
    CHECK(hopeless.logprob[0] == -infinity);
    std::vector<float> gradient(z.size());
    za::token_logprobs_gradient(logits, std::vector{0}, std::vector{1.0}, zm::matrix_view(gradient.data(), 1, width));
    CHECK(gradient[0] == Approx(1).epsilon(1e-6));  // what the others add up to
    CHECK(std::accumulate(gradient.begin(), gradient.end(), 0.0) == Approx(0).margin(1e-5));
  }
}

TEST_CASE("logits of ±700 give exact tails, of values and of gradients") {
  const std::vector<double> z = {700, -700, 0};
  std::vector<double> logprob(2), gradient(6);
  const std::vector<double> twice = {700, -700, 0, 700, -700, 0};
  const auto logits = zm::matrix_view(twice.data(), 2, 3);
  za::token_logprobs(logits, std::vector{0, 1}, logprob);
  CHECK(logprob[0] == 0);
  CHECK(logprob[1] == -1400);
  za::token_logprobs_gradient(logits, std::vector{0, 1}, std::vector{1.0, 1.0}, zm::matrix_view(gradient.data(), 2, 3));
  CHECK(gradient[0] == Approx(std::exp(-700.0)).epsilon(1e-12));  // 1 − p of the token that is nearly certain
  CHECK(gradient[2] == Approx(-std::exp(-700.0)).epsilon(1e-12));
  CHECK(gradient[3] == -1);
  CHECK(gradient[4] == 1);
}

TEST_CASE("what has no softmax is refused with its place") {
  for (const std::int64_t width : {1, 5, 40, 3000})
    for (const std::int64_t at : {std::int64_t{0}, width / 2, width - 1})
      for (const double bad : {not_a_number, infinity}) {
        auto z = random_logits<float>(3 * width, 1);
        z[static_cast<std::size_t>(width + at)] = static_cast<float>(bad);
        const auto logits = zm::matrix_view(z.data(), 3, width);
        std::vector<double> logprob(3), u(3, 1.0);
        std::vector<float> gradient(z.size());
        const std::vector<std::int64_t> y(3, 0), skipped = {0, -100, 0};
        const auto error = thrown<zm::domain_error>([&] { za::token_logprobs(zm::threads(2), logits, y, logprob); });
        CHECK(error.argument() == "logits");
        CHECK(error.index() == width + at);
        CHECK(thrown<zm::domain_error>([&] {
                za::token_logprobs_gradient(logits, y, u, zm::matrix_view(gradient.data(), 3, width));
              }).index() == width + at);
        CHECK(za::token_logprobs(logits, skipped, logprob).tokens == 2);  // what is not scored is not looked at
        za::token_logprobs_gradient(logits, skipped, u, zm::matrix_view(gradient.data(), 3, width));
        CHECK(std::all_of(gradient.begin() + width, gradient.begin() + 2 * width, [](float g) { return g == 0; }));
      }
  const std::vector<double> nothing(4, -infinity);
  std::vector<double> logprob(2);
  CHECK(thrown<zm::domain_error>([&] {
          za::token_logprobs(zm::matrix_view(nothing.data(), 2, 2), std::vector{-100, 0}, logprob);
        }).index() == 2);
}

TEST_CASE("ids, masks, offsets and lengths that do not fit are refused by name") {
  const std::vector<double> z(24, 0.5);
  const auto logits = zm::matrix_view(z.data(), 6, 4);
  const zm::tensor_view<const double, 3> cube{z.data(), {2, 3, 4}, {12, 4, 1}};
  std::vector<double> six(6), four(4), sums(2);
  const std::vector<int> y = {0, 1, 2, 3, 0, 1}, wrong = {0, 1, 2, 3, 4, 1}, five(5), mask(6, 1);
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
  const auto packed = [&](std::vector<int> offsets, std::vector<int> prompts, const std::vector<int>& ids) {
    return argument([&] { za::packed_logprobs(logits, ids, offsets, prompts, six, zm::discard, zm::discard); });
  };
  CHECK(argument([&] { za::token_logprobs(logits, wrong, six); }) == "targets[4]");
  CHECK(argument([&] { za::token_logprobs(logits, five, six); }) == "targets");
  CHECK(argument([&] { za::token_logprobs(logits, y, four); }) == "logprobs");
  CHECK(argument([&] { za::token_logprobs(logits, y, six, zm::counted_where(five)); }) == "mask");
  CHECK(argument([&] { za::token_logprobs(logits, y, six, za::entropies(four)); }) == "entropies");
  CHECK(argument([&] { za::token_logprobs(logits, y, six, za::top_tokens(0, six, six, six)); }) == "k[-1]");
  CHECK(argument([&] { za::token_logprobs(logits, y, six, za::top_tokens(5, six, six, six)); }) == "k[-1]");
  CHECK(argument([&] { za::sequence_logprobs(cube, zm::matrix_view(wrong.data(), 2, 3), four, sums, zm::discard); }) ==
        "ids[4]");
  CHECK(argument([&] { za::sequence_logprobs(cube, zm::matrix_view(y.data(), 3, 2), four, sums, zm::discard); }) ==
        "ids");
  CHECK(packed({0, 2, 6}, {1, 1}, y) == "nothing");
  CHECK(packed({0, 2, 6}, {1, 4}, wrong) == "nothing");  // tokens of prompts may be anything
  CHECK(packed({0, 2, 6}, {1, 1}, wrong) == "ids[4]");
  CHECK(packed({0, 2, 6}, {1, 5}, y) == "prompt_lengths[1]");
  CHECK(packed({0, 2, 6}, {-1, 1}, y) == "prompt_lengths[0]");
  CHECK(packed({0, 2, 6}, {1}, y) == "prompt_lengths");
  CHECK(packed({1, 2, 6}, {1, 1}, y) == "offsets[0]");
  CHECK(packed({0, 7, 6}, {1, 1}, y) == "offsets[1]");
  CHECK(packed({0, 4, 3, 6}, {1, 1, 1}, y) == "offsets[2]");
  CHECK(packed({0, 2, 5}, {1, 1}, y) == "offsets[2]");
  const auto gradient = [&](std::vector<double> u) {
    std::vector<double> g(24);
    return argument([&] { za::token_logprobs_gradient(logits, y, u, zm::matrix_view(g.data(), 6, 4)); });
  };
  CHECK(gradient({1, 1, 1, 1, not_a_number, 1}) == "upstream[4]");
  CHECK(gradient({1, 1, 1, 1, 1}) == "upstream");
  CHECK(argument([&] {
          std::vector<double> g(24);
          za::token_logprobs_gradient(logits, y, six, zm::matrix_view(g.data(), 4, 6));
        }) == "grad_logits");
}

TEST_CASE("padded, packed and aligned rows give the same bits, and what lies under a mask is never looked at") {
  constexpr std::int64_t sequences = 4, length = 9, width = 70;
  auto z = random_logits<float>(sequences * length * width, 2);
  auto ids = random_targets(sequences * length, width, 8);
  const std::vector<std::int64_t> lengths = {9, 5, 1, 7}, prompts = {2, 0, 1, 6};
  std::vector<char> mask(ids.size(), 0);
  std::vector<float> stream;
  std::vector<std::int32_t> stream_ids;
  std::vector<std::int64_t> offsets = {0};
  for (std::int64_t b = 0; b < sequences; ++b) {
    const auto from = b * length, n = lengths[static_cast<std::size_t>(b)];
    for (std::int64_t t = 0; t < length; ++t) {
      const auto k = static_cast<std::size_t>(from + t);
      mask[k] = t >= prompts[static_cast<std::size_t>(b)] && t < n;
      if (!mask[k]) ids[k] = -7;
      if (t >= n) std::fill_n(z.begin() + (from + t) * width, width, std::numeric_limits<float>::quiet_NaN());
    }
    stream.insert(stream.end(), z.begin() + from * width, z.begin() + (from + n) * width);
    stream_ids.insert(stream_ids.end(), ids.begin() + from, ids.begin() + from + n);
    offsets.push_back(offsets.back() + n);
  }
  const zm::tensor_view<const float, 3> logits{z.data(), {sequences, length, width}, {length * width, width, 1}};
  const auto of = zm::matrix_view(ids.data(), sequences, length);
  const auto kept = zm::matrix_view(mask.data(), sequences, length);
  std::vector<double> tokens(sequences * (length - 1)), sums(sequences), packed_tokens(stream_ids.size()),
      packed_sums(sequences);
  std::vector<int> counts(sequences), packed_counts(sequences);
  const auto all = za::sequence_logprobs(logits, of, zm::matrix_view(tokens.data(), sequences, length - 1), sums,
                                         counts, zm::counted_where(kept));
  za::packed_logprobs(zm::matrix_view(stream.data(), offsets.back(), width), stream_ids, offsets, prompts,
                      packed_tokens, packed_sums, packed_counts);
  CHECK(counts == std::vector<int>{7, 4, 0, 1});
  CHECK(packed_counts == counts);
  CHECK(packed_sums == sums);
  CHECK(sums[2] == 0);
  CHECK(all.tokens == 12);
  CHECK(all.logprob == Approx(std::accumulate(sums.begin(), sums.end(), 0.0)));

  const std::vector<double> upstream = {0.5, -2, 3, 1};
  std::vector<float> gradient(z.size(), 7), packed_gradient(stream.size(), 7), by_token(z.size(), 7);
  const zm::tensor_view<float, 3> to{gradient.data(), {sequences, length, width}, {length * width, width, 1}};
  const zm::tensor_view<float, 3> to_token{by_token.data(), {sequences, length, width}, {length * width, width, 1}};
  za::sequence_logprobs_gradient(logits, of, upstream, to, zm::counted_where(kept));
  za::packed_logprobs_gradient(zm::matrix_view(stream.data(), offsets.back(), width), stream_ids, offsets, prompts,
                               upstream, zm::matrix_view(packed_gradient.data(), offsets.back(), width));
  std::vector<double> each(tokens.size());
  for (std::size_t k = 0; k < each.size(); ++k) each[k] = upstream[k / (length - 1)];
  za::sequence_logprobs_gradient(logits, of, zm::matrix_view(each.data(), sequences, length - 1), to_token,
                                 zm::counted_where(kept));
  CHECK(by_token == gradient);
  for (std::int64_t b = 0; b < sequences; ++b)
    for (std::int64_t t = 0; t < length; ++t)
      for (std::int64_t v = 0; v < width; ++v) {
        const float got = gradient[static_cast<std::size_t>((b * length + t) * width + v)];
        const bool real = t < lengths[static_cast<std::size_t>(b)];
        const float expected =
            real ? packed_gradient[static_cast<std::size_t>((offsets[static_cast<std::size_t>(b)] + t) * width + v)]
                 : 0;
        REQUIRE(got == expected);
      }
  std::vector<int> positions(stream_ids.size());
  za::packed_positions(offsets, positions);
  CHECK(positions[8] == 8);
  CHECK(positions[9] == 0);
}

TEST_CASE("a sequence of 4096 tokens in bfloat16 is summed without loss") {
  constexpr std::int64_t length = 4097, width = 260;
  const auto z = random_logits<zm::bfloat16>(length * width, 6, 4);
  const auto ids = random_targets(length, width, 9);
  const zm::tensor_view<const zm::bfloat16, 3> logits{z.data(), {1, length, width}, {length * width, width, 1}};
  std::vector<double> sum(1), exact(1);
  za::sequence_logprobs(logits, zm::matrix_view(ids.data(), 1, length), zm::discard, sum, zm::discard);
  std::vector<double> wide;
  for (const auto x : z) wide.push_back(static_cast<double>(x));
  const zm::tensor_view<const double, 3> wide_logits{wide.data(), {1, length, width}, {length * width, width, 1}};
  za::sequence_logprobs(wide_logits, zm::matrix_view(ids.data(), 1, length), zm::discard, exact, zm::discard);
  CHECK(exact[0] < -20000);
  // A token errs by 2e-7, that of its exponentials, at worst; a sum in float would lose 1e-3 more.
  CHECK(std::abs(sum[0] - exact[0]) < 4096 * 2e-7);
}

TEST_CASE("gradients are the differences of the objective, for log-probabilities and normalisers, with every option") {
  check_property([] {
    const auto width = *rc::gen::inRange<std::int64_t>(1, 12);
    const auto rows = *rc::gen::inRange<std::int64_t>(1, 5);
    const auto seed = *rc::gen::arbitrary<std::uint32_t>();
    auto z = random_logits<double>(rows * width, seed, 3);
    auto y = random_targets(rows, width, seed);
    if (seed % 3 == 0) y[0] = -100;
    std::vector<double> u, w, normaliser(static_cast<std::size_t>(rows)), unused(normaliser);
    for (std::int64_t n = 0; n < rows; ++n) {
      u.push_back(zm::uniform(seed, 4, static_cast<std::uint64_t>(n)) - 0.5);
      w.push_back(zm::uniform(seed, 5, static_cast<std::uint64_t>(n)) - 0.5);
    }
    const auto logits = zm::matrix_view(static_cast<const double*>(z.data()), rows, width);
    std::vector<double> gradient(z.size()), again(z.size());
    za::token_logprobs(logits, y, unused, za::normalisers(normaliser));
    za::token_logprobs_gradient(logits, y, u, zm::matrix_view(gradient.data(), rows, width),
                                za::normaliser_upstream(w));
    za::token_logprobs_gradient(logits, y, u, zm::matrix_view(again.data(), rows, width), za::normaliser_upstream(w),
                                za::normalisers(normaliser));
    RC_ASSERT(gradient == again);
    for (std::size_t k = 0; k < z.size(); ++k) {
      const double x = z[k], h = 1e-5;
      z[k] = x + h;
      const double above = objective(z, width, y, u, w);
      z[k] = x - h;
      const double below = objective(z, width, y, u, w);
      z[k] = x;
      RC_ASSERT(std::abs((above - below) / (2 * h) - gradient[k]) < 1e-9);
    }
  });
}

TEMPLATE_TEST_CASE("a gradient may take the place of the logits, in any type, and its rows add up to nothing", "",
                   float, double, zm::bfloat16) {
  using M = TestType;
  constexpr std::int64_t rows = 3, width = 1500;
  auto z = random_logits<M>(rows * width, 4);
  const auto y = random_targets(rows, width, 4);
  const std::vector<double> u = {1, -0.5, 2};
  std::vector<M> apart(z.size());
  za::token_logprobs_gradient(zm::matrix_view(z.data(), rows, width), y, u, zm::matrix_view(apart.data(), rows, width));
  za::token_logprobs_gradient(zm::matrix_view(z.data(), rows, width), y, u, zm::matrix_view(z.data(), rows, width));
  for (std::int64_t n = 0; n < rows; ++n) {
    double sum = 0;
    for (std::int64_t v = 0; v < width; ++v) {
      const auto k = static_cast<std::size_t>(n * width + v);
      REQUIRE(static_cast<double>(z[k]) == static_cast<double>(apart[k]));
      sum += static_cast<double>(z[k]);
    }
    CHECK(std::abs(sum) < (std::is_same_v<M, double> ? 1e-13 : std::is_same_v<M, float> ? 1e-5 : 1e-2));
  }
}

TEST_CASE("strided logits are those that lie side by side") {
  constexpr std::int64_t rows = 6, width = 50;
  const auto z = random_logits<float>(rows * width, 7);
  std::vector<float> turned(z.size());
  for (std::int64_t n = 0; n < rows; ++n)
    for (std::int64_t v = 0; v < width; ++v)
      turned[static_cast<std::size_t>(v * rows + n)] = z[static_cast<std::size_t>(n * width + v)];
  const auto y = random_targets(rows, width, 1);
  const auto straight = zm::matrix_view(z.data(), rows, width);
  const auto strided = zm::transposed(zm::matrix_view(static_cast<const float*>(turned.data()), width, rows));
  CHECK(scored(zm::simd{}, strided, y, 5) == scored(zm::simd{}, straight, y, 5));
  std::vector<float> gradient(z.size()), turned_gradient(z.size());
  const std::vector<double> u(rows, 1.5);
  za::token_logprobs_gradient(straight, y, u, zm::matrix_view(gradient.data(), rows, width));
  za::token_logprobs_gradient(strided, y, u, zm::transposed(zm::matrix_view(turned_gradient.data(), width, rows)));
  for (std::int64_t n = 0; n < rows; ++n)
    for (std::int64_t v = 0; v < width; ++v)
      REQUIRE(gradient[static_cast<std::size_t>(n * width + v)] ==
              turned_gradient[static_cast<std::size_t>(v * rows + n)]);
}

TEST_CASE("adding a constant to a row of logits changes nothing but its normaliser") {
  check_property([] {
    const auto width = *rc::gen::inRange<std::int64_t>(1, 60);
    const auto seed = *rc::gen::arbitrary<std::uint32_t>();
    const double shift = 64 * *rc::gen::inRange(-10, 11);  // exact in sums with the logits below
    auto z = random_logits<float>(width, seed);
    for (float& x : z) x = std::round(x * 1024) / 1024;
    const auto y = random_targets(1, width, seed);
    const scores before = scored(zm::simd{}, zm::matrix_view(z.data(), 1, width), y, 1);
    for (float& x : z) x += static_cast<float>(shift);
    scores after = scored(zm::simd{}, zm::matrix_view(z.data(), 1, width), y, 1);
    RC_ASSERT(std::abs(after.normaliser[0] - before.normaliser[0] - shift) < 1e-9);
    after.normaliser = before.normaliser;
    RC_ASSERT(std::abs(after.raw[0] - before.raw[0]) < 1e-12);
    after.raw = before.raw;
    RC_ASSERT(after == before);
  });
}

TEST_CASE("no rows and no completions are no error, and have no mean") {
  const std::vector<double> none;
  std::vector<double> nothing;
  const auto sums = za::token_logprobs(zm::matrix_view(none.data(), 0, 4), std::vector<int>{}, nothing);
  CHECK(sums.tokens == 0);
  CHECK_THROWS_AS(sums.mean_over_tokens(), zm::domain_error);
  const std::vector<double> z = {1, 2};
  const zm::tensor_view<const double, 3> one{z.data(), {1, 1, 2}, {2, 2, 1}};
  std::vector<double> sum = {7}, gradient = {7, 7};
  std::vector<int> count = {7};
  const std::vector<int> id = {1};
  za::sequence_logprobs(one, zm::matrix_view(id.data(), 1, 1), zm::discard, sum, count);
  CHECK(sum[0] == 0);
  CHECK(count[0] == 0);
  const zm::tensor_view<double, 3> to{gradient.data(), {1, 1, 2}, {2, 2, 1}};
  za::sequence_logprobs_gradient(one, zm::matrix_view(id.data(), 1, 1), sum, to);
  CHECK(gradient == std::vector<double>{0, 0});
}
