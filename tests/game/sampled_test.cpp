// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "thrown.hpp"
#include "zermelo/core/distributions.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/game/anchor_step.hpp"
#include "zermelo/game/pair_regression.hpp"
#include "zermelo/game/sample_rewards.hpp"
#include "zermelo/game/sampled_gradient.hpp"

namespace zm = zermelo;
namespace zg = zermelo::game;

namespace {

const double nan_value = std::nan("");
using vector = std::vector<double>;

/// A random game of n items with a policy, an opponent and a reference.
struct setting {
  std::size_t n;
  vector table, theta, log_policy, policy, opponent, log_reference, reference;

  explicit setting(std::size_t items, std::uint64_t seed = 0) : n(items), table(n * n, 0.5) {
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < i; ++j) {
        table[i * n + j] = zm::uniform(seed, 0, i * n + j);
        table[j * n + i] = 1 - table[i * n + j];
      }
    const auto draw = [&](std::uint64_t stream) {
      vector x(n);
      for (std::size_t k = 0; k < n; ++k) x[k] = zm::normal(seed, stream, k);
      return x;
    };
    theta = draw(1);
    log_policy = normalised(theta);
    policy = exponential(log_policy);
    opponent = exponential(normalised(draw(2)));
    log_reference = normalised(draw(3));
    reference = exponential(log_reference);
  }
  auto game() const { return zg::preference_matrix(zm::matrix_view(table.data(), std::int64_t(n), std::int64_t(n))); }
  double p(std::size_t i, std::size_t j) const { return table[i * n + j]; }
  vector win_rate(const vector& against) const {
    vector q(n);
    game().win_rate(zm::simd{}, against, q);
    return q;
  }

  static vector normalised(vector x) {
    double sum = 0;
    for (const double v : x) sum += std::exp(v);
    for (double& v : x) v -= std::log(sum);
    return x;
  }
  static vector exponential(vector x) {
    for (double& v : x) v = std::exp(v);
    return x;
  }
};

double distance(const vector& a, const vector& b) {
  double most = 0;
  for (std::size_t k = 0; k < a.size(); ++k) most = std::max(most, std::abs(a[k] - b[k]));
  return most;
}

vector add(vector to, const vector& x, double by) {
  for (std::size_t k = 0; k < to.size(); ++k) to[k] += by * x[k];
  return to;
}

double square(const vector& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return sum;
}

/// The gradient that one batch of samples gives.
vector estimate(const setting& s, const std::vector<std::int64_t>& samples, const vector& advantages) {
  vector g(s.n);
  zg::sampled_policy_gradient(samples, advantages, s.policy, g);
  return g;
}

/// The step of mirror descent from `base`: weight on the reference, step along the payoff.
vector stepped(const vector& base, const vector& reference, const vector& payoff, double weight, double step) {
  vector out(base.size());
  zg::anchor_step(base, reference, payoff, out, zm::discard, {.reference_weight = weight, .step = step});
  return out;
}

}  // namespace

TEST_CASE("the policy gradient is the derivative of the value against a held opponent") {
  for (const double tau : {0.0, 0.1, 1.0}) {
    setting s(6, 1);
    vector gradient(s.n), rest(s.n);
    const auto at =
        zg::policy_gradient(s.game(), s.log_policy, s.opponent, s.log_reference, gradient, {.kl_weight = tau});
    double sum = 0;
    for (std::size_t k = 0; k < s.n; ++k) {
      const auto value = [&](double by) {
        vector moved = s.theta;
        moved[k] += by;
        return zg::policy_gradient(s.game(), setting::normalised(moved), s.opponent, s.log_reference, rest,
                                   {.kl_weight = tau})
            .value;
      };
      CHECK(std::abs(gradient[k] - (value(1e-5) - value(-1e-5)) / 2e-5) <= 1e-9);
      sum += gradient[k];
    }
    CHECK(std::abs(sum) <= 1e-15);
    CHECK(at.value == Approx(at.win_rate - tau * at.divergence + tau * at.opponent_divergence).epsilon(1e-15));
    const zm::threads two(2);
    zg::policy_gradient(two, s.game(), s.log_policy, s.opponent, s.log_reference, rest, {.kl_weight = tau});
    CHECK(rest == gradient);
  }
}

TEST_CASE("Nash-MD's sampled gradient averages exactly to the policy gradient, whatever the baseline") {
  const setting s(5, 2);
  const double tau = 0.3;
  vector exact(s.n);
  zg::policy_gradient(s.game(), s.log_policy, s.opponent, s.log_reference, exact, {.kl_weight = tau});
  for (const double baseline : {0.5, 0.0, -2.0}) {
    vector mean(s.n, 0.0);
    for (std::size_t y = 0; y < s.n; ++y)
      for (std::size_t z = 0; z < s.n; ++z)
        for (const double verdict : {0.0, 1.0}) {  // a Bernoulli bit of the judge's
          const double probability = s.policy[y] * s.opponent[z] * (verdict == 1 ? s.p(y, z) : 1 - s.p(y, z));
          vector advantage(1);
          zg::preference_advantages(vector{verdict}, vector{s.log_policy[y]}, vector{s.log_reference[y]}, advantage,
                                    {.kl_weight = tau, .baseline = baseline});
          mean = add(mean, estimate(s, {std::int64_t(y)}, advantage), probability);
        }
    CHECK(distance(mean, exact) <= 1e-15 * (1 + std::abs(baseline)));
  }
}

TEST_CASE("leave-one-out baselines and swapped pairs leave the mean and lower the variance") {
  const setting s(4, 3);
  vector exact(s.n);
  zg::policy_gradient(s.game(), s.log_policy, s.policy, s.log_reference, exact, {.kl_weight = 0});
  // Three responses, each against one and the same opponent's, of which all n⁴ are enumerated.
  vector plain(s.n, 0.0), less(s.n, 0.0);
  double plain_square = 0, less_square = 0;
  const auto n = std::int64_t(s.n);
  for (std::int64_t e = 0; e < n * n * n * n; ++e) {
    const std::vector<std::int64_t> y{e % n, e / n % n, e / n / n % n};
    const auto z = std::size_t(e / n / n / n);
    double probability = s.policy[z];
    vector rewards, baselines(3), advantages;
    for (const auto k : y) probability *= s.policy[std::size_t(k)], rewards.push_back(s.p(std::size_t(k), z));
    zg::leave_one_out_baselines(zm::matrix_view(rewards.data(), 1, 3), zm::matrix_view(baselines.data(), 1, 3));
    const auto average = [&](const vector& a) {
      auto g = estimate(s, y, a);
      for (double& x : g) x /= 3;
      return g;
    };
    const auto without = average(rewards), with = average(add(rewards, baselines, -1));
    plain = add(plain, without, probability), less = add(less, with, probability);
    plain_square += probability * square(without), less_square += probability * square(with);
  }
  CHECK(distance(plain, exact) <= 1e-15);
  CHECK(distance(less, exact) <= 1e-15);
  CHECK(less_square < 0.7 * plain_square);

  vector single(s.n, 0.0), swapped(s.n, 0.0);
  double single_square = 0, swapped_square = 0;
  for (std::size_t y = 0; y < s.n; ++y)
    for (std::size_t z = 0; z < s.n; ++z) {
      const double probability = s.policy[y] * s.policy[z], a = s.p(y, z) - 0.5;
      const auto one = estimate(s, {std::int64_t(y)}, {a});
      const auto both = estimate(s, {std::int64_t(y), std::int64_t(z)}, {a / 2, -a / 2});
      single = add(single, one, probability), swapped = add(swapped, both, probability);
      single_square += probability * square(one), swapped_square += probability * square(both);
    }
  CHECK(distance(single, exact) <= 1e-15);
  CHECK(distance(swapped, exact) <= 1e-15);
  CHECK(swapped_square < 0.7 * single_square);

  vector same{0.1, 0.1, 0.1, 0.3}, out(4);
  zg::leave_one_out_baselines(zm::matrix_view(same.data(), 1, 3), zm::matrix_view(out.data(), 1, 3));
  CHECK(vector(out.begin(), out.begin() + 3) == vector(3, 0.1));
}

TEST_CASE("tokens answer for the whole response, or each for itself") {
  const vector preferences{0.9, 0.2}, ratios{0.5, -0.25, 1, 2, 0.125};
  const std::vector<std::int32_t> offsets{0, 3, 5};
  vector a(5);
  zg::token_advantages(preferences, ratios, offsets, a, {.advantage = {.kl_weight = 0.1}});
  for (std::size_t t = 0; t < 3; ++t) CHECK(a[t] == Approx(0.4 - 0.1 * 1.25));
  for (std::size_t t = 3; t < 5; ++t) CHECK(a[t] == Approx(-0.3 - 0.1 * 2.125));
  zg::token_advantages(preferences, ratios, offsets, a,
                       {.advantage = {.kl_weight = 0.1}, .credit = zg::kl_credit::token});
  for (std::size_t t = 0; t < 5; ++t) CHECK(a[t] == Approx((t < 3 ? 0.4 : -0.3) - 0.1 * ratios[t]));
}

TEST_CASE("online IPO is self-play policy gradient times −4/τ, and rests at the regularised equilibrium") {
  setting s(6, 4);
  const double tau = 0.4;
  vector gradient(s.n), self_play(s.n);
  zg::online_ipo(s.game(), s.log_policy, s.log_reference, s.policy, gradient, {.kl_weight = tau});
  zg::policy_gradient(s.game(), s.log_policy, s.policy, s.log_reference, self_play, {.kl_weight = tau});
  for (std::size_t k = 0; k < s.n; ++k) CHECK(gradient[k] == Approx(-4 / tau * self_play[k]).epsilon(1e-12));

  // Mirror descent with a locally stable step finds the equilibrium.
  const double step = tau / (tau * tau + 0.125);
  for (int t = 0; t < 400; ++t)
    s.log_policy =
        stepped(s.log_policy, s.log_reference, s.win_rate(setting::exponential(s.log_policy)), step * tau, step);
  zg::online_ipo(s.game(), s.log_policy, s.log_reference, setting::exponential(s.log_policy), gradient,
                 {.kl_weight = tau});
  for (const double g : gradient) CHECK(std::abs(g) <= 1e-14);
}

TEST_CASE(
    "the loss of pairs is its own derivative, its labelled form larger by a constant, and sampled pairs average to "
    "it") {
  const setting s(5, 5);
  const double tau = 0.3;
  const auto loss = [&](const vector& theta, vector& gradient, zg::regression_form form) {
    return zg::online_ipo(s.game(), setting::normalised(theta), s.log_reference, s.opponent, gradient,
                          {.kl_weight = tau, .form = form});
  };
  vector gradient(s.n), rest(s.n);
  const double value = loss(s.theta, gradient, zg::regression_form::expected);
  const double labelled = loss(s.theta, rest, zg::regression_form::labelled);
  CHECK(rest == gradient);
  for (std::size_t k = 0; k < s.n; ++k) {
    vector up = s.theta, down = s.theta;
    up[k] += 1e-5, down[k] -= 1e-5;
    const double slope =
        (loss(up, rest, zg::regression_form::expected) - loss(down, rest, zg::regression_form::expected)) / 2e-5;
    CHECK(std::abs(gradient[k] - slope) <= 1e-8);
  }

  const vector h = add(s.log_policy, s.log_reference, -1);
  vector mean(s.n, 0.0), by_verdicts(s.n, 0.0);
  double expected = 0, expected_labelled = 0;
  for (std::size_t y = 0; y < s.n; ++y)
    for (std::size_t z = 0; z < s.n; ++z) {
      const double probability = s.opponent[y] * s.opponent[z];
      const std::vector<std::int64_t> first{std::int64_t(y)}, second{std::int64_t(z)};
      const auto one = [&](double target, double weight, vector& to) {
        const double l = zg::sampled_pair_regression(first, second, vector{target}, h, rest);
        to = add(to, rest, weight);
        return weight * l;
      };
      expected += one((s.p(y, z) - 0.5) / tau, probability, mean);
      expected_labelled += one(0.5 / tau, probability * s.p(y, z), by_verdicts);
      expected_labelled += one(-0.5 / tau, probability * (1 - s.p(y, z)), by_verdicts);
    }
  CHECK(value == Approx(expected).epsilon(1e-13));
  CHECK(labelled == Approx(expected_labelled).epsilon(1e-13));
  CHECK(distance(mean, gradient) <= 1e-14);
  CHECK(distance(by_verdicts, gradient) <= 1e-14);
}

TEST_CASE("the weights of INPO's pairs are essential unless preferences are additive") {
  const setting s(5, 6);
  const double eta = 0.8, tau = 0.2;
  const vector uniform(s.n, 1.0 / double(s.n));
  const auto gradient_at_step = [&](const auto& game, const vector& q, const vector& weights) {
    const vector next = stepped(s.log_policy, s.log_reference, q, tau / eta, 1 / eta);
    const vector h = add(add(next, s.log_reference, -tau / eta), s.log_policy, tau / eta - 1);
    vector g(s.n);
    zg::preference_regression(game, weights, h, g, {.scale = eta});
    return std::sqrt(square(g));
  };
  CHECK(gradient_at_step(s.game(), s.win_rate(s.policy), s.policy) <= 1e-14);
  CHECK(gradient_at_step(s.game(), s.win_rate(s.policy), uniform) > 0.01);

  vector additive(s.n * s.n), q(s.n);
  for (std::size_t i = 0; i < s.n; ++i)
    for (std::size_t j = 0; j < s.n; ++j) additive[i * s.n + j] = 0.5 + 0.05 * (double(i * i % 7) - double(j * j % 7));
  const auto game = zg::preference_matrix(zm::matrix_view(additive.data(), 5, 5));
  game.win_rate(zm::simd{}, s.policy, q);
  CHECK(gradient_at_step(game, q, uniform) <= 1e-14);
}

TEST_CASE("two steps of gradient descent on EGPO's loss are its closed form with a step of 4·rate/(nτ)") {
  const setting s(6, 7);
  const double tau = 0.2, rate = 0.05, n = double(s.n);
  const vector uniform(s.n, 1 / n);
  const auto descended = [&](const vector& opponent) {
    vector g(s.n);
    zg::payoff_regression(uniform, s.log_policy, s.log_reference, s.win_rate(opponent), g, {.step = 1 / tau});
    return setting::normalised(add(s.log_policy, g, -rate));
  };
  const auto closed = [&](const vector& opponent) {
    return stepped(s.log_policy, s.log_reference, s.win_rate(opponent), 4 * rate / n, 4 * rate / (n * tau));
  };
  const vector half = descended(s.policy), half_closed = closed(s.policy);
  CHECK(distance(half, half_closed) <= 1e-14);
  CHECK(distance(descended(setting::exponential(half)), closed(setting::exponential(half_closed))) <= 1e-14);

  // Its sampled form: uniform pairs, each judged against a response of the opponent's.
  const vector h = add(s.log_policy, s.log_reference, -1);
  vector exact(s.n), mean(s.n, 0.0), one(s.n);
  zg::payoff_regression(uniform, s.log_policy, s.log_reference, s.win_rate(s.opponent), exact, {.step = 1 / tau});
  for (std::size_t y = 0; y < s.n; ++y)
    for (std::size_t z = 0; z < s.n; ++z)
      for (std::size_t o = 0; o < s.n; ++o) {
        zg::sampled_pair_regression(std::vector<std::int64_t>{std::int64_t(y)},
                                    std::vector<std::int64_t>{std::int64_t(z)}, vector{(s.p(y, o) - s.p(z, o)) / tau},
                                    h, one);
        mean = add(mean, one, s.opponent[o] / (n * n));
      }
  CHECK(distance(mean, exact) <= 1e-14);
}

TEST_CASE("regressions on payoffs have the dynamics' steps for minimisers, whatever the weights") {
  const setting s(6, 8);
  const double step = 0.7;
  const vector q = s.win_rate(s.policy), next = stepped(s.log_policy, s.log_policy, q, 0, step);
  vector g(s.n), losses(s.n);
  for (const vector& w : {s.policy, s.opponent}) {
    CHECK(zg::payoff_regression(w, next, s.log_policy, q, g, {.step = step}) <= 1e-28);  // ONPO
    CHECK(std::sqrt(square(g)) <= 1e-14);
  }
  // On single responses the normaliser must be known: log Z = log Σ π exp(step·(q − ½)).
  double z = 0;
  for (std::size_t k = 0; k < s.n; ++k) z += s.policy[k] * std::exp(step * (q[k] - 0.5));
  const double sum = zg::response_regression(next, s.log_policy, q, losses, g,
                                             {.step = step, .offset = 0.5, .log_normaliser = std::log(z)});  // SPPO
  CHECK(sum <= 1e-28);
  CHECK(std::sqrt(square(g)) <= 1e-14);
  zg::response_regression(s.log_policy, s.log_policy, q, losses, g, {.step = step, .offset = 0.5});
  for (std::size_t k = 0; k < s.n; ++k) {
    CHECK(losses[k] == Approx(step * step * (q[k] - 0.5) * (q[k] - 0.5)));
    CHECK(g[k] == Approx(-2 * step * (q[k] - 0.5)));
  }
}

TEST_CASE("a batch of games has the values, losses and gradients of each alone") {
  constexpr std::int64_t games = 3, n = 4;
  vector tables, log_policies, opponents, references, gradients(games * n), losses(games), one(n);
  std::vector<setting> all;
  const auto append = [](vector& to, const vector& x) { to.insert(to.end(), x.begin(), x.end()); };
  for (std::uint64_t g = 0; g < games; ++g) {
    all.emplace_back(n, 20 + g);
    append(tables, all[g].table), append(log_policies, all[g].log_policy);
    append(opponents, all[g].opponent), append(references, all[g].log_reference);
  }
  const zm::tensor_view<const double, 3> table{.data = tables.data(), .shape = {games, n, n}, .strides = {n * n, n, 1}};
  const auto batch = zg::preference_matrix(table);
  const auto rows = [](auto& x) { return zm::matrix_view(x.data(), games, n); };
  const zm::threads two(2);
  const auto values =
      zg::policy_gradient(two, batch, rows(log_policies), rows(opponents), rows(references), rows(gradients));
  for (std::size_t g = 0; g < games; ++g) {
    const auto& s = all[g];
    CHECK(values[g].value == zg::policy_gradient(s.game(), s.log_policy, s.opponent, s.log_reference, one).value);
    CHECK(vector(gradients.begin() + std::ptrdiff_t(g * n), gradients.begin() + std::ptrdiff_t(g * n + n)) == one);
  }
  zg::online_ipo(two, batch, rows(log_policies), rows(references), rows(opponents), rows(gradients), losses);
  for (std::size_t g = 0; g < games; ++g) {
    const auto& s = all[g];
    CHECK(losses[g] == zg::online_ipo(s.game(), s.log_policy, s.log_reference, s.opponent, one));
    CHECK(vector(gradients.begin() + std::ptrdiff_t(g * n), gradients.begin() + std::ptrdiff_t(g * n + n)) == one);
  }
  CHECK_THROWS_AS(zg::policy_gradient(two, batch, zm::matrix_view(log_policies.data(), 2, n), rows(opponents),
                                      rows(references), rows(gradients)),
                  zm::shape_error);
}

TEST_CASE("a response that nobody plays changes nothing") {
  setting s(4, 9);
  const double minus = -zm::detail::infinity<double>();
  s.log_policy = setting::normalised({0.3, minus, -1, 0.4});
  s.policy = setting::exponential(s.log_policy);
  s.log_reference = setting::normalised({0.1, -3, 0.2, 0.5});
  vector gradient(4);
  const auto value = zg::policy_gradient(s.game(), s.log_policy, s.policy, s.log_reference, gradient);
  CHECK((gradient[1] == 0 && std::isfinite(value.value)));
  CHECK(value.divergence == Approx(value.opponent_divergence).epsilon(1e-14));
  const double loss = zg::online_ipo(s.game(), s.log_policy, s.log_reference, s.policy, gradient);
  CHECK((gradient[1] == 0 && std::isfinite(loss)));
  vector losses(4);
  zg::response_regression(s.log_policy, s.log_policy, vector(4, 2.0), losses, gradient);
  CHECK((losses[1] == 0 && gradient[1] == 0 && losses[0] == 4));
}

TEST_CASE("rewards of samples average to the win rate, and counting oneself shrinks them to a half") {
  const setting s(4, 10);
  const vector q = s.win_rate(s.policy);
  // Three samples: the first is y, the others are enumerated.
  for (std::size_t y = 0; y < s.n; ++y) {
    double mean = 0;
    for (std::size_t a = 0; a < s.n; ++a)
      for (std::size_t b = 0; b < s.n; ++b) {
        vector spo(3), sppo(3);
        const std::vector<std::int64_t> samples{std::int64_t(y), std::int64_t(a), std::int64_t(b)};
        zg::sample_rewards(s.game(), samples, spo);
        zg::sample_rewards(s.game(), samples, sppo, {.include_self = true});
        for (std::size_t k = 0; k < 3; ++k) CHECK(sppo[k] == Approx((2 * spo[k] + 0.5) / 3));
        mean += s.policy[a] * s.policy[b] * spo[0];
      }
    CHECK(mean == Approx(q[y]).epsilon(1e-14));
  }
}

TEST_CASE("scores of samples are means over the others, once and not twice") {
  const vector skew{0, 2, -1, -2, 0, 4, 1, -4, 0}, raw{7, 3, 0, 1, 7, 5, 1, 1, 7};
  vector once(3), from_raw(3), cut(3), with_self(3);
  zg::sample_scores(zm::matrix_view(skew.data(), 3, 3), once);
  zg::sample_scores(zm::matrix_view(raw.data(), 3, 3), from_raw, {.scores_are_skew = false});
  zg::sample_scores(zm::matrix_view(skew.data(), 3, 3), cut, {.clamp = 0.75});
  zg::sample_scores(zm::matrix_view(skew.data(), 3, 3), with_self, {.include_self = true});
  CHECK(once == vector{0.5, 1, -1.5});
  CHECK(from_raw == once);
  CHECK(cut == vector{0.5, 0.75, -0.75});
  for (std::size_t k = 0; k < 3; ++k) CHECK(with_self[k] == Approx(once[k] * 2 / 3));
}

TEST_CASE("a knockout of eight finds best and worst in eleven comparisons") {
  for (std::uint64_t seed = 0; seed < 50; ++seed)
    for (const std::int64_t responses : {2, 4, 8, 16}) {
      vector strength;
      for (std::int64_t k = 0; k < responses; ++k) strength.push_back(zm::uniform(seed, 0, std::uint64_t(k)));
      std::int64_t asked = 0;
      const auto found = zg::knockout(responses, [&](std::int64_t i, std::int64_t j) {
        ++asked;
        return strength[std::size_t(i)] >= strength[std::size_t(j)];
      });
      CHECK(asked == 3 * responses / 2 - 1);
      CHECK(found.comparisons == asked);
      CHECK(strength[std::size_t(found.best)] == *std::max_element(strength.begin(), strength.end()));
      CHECK(strength[std::size_t(found.worst)] == *std::min_element(strength.begin(), strength.end()));
      CHECK(found.consistent);
    }
  // 0 beats 1, 2 beats 3, 0 beats 2, 3 loses to 1 and yet beats 0: the pair is to be dropped.
  const auto odd = zg::knockout(
      4, [](std::int64_t i, std::int64_t j) { return (i == 0 && j < 3) || (i == 2 && j == 3) || (i == 1 && j == 3); });
  CHECK((odd.best == 0 && odd.worst == 3 && !odd.consistent));
  const auto tied = zg::knockout(4, [](std::int64_t, std::int64_t) { return true; });
  CHECK((tied.best == 0 && tied.worst == 3));
}

TEST_CASE("pairs with a margin have the better response first") {
  const vector rewards{0.5, 0.9, 0.45, 0.9};
  using pairs = std::vector<std::pair<std::int64_t, std::int64_t>>;
  CHECK(zg::margin_pairs(rewards, 0.4) == pairs{{1, 0}, {3, 0}, {1, 2}, {3, 2}});
  CHECK(zg::margin_pairs(rewards, 0.0).size() == 5);  // a tie teaches nothing
}

TEST_CASE("sampled forms refuse what makes no sense, and say what it is") {
  setting s(3, 11);
  vector g(3), wrong(2), table(9, 0.5);
  const auto game = s.game();
  CHECK_THROWS_AS(zg::policy_gradient(game, s.log_policy, s.opponent, s.log_reference, g, {.kl_weight = -1}),
                  zm::domain_error);
  CHECK(thrown<zm::shape_error>([&] {
          zg::policy_gradient(game, s.log_policy, wrong, s.log_reference, g);
        }).argument() == "opponent");
  CHECK_THROWS_AS(zg::online_ipo(game, s.log_policy, s.log_reference, s.policy, g, {.kl_weight = 0}), zm::domain_error);
  CHECK(thrown<zm::domain_error>([&] {
          zg::online_ipo(game, s.log_policy, s.log_reference, vector{0.5, 0.6, -0.1}, g);
        }).index() == 2);
  CHECK_THROWS_AS(zg::online_ipo(game, s.log_policy, s.log_reference, vector(3, 0.5), g), zm::domain_error);
  const vector never{0, -zm::detail::infinity<double>(), 0};
  CHECK_THROWS_AS(zg::policy_gradient(game, s.log_policy, s.opponent, never, g), zm::domain_error);
  CHECK_THROWS_AS(zg::online_ipo(game, s.log_policy, never, s.policy, g), zm::domain_error);
  CHECK(thrown<zm::domain_error>([&] {
          zg::online_ipo(game, s.log_policy, setting::normalised(never), s.policy, g);
        }).index() == 1);
  CHECK_THROWS_AS(zg::online_ipo(game, s.theta, s.log_reference, s.policy, g), zm::domain_error);
  CHECK_THROWS_AS(zg::payoff_regression(s.policy, s.log_policy, s.log_reference, wrong, g), zm::shape_error);
  CHECK_THROWS_AS(zg::preference_advantages(g, g, g, g, {.baseline = nan_value}), zm::domain_error);
  CHECK_THROWS_AS(zg::sampled_policy_gradient(std::vector<int>{0, 3}, vector{1, 1}, s.policy, g), zm::domain_error);
  CHECK_THROWS_AS(zg::sampled_pair_regression(std::vector<int>{0}, std::vector<int>{-1}, vector{1}, s.theta, g),
                  zm::domain_error);
  CHECK_THROWS_AS(zg::leave_one_out_baselines(zm::matrix_view(g.data(), 3, 1), zm::matrix_view(g.data(), 3, 1)),
                  zm::shape_error);
  CHECK_THROWS_AS(zg::sample_rewards(zm::matrix_view(table.data(), 1, 1), wrong), zm::shape_error);
  table[5] = 1.5;
  CHECK(thrown<zm::domain_error>([&] { zg::sample_rewards(zm::matrix_view(table.data(), 3, 3), g); }).index() == 5);
  CHECK_THROWS_AS(zg::sample_rewards(game, std::vector<int>{0, 3}, wrong), zm::domain_error);
  CHECK_THROWS_AS(zg::knockout(6, [](std::int64_t, std::int64_t) { return true; }), zm::domain_error);
  CHECK_THROWS_AS(zg::margin_pairs(vector{nan_value}, 0.1), zm::domain_error);
  CHECK_THROWS_AS(zg::response_regression(s.theta, s.theta, s.theta, g, g, {.step = nan_value}), zm::domain_error);
}
