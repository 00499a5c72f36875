// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/preference/general_preference.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "property.hpp"
#include "thrown.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/preference/bradley_terry.hpp"

namespace zm = zermelo;
namespace zp = zermelo::preference;

namespace {

constexpr double pi = 3.14159265358979323846;
const double nan_value = std::nan("");

template <class T = double>
std::vector<T> normals(std::size_t n, std::uint64_t stream) {
  std::vector<T> x(n);
  for (std::size_t k = 0; k < n; ++k) x[k] = static_cast<T>(zm::normal(11, stream, k));
  return x;
}

template <class T>
auto rows(std::vector<T>& x, std::int64_t columns) {
  return zm::matrix_view(x.data(), static_cast<std::int64_t>(x.size()) / columns, columns);
}
template <class T>
auto rows(const std::vector<T>& x, std::int64_t columns) {
  return zm::matrix_view(x.data(), static_cast<std::int64_t>(x.size()) / columns, columns);
}

/// Counts of A > B > C > D > A: each beats the next `strong` times of ten.
zp::comparison_graph cycle_of_four(double strong = 10) {
  std::vector<double> wins(16, 0.0);
  for (std::size_t i = 0; i < 4; ++i) {
    wins[i * 4 + (i + 1) % 4] = strong;
    wins[(i + 1) % 4 * 4 + i] = 10 - strong;
  }
  return zp::graph_from_wins(zm::matrix_view(wins.data(), 4, 4));
}

/// n items, every pair `games` times, outcomes drawn from the scores of an embedding of k blocks.
zp::comparison_graph tournament(std::int64_t n, std::int64_t k, std::int64_t games, const std::vector<double>& v) {
  std::vector<double> probability(static_cast<std::size_t>(n * n)), wins(probability.size(), 0.0);
  zp::probability_matrix(rows(v, 2 * k), zp::unit_scales, zm::matrix_view(probability.data(), n, n));
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < i; ++j)
      for (std::int64_t g = 0; g < games; ++g) {
        const auto at = static_cast<std::size_t>(i * n + j), mirrored = static_cast<std::size_t>(j * n + i);
        const bool won = zm::uniform(3, at, static_cast<std::uint64_t>(g)) < probability[at];
        wins[won ? at : mirrored] += 1;
      }
  return zp::graph_from_wins(zm::matrix_view(wins.data(), n, n));
}

template <class T, class P>
void scores_are_skew(const P& policy) {
  constexpr std::int64_t n = 61, k = 3;
  const auto v = normals<T>(n * 2 * k, 0), scales = normals<T>(k, 1);
  std::vector<T> s(n * n), other(n * n), pair(n), swapped(n);
  zp::score_matrix(policy, rows(v, 2 * k), scales, zm::matrix_view(s.data(), n, n));
  zp::score_matrix(zm::serial{}, rows(v, 2 * k), scales, zm::matrix_view(other.data(), n, n));
  CHECK(s == other);
  bool skew = true;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) skew = skew && s[std::size_t(i * n + j)] == -s[std::size_t(j * n + i)];
  CHECK(skew);
  const auto w = normals<T>(n * 2 * k, 2);
  zp::pair_scores(policy, rows(v, 2 * k), rows(w, 2 * k), scales, pair);
  zp::pair_scores(policy, rows(w, 2 * k), rows(v, 2 * k), scales, swapped);
  bool opposite = true;
  for (std::size_t r = 0; r < n; ++r) opposite = opposite && pair[r] == -swapped[r];
  CHECK(opposite);
  // The way that devices go, on the host.
  std::vector<T> reduced(n), reversed(n);
  zp::detail::pair_scores_by_rows(policy, rows(v, 2 * k), rows(w, 2 * k), scales, zm::view(reduced));
  zp::detail::pair_scores_by_rows(policy, rows(w, 2 * k), rows(v, 2 * k), scales, zm::view(reversed));
  for (std::size_t r = 0; r < n; ++r) {
    opposite = opposite && reduced[r] == -reversed[r];
    CHECK(std::abs(reduced[r] - pair[r]) <= 64 * std::numeric_limits<T>::epsilon());
  }
  CHECK(opposite);
}

}  // namespace

TEST_CASE("exchanging two items changes the sign of their score and no other bit, on every backend") {
  const zm::threads two(2);
  scores_are_skew<double>(zm::serial{});
  scores_are_skew<double>(zm::simd{});
  scores_are_skew<double>(two);
  scores_are_skew<float>(zm::serial{});
  scores_are_skew<float>(zm::simd{});
  check_property([] {
    const auto number = [] {
      return std::ldexp(*rc::gen::inRange(-1'000'000'007, 1'000'000'007), *rc::gen::inRange(-40, 40));
    };
    const double a = number(), b = number(), c = number(), d = number();
    const zp::skew_block block;
    RC_ASSERT(block(a, b, c, d) == -block(c, d, a, b));
    RC_ASSERT(block(a, b, a, b) == 0);
    const auto x = static_cast<float>(a), y = static_cast<float>(b), z = static_cast<float>(c),
               w = static_cast<float>(d);
    RC_ASSERT(block(x, y, z, w) == -block(z, w, x, y));
  });
}

TEST_CASE("the probabilities of a pair add up to one and those of an item against itself are a half") {
  constexpr std::int64_t n = 20;
  const auto v = normals(n * 4, 3);
  std::vector<double> p(n * n);
  zp::probability_matrix(rows(v, 4), zp::unit_scales, zm::matrix_view(p.data(), n, n), {.temperature = 0.1});
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(p[i * n + i] == 0.5);
    for (std::size_t j = 0; j < n; ++j) CHECK(std::abs(p[i * n + j] + p[j * n + i] - 1) <= 2.3e-16);  // a rounding each
  }
}

TEST_CASE("embeddings (r, 1) are Bradley-Terry, and equal angles on a circle a cycle") {
  const std::vector<double> r{0.3, -0.2, 1.1};
  std::vector<double> v, s(9);
  for (const double x : r) v.insert(v.end(), {x, 1});
  zp::score_matrix(rows(v, 2), zp::unit_scales, zm::matrix_view(s.data(), 3, 3));
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) CHECK(s[i * 3 + j] == r[i] - r[j]);

  v.clear(), s.resize(25);
  for (int q = 0; q < 5; ++q) v.insert(v.end(), {std::cos(2 * pi * q / 5), std::sin(2 * pi * q / 5)});
  zp::score_matrix(rows(v, 2), zp::unit_scales, zm::matrix_view(s.data(), 5, 5));
  for (std::size_t i = 0; i < 5; ++i) CHECK(s[i * 5 + (i + 1) % 5] == Approx(std::sin(2 * pi / 5)).epsilon(1e-15));
}

TEST_CASE("turning every block by an angle leaves the scores") {
  constexpr std::int64_t n = 12, k = 3;
  const auto v = normals(n * 2 * k, 4);
  auto turned = v;
  for (std::size_t b = 0; b < v.size(); b += 2) {
    const double angle = 0.4 + static_cast<double>(b / 2 % k);  // another one for each block
    turned[b] = std::cos(angle) * v[b] - std::sin(angle) * v[b + 1];
    turned[b + 1] = std::sin(angle) * v[b] + std::cos(angle) * v[b + 1];
  }
  std::vector<double> s(n * n), t(n * n);
  zp::score_matrix(rows(v, 2 * k), zp::unit_scales, zm::matrix_view(s.data(), n, n));
  zp::score_matrix(rows(turned, 2 * k), zp::unit_scales, zm::matrix_view(t.data(), n, n));
  // |v| < 4: products below 16, a few of which are rounded a few times.
  for (std::size_t e = 0; e < s.size(); ++e) CHECK(std::abs(s[e] - t[e]) <= 1e-13);
}

TEST_CASE("scores against a mixture are those against the mean of its embeddings") {
  const zm::threads two(2);
  for (const std::int64_t k : {1, 2, 3, 4, 5, 8, 17}) {
    constexpr std::int64_t n = 3001;
    const auto v = normals(static_cast<std::size_t>(n * 2 * k), 5);
    auto p = normals(n, 6);
    double mass = 0;
    for (double& x : p) x = x * x, mass += x;
    for (double& x : p) x /= mass;
    const auto scales = normals(static_cast<std::size_t>(k), 7);
    std::vector<double> s(n), serial(n), threaded(n), columns(v.size()), by_columns(n);
    zp::scores_against(rows(v, 2 * k), scales, p, s);
    zp::scores_against(zm::serial{}, rows(v, 2 * k), scales, p, serial);
    zp::scores_against(two, rows(v, 2 * k), scales, p, threaded);
    CHECK(s == serial);
    CHECK(s == threaded);
    const auto stored = rows(columns, n);
    for (std::int64_t d = 0; d < 2 * k; ++d)
      for (std::int64_t i = 0; i < n; ++i) stored(d, i) = v[static_cast<std::size_t>(i * 2 * k + d)];
    zp::scores_against(zm::transposed(stored), scales, p, by_columns);
    double value = 0;
    for (std::int64_t i = 0; i < n; ++i) value += p[std::size_t(i)] * s[std::size_t(i)];
    CHECK(std::abs(value) <= 1e-14 * static_cast<double>(k));  // Σ p s(·, p) = 0
    for (const std::int64_t i : {0, 1, 1500, 3000}) {
      double expected = 0;
      for (std::int64_t j = 0; j < n; ++j)
        for (std::int64_t q = 0; q < k; ++q) {
          const auto a = static_cast<std::size_t>(i * 2 * k + 2 * q), b = static_cast<std::size_t>(j * 2 * k + 2 * q);
          expected += p[std::size_t(j)] * scales[std::size_t(q)] * (v[a] * v[b + 1] - v[a + 1] * v[b]);
        }
      CHECK(std::abs(s[std::size_t(i)] - expected) <= 1e-13 * static_cast<double>(k));
      CHECK(std::abs(by_columns[std::size_t(i)] - expected) <= 1e-13 * static_cast<double>(k));
    }
  }
}

TEST_CASE("gated scales have mean one and their gradient is the derivative") {
  constexpr std::int64_t rows_ = 3, k = 4, width = 16;
  auto logits = normals(rows_ * k, 8);
  const auto g = normals(rows_ * k, 9);
  std::vector<double> scales(rows_ * k), gradient(rows_ * k), high(rows_ * k), low(rows_ * k);
  zp::gate_scales(rows(logits, k), width, rows(scales, k));
  for (std::size_t r = 0; r < rows_; ++r) {
    double sum = 0;
    for (std::size_t q = 0; q < k; ++q) sum += scales[r * k + q];
    CHECK(sum == Approx(k).epsilon(1e-15));
  }
  zp::gate_gradient(rows(scales, k), rows(g, k), width, rows(gradient, k));
  for (std::size_t e = 0; e < logits.size(); ++e) {
    const double at = logits[e], step = 1e-5;
    logits[e] = at + step;
    zp::gate_scales(rows(logits, k), width, rows(high, k));
    logits[e] = at - step;
    zp::gate_scales(rows(logits, k), width, rows(low, k));
    logits[e] = at;
    double slope = 0;
    for (std::size_t j = 0; j < scales.size(); ++j) slope += g[j] * (high[j] - low[j]) / (2 * step);
    CHECK(std::abs(gradient[e] - slope) <= 1e-9);  // central differences: step² and rounding over step
  }
}

TEST_CASE("the gradient of the loss is its derivative by both embeddings and the scales") {
  constexpr std::int64_t batch = 5, k = 2;
  auto u = normals(batch * 2 * k, 12), v = normals(batch * 2 * k, 13), scales = normals(batch * k, 14);
  const std::vector<double> weights{1, 2, 0.5, 0, 3};
  const auto total = [&](const auto& kernel) {
    return zp::general_preference_loss(kernel, rows(u, 2 * k), rows(v, 2 * k), rows(scales, k), zm::discard,
                                       zm::discard, zm::discard, zm::discard, zm::discard, zm::weighted_by(weights))
        .loss;
  };
  const auto check = [&](const auto& kernel) {
    std::vector<double> gu(u.size()), gv(v.size()), gs(scales.size());
    zp::general_preference_loss(kernel, rows(u, 2 * k), rows(v, 2 * k), rows(scales, k), zm::discard, zm::discard,
                                rows(gu, 2 * k), rows(gv, 2 * k), rows(gs, k), zm::weighted_by(weights));
    const auto differs = [&](std::vector<double>& x, const std::vector<double>& gradient) {
      double worst = 0;
      for (std::size_t e = 0; e < x.size(); ++e) {
        const double at = x[e], step = 1e-5;
        x[e] = at + step;
        const double high = total(kernel);
        x[e] = at - step;
        const double low = total(kernel);
        x[e] = at;
        worst = std::max(worst, std::abs(gradient[e] - (high - low) / (2 * step)));
      }
      return worst;
    };
    CHECK(differs(u, gu) <= 2e-8);
    CHECK(differs(v, gv) <= 2e-8);
    CHECK(differs(scales, gs) <= 2e-8);
  };
  check(zp::score_logistic{.temperature = 0.7, .margin = 0.3});
  check(zp::score_regression{.temperature = 0.7, .target = 2});
}

TEST_CASE("what a mask leaves out of the loss is never looked at") {
  constexpr std::int64_t batch = 3, k = 1;
  std::vector<double> u{1, 2, nan_value, 1, 3, 1}, v{0, 1, 1, nan_value, -1, 2}, scores(3), losses(3), gu(6), gv(6),
      gs(3);
  const std::vector<double> mask{1, 0, 1};
  const auto sums =
      zp::general_preference_loss(zp::score_logistic{}, rows(u, 2 * k), rows(v, 2 * k), zp::unit_scales, scores, losses,
                                  rows(gu, 2), rows(gv, 2), rows(gs, 1), zm::counted_where(mask));
  CHECK(sums.pairs == 2);
  CHECK(scores == std::vector<double>{1, 0, 7});
  CHECK(losses[1] == 0);
  for (const std::size_t e : {2u, 3u}) CHECK((gu[e] == 0 && gv[e] == 0));
  CHECK(gs[1] == 0);
  CHECK(sums.loss == Approx(std::log1p(std::exp(-10.0)) + std::log1p(std::exp(-70.0))).epsilon(1e-14));
  CHECK(batch == sums.pairs + 1);
}

TEST_CASE("a batch of many tiles has the sums of its pairs, and errors name the pair of the batch") {
  constexpr std::int64_t batch = 5000;
  const auto u = normals(batch * 4, 40), v = normals(batch * 4, 41);
  std::vector<double> weights(batch, 2.0), losses(batch), gradient(batch * 4), alone(4);
  const zm::threads two(2);
  const zp::score_logistic loss{.temperature = 0.5};
  const auto sums = zp::general_preference_loss(two, loss, rows(u, 4), rows(v, 4), zp::unit_scales, zm::discard, losses,
                                                rows(gradient, 4), zm::discard, zm::discard, zm::weighted_by(weights));
  double total = 0;
  for (const double x : losses) total += x;
  CHECK(sums.pairs == batch);
  CHECK(sums.weight == 2.0 * batch);
  CHECK(sums.loss == Approx(total).epsilon(1e-13));
  const std::vector<double> u1(u.end() - 4, u.end()), v1(v.end() - 4, v.end());
  const auto one = zp::general_preference_loss(loss, rows(u1, 4), rows(v1, 4), zp::unit_scales, zm::discard,
                                               zm::discard, rows(alone, 4), zm::discard, zm::discard);
  CHECK(losses.back() == Approx(2 * one.loss).epsilon(1e-14));
  for (std::size_t d = 0; d < 4; ++d) CHECK(gradient[gradient.size() - 4 + d] == Approx(2 * alone[d]).epsilon(1e-13));
  weights[4321] = -1;
  const auto error = thrown<zm::domain_error>([&] {
    zp::general_preference_loss(two, loss, rows(u, 4), rows(v, 4), zp::unit_scales, zm::discard, zm::discard,
                                zm::discard, zm::discard, zm::discard, zm::weighted_by(weights));
  });
  CHECK((error.argument() == "weights" && error.index() == 4321));
  CHECK(std::string(error.what()) == "weights[4321]: -1, expected a finite number, zero or more");
}

TEST_CASE("a learnable temperature is softplus above its bound") {
  const auto usual = zp::learnable_temperature{}(-2.25);
  CHECK(usual.value == Approx(0.1002066).epsilon(1e-6));
  CHECK(usual.slope == Approx(1 / (1 + std::exp(2.25))).epsilon(1e-14));
  CHECK(zp::learnable_temperature{}(-50.0).value == 0.01);
  CHECK(zp::learnable_temperature{}(-50.0).slope == 0);
}

TEST_CASE("the gradient by an embedding of length one is orthogonal to it") {
  constexpr std::int64_t n = 7, d = 4;
  const auto v = normals(n * d, 15), g = normals(n * d, 16);
  std::vector<double> w(n * d), norm(n), gradient(n * d);
  zp::normalise_rows(rows(v, d), rows(w, d), norm);
  zp::normalised_gradient(rows(w, d), norm, rows(g, d), rows(gradient, d));
  for (std::size_t r = 0; r < n; ++r) {
    double length = 0, along = 0;
    for (std::size_t e = r * d; e < (r + 1) * d; ++e) length += w[e] * w[e], along += gradient[e] * v[e];
    CHECK(length == Approx(1).epsilon(1e-15));
    CHECK(std::abs(along) <= 1e-14);
  }
}

TEST_CASE("a cycle that Bradley-Terry leaves at a half is learned by two numbers an item") {
  const auto graph = cycle_of_four();
  const auto strengths = zp::fit(zp::bradley_terry{}, graph);
  const auto learned = zp::fit(zp::general_preference{.blocks = 1}, graph);
  CHECK(learned.convergence.status == zm::status::converged);
  for (std::int64_t i = 0; i < 4; ++i) {
    const std::int64_t next = (i + 1) % 4;
    CHECK(strengths.win_probability(i, next) == 0.5);
    CHECK(learned.win_probability(i, next) > 0.99);
    CHECK(learned.score(i, next) == -learned.score(next, i));
  }
}

TEST_CASE("the certificate bounds how far a fit can be from the optimum of all dimensions") {
  const auto graph = cycle_of_four(8);
  const zp::general_preference one{.blocks = 1, .weight_decay = 0.1}, three{.blocks = 3, .weight_decay = 0.1};
  const auto narrow = zp::fit(one, graph, {.tolerance = 1e-10}), wide = zp::fit(three, graph, {.tolerance = 1e-10});
  // The gradient is 1e-10 of ten games, the objective is quadratic around its optimum.
  CHECK(narrow.certificate.spectral_ratio == Approx(1).epsilon(1e-7));
  CHECK(narrow.objective - narrow.certificate.lower_bound <= 1e-6 * narrow.objective);
  CHECK(wide.objective == Approx(narrow.objective).epsilon(1e-10));

  // Rank 4 does not fit into one block, and the certificate knows.
  const auto v = normals(14 * 4, 20);
  const auto games = tournament(14, 2, 200, v);
  const auto poor = zp::fit(one, games),
             rich = zp::fit(zp::general_preference{.blocks = 4, .weight_decay = 0.1}, games);
  CHECK(poor.certificate.spectral_ratio > 2);
  CHECK(poor.certificate.lower_bound <= rich.objective);
  CHECK(rich.certificate.lower_bound <= rich.objective);
  CHECK(rich.objective < poor.objective);
}

TEST_CASE("many battles give the scores back that they were drawn from, under all policies alike") {
  constexpr std::int64_t n = 12, k = 2;
  auto v = normals(n * 2 * k, 21);
  for (double& x : v) x *= 0.8;
  const auto graph = tournament(n, k, 20000, v);
  const zp::general_preference model{.blocks = k, .weight_decay = 1e-3};
  const auto fitted = zp::fit(model, graph);
  const zm::threads two(2);
  CHECK(zp::fit(zm::serial{}, model, graph).embedding == fitted.embedding);
  CHECK(zp::fit(two, model, graph).embedding == fitted.embedding);
  std::vector<double> truth(n * n);
  zp::score_matrix(rows(v, 2 * k), zp::unit_scales, zm::matrix_view(truth.data(), n, n));
  double square = 0, expected = 0;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < i; ++j) {
      const double p = 1 / (1 + std::exp(-truth[std::size_t(i * n + j)]));
      const double off = fitted.win_probability(i, j) - p;
      square += off * off, expected += p * (1 - p) / 20000;
    }
  CHECK(square <= 1.5 * expected);  // frequencies themselves would have 1 in expectation, a model of 42 numbers less
}

TEST_CASE("a tie is half a win of either side, and an item that met nobody has no preference") {
  std::vector<double> wins(25, 0.0), ties(25, 0.0), halves(25, 0.0);
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t ahead = i * 5 + (i + 1) % 4, back = (i + 1) % 4 * 5 + i;
    wins[ahead] = 6, wins[back] = 1;
    ties[ahead] = ties[back] = 3;
    halves[ahead] = 7.5, halves[back] = 2.5;
  }
  const zp::general_preference model{.weight_decay = 0.1};
  const auto tied =
      zp::fit(model, zp::graph_from_wins(zm::matrix_view(wins.data(), 5, 5), zm::matrix_view(ties.data(), 5, 5)));
  const auto shared = zp::fit(model, zp::graph_from_wins(zm::matrix_view(halves.data(), 5, 5)));
  CHECK(tied.embedding == shared.embedding);
  CHECK(tied.objective == shared.objective);
  CHECK(std::abs(tied.win_probability(4, 0) - 0.5) <= 1e-5);  // its embedding shrinks to nothing
}

TEST_CASE("simulated battles have the model's frequencies and need no state") {
  const auto fitted = zp::fit(zp::general_preference{.blocks = 1, .weight_decay = 0.5}, cycle_of_four(7));
  constexpr std::size_t battles = 40000;
  const std::vector<std::int32_t> first(battles, 0), second(battles, 1);
  std::vector<zp::outcome> outcomes(battles), again(battles);
  fitted.simulate(first, second, outcomes, 5);
  fitted.simulate(first, second, again, 5);
  CHECK(outcomes == again);
  double wins = 0;
  for (const auto o : outcomes) wins += zp::score(o);
  const double p = fitted.win_probability(0, 1);
  CHECK(std::abs(wins / battles - p) <= 4 * std::sqrt(p * (1 - p) / battles));
}

TEST_CASE("general preferences refuse what makes no sense, and say what it is") {
  std::vector<double> odd(6, 1.0), even(6, 1.0), square(9, 0.0), out(3);
  CHECK(thrown<zm::shape_error>([&] {
          zp::pair_scores(rows(odd, 3), rows(even, 3), zp::unit_scales, out);
        }).argument() == "chosen");
  CHECK(thrown<zm::shape_error>([&] {
          zp::pair_scores(rows(even, 2), rows(odd, 6), zp::unit_scales, out);
        }).argument() == "rejected");
  even[3] = nan_value;
  CHECK(thrown<zm::domain_error>([&] { zp::pair_scores(rows(odd, 2), rows(even, 2), zp::unit_scales, out); }).index() ==
        3);
  CHECK(thrown<zm::domain_error>([&] {
          zp::score_matrix(rows(even, 2), zp::unit_scales, rows(square, 3));
        }).argument() == "embeddings");
  const std::vector<double> p{0.5, nan_value, 0.5};
  CHECK(thrown<zm::domain_error>([&] { zp::scores_against(rows(odd, 2), zp::unit_scales, p, out); }).index() == 1);
  CHECK(thrown<zm::shape_error>([&] {
          zp::scores_against(rows(odd, 2), zp::unit_scales, std::vector<double>(2, 0.5), out);
        }).argument() == "opponent");
  CHECK_THROWS_AS(zp::scores_against(rows(odd, 2), std::vector<double>(2, 1.0), out, out), zm::shape_error);
  CHECK_THROWS_AS(zp::probability_matrix(rows(odd, 2), zp::unit_scales, rows(square, 3), {.temperature = 0}),
                  zm::domain_error);
  CHECK_THROWS_AS(zp::gate_scales(rows(odd, 2), 0, rows(odd, 2)), zm::domain_error);
  CHECK_THROWS_AS(zp::normalise_rows(rows(square, 3), rows(square, 3), zm::discard), zm::domain_error);
  const auto loss = [&](const auto& kernel) {
    zp::general_preference_loss(kernel, rows(odd, 2), rows(odd, 2), zp::unit_scales, zm::discard, zm::discard,
                                zm::discard, zm::discard, zm::discard);
  };
  CHECK_THROWS_AS(loss(zp::score_logistic{.temperature = -1}), zm::domain_error);
  CHECK_THROWS_AS(loss(zp::score_regression{.temperature = 0}), zm::domain_error);
  CHECK_THROWS_AS(loss(zp::score_logistic{.margin = nan_value}), zm::domain_error);

  const auto graph = cycle_of_four();
  CHECK_THROWS_AS(zp::fit(zp::general_preference{.blocks = 0}, graph), zm::domain_error);
  CHECK_THROWS_AS(zp::fit(zp::general_preference{.temperature = 0}, graph), zm::domain_error);
  CHECK_THROWS_AS(zp::fit(zp::general_preference{.weight_decay = -1}, graph), zm::domain_error);
  CHECK_THROWS_AS(zp::fit(zp::general_preference{}, graph, {.starts = 0}), zm::domain_error);
  CHECK_THROWS_AS(zp::fit(zp::general_preference{}, graph, {.start = out}), zm::shape_error);
  CHECK_THROWS_AS(zp::fit(zp::general_preference{}, zp::graph_from_wins(zm::matrix_view(square.data(), 1, 1))),
                  zm::error);
  const auto fitted = zp::fit(zp::general_preference{}, graph);
  CHECK_THROWS_AS(fitted.score(0, 4), zm::domain_error);
}
