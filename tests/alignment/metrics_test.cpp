// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>
#include <zermelo/alignment/annotation.hpp>
#include <zermelo/alignment/comparisons.hpp>
#include <zermelo/alignment/copg.hpp>
#include <zermelo/alignment/dpo.hpp>
#include <zermelo/alignment/optimum.hpp>
#include <zermelo/alignment/preference_degree.hpp>
#include <zermelo/alignment/preparation.hpp>
#include <zermelo/alignment/process_rewards.hpp>
#include <zermelo/alignment/ranking_accuracy.hpp>
#include <zermelo/core/random.hpp>

#include "catch.hpp"
#include "thrown.hpp"

namespace zm = zermelo;
namespace al = zermelo::alignment;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<double> uniforms(std::uint64_t stream, std::size_t n, double low, double high) {
  std::vector<double> x;
  for (std::size_t k = 0; k < n; ++k) x.push_back(low + (high - low) * zm::uniform(31, stream, k));
  return x;
}

std::vector<double> softmax(const std::vector<double>& z) {
  double most = -infinity, sum = 0;
  for (const double x : z) most = std::max(most, x);
  std::vector<double> p;
  for (const double x : z) sum += std::exp(x - most);
  for (const double x : z) p.push_back(std::exp(x - most) / sum);
  return p;
}

}  // namespace

// Optima -------------------------------------------------------------------------------------------------------------

TEST_CASE("the minimiser of DPO on Bradley-Terry preferences is the optimum of the reward under a KL penalty") {
  const std::vector<double> reference{0.4, 0.3, 0.2, 0.1}, reward{0.3, -0.5, 1.0, 0.1};
  const double beta = 0.5;
  std::vector<double> best(4), gap(4);
  const auto optimum = al::kl_regularized_optimum(reference, reward, beta, best, gap);
  std::vector<double> theta(4, 0.0);
  const al::dpo loss{.beta = beta};
  for (int step = 0; step < 4000; ++step) {  // gradient descent on the population loss over all pairs, by logits
    std::vector<double> slope(4, 0.0);
    for (std::size_t i = 0; i < 4; ++i)
      for (std::size_t j = 0; j < 4; ++j) {
        if (i == j) continue;
        const double wins = 1 / (1 + std::exp(reward[j] - reward[i]));
        const double h = (theta[i] - theta[j]) - std::log(reference[i] / reference[j]);
        slope[i] += wins * loss(h).slope, slope[j] -= wins * loss(h).slope;
      }
    for (std::size_t i = 0; i < 4; ++i) theta[i] -= 2 * slope[i];
  }
  const auto policy = softmax(theta);
  double distance = 0, kl = 0;
  for (std::size_t i = 0; i < 4; ++i) distance += std::abs(policy[i] - best[i]) / 2;
  for (std::size_t i = 0; i < 4; ++i) kl += best[i] * std::log(best[i] / reference[i]);
  CHECK(distance < 1e-12);
  CHECK(optimum.kl == Approx(kl).epsilon(1e-12));
  for (std::size_t i = 0; i < 4; ++i) CHECK(gap[i] == Approx(reward[i] - reward[0]).margin(1e-15));
}

TEST_CASE("contrastive policy gradient reaches the regularised optimum from skewed samples") {
  const std::size_t arms = 10;
  const std::vector<double> mu = softmax(uniforms(1, arms, -1.5, 1.5)), reward = uniforms(2, arms, 0, 1);
  const std::vector<double> reference(arms, 0.1);
  std::vector<double> best(arms), theta(arms, 0.0);
  const double beta = 0.5;
  al::kl_regularized_optimum(reference, reward, beta, best, zm::discard);
  const al::copg loss{.beta = beta};
  for (int step = 0; step < 6000; ++step) {
    std::vector<double> slope(arms, 0.0);
    for (std::size_t i = 0; i < arms; ++i)
      for (std::size_t j = 0; j < arms; ++j) {
        const double s = mu[i] * mu[j] * loss(theta[i] - theta[j], reward[i], reward[j]).result.slope;
        slope[i] += s, slope[j] -= s;
      }
    for (std::size_t i = 0; i < arms; ++i) theta[i] -= 2 * slope[i] / (4 * beta * mu[i]);
  }
  const auto policy = softmax(theta);
  for (std::size_t i = 0; i < arms; ++i) CHECK(policy[i] == Approx(best[i]).epsilon(1e-10));
}

TEST_CASE("the best of many equal arms wins n times in n + 1 and stays within its divergence") {
  const std::size_t arms = 20'000;
  std::vector<double> prior(arms, 1.0 / static_cast<double>(arms)), reward = uniforms(3, arms, 0, 1), p(arms);
  for (const std::int64_t n : {1, 2, 8, 64}) {
    const auto r = al::best_of_n(prior, reward, n, p);
    const double draws = static_cast<double>(n);
    CHECK(r.win_rate == Approx(draws / (draws + 1)).epsilon(1e-4));
    CHECK(r.kl <= r.kl_upper_bound + 1e-12);
    CHECK(r.kl == Approx(r.kl_upper_bound).epsilon(1e-2).margin(1e-9));
    double sum = 0;
    for (const double x : p) sum += x;
    CHECK(sum == Approx(1).epsilon(1e-12));
  }
  const std::vector<double> few{0.5, 0.5 - 1e-12, 1e-12}, rewards{2, 1, 3};
  std::vector<double> q(3);
  al::best_of_n(few, rewards, 1'000'000, q);
  CHECK(q[2] == Approx(1e-6).epsilon(1e-6));  // 1 − (1 − 1e-12)^1e6, which keeps its digits
  CHECK_THROWS_AS(al::best_of_n(few, rewards, 0, q), zm::domain_error);
  CHECK_THROWS_AS(al::kl_regularized_optimum(rewards, few, 1, q, zm::discard), zm::domain_error);
}

// Rankings -----------------------------------------------------------------------------------------------------------

TEST_CASE("a policy ranks a pair correctly if and only if its DPO loss is below the pair's threshold") {
  const std::size_t n = 2000;
  const auto a = uniforms(4, n, -40, 0), b = uniforms(5, n, -40, 0), c = uniforms(6, n, -40, 0),
             d = uniforms(7, n, -40, 0);
  const std::vector<double> lengths(n, 1), preference(n, 0.75);
  std::vector<double> correct(n), by_length(n), ideal(n), ideally(n), difficulty(n), threshold(n), losses(n);
  const auto counts = al::ranking_accuracy(zm::simd{}, a, b, c, d, lengths, lengths, preference, correct, by_length,
                                           ideal, ideally, difficulty, threshold, losses);
  std::int64_t right = 0;
  for (std::size_t k = 0; k < n; ++k) {
    CHECK((correct[k] == 1) == (losses[k] < threshold[k]));
    CHECK((correct[k] == 1) == (a[k] > b[k]));
    right += correct[k] == 1;
  }
  CHECK(counts.correct == right);
  CHECK(counts.correct_by_length == right);
  const std::span<const double> A(a), B(b), C(c), D(d), L(lengths), P(preference);
  const auto part = [&](std::size_t from, std::size_t count) {
    return al::ranking_accuracy(zm::simd{}, A.subspan(from, count), B.subspan(from, count), C.subspan(from, count),
                                D.subspan(from, count), L.first(count), L.first(count), P.first(count), zm::discard,
                                zm::discard, zm::discard, zm::discard, zm::discard, zm::discard, zm::discard);
  };
  CHECK(merge(part(0, 700), part(700, 1300)).ideally_correct == counts.ideally_correct);
}

TEST_CASE("a policy that is ideal ranks as the ideal does, and margins may be right where rankings are not") {
  const std::size_t n = 500;
  const auto c = uniforms(8, n, -40, 0), d = uniforms(9, n, -40, 0), share = uniforms(10, n, 0.05, 0.95);
  std::vector<double> a, b(d), lengths(n, 1);
  const double beta = 0.1;
  for (std::size_t k = 0; k < n; ++k) a.push_back(c[k] + std::log(share[k] / (1 - share[k])) / beta);
  const auto run = [&](const std::vector<double>& chosen, const std::vector<double>& preference) {
    return al::ranking_accuracy(zm::simd{}, chosen, b, c, d, lengths, lengths, preference, zm::discard, zm::discard,
                                zm::discard, zm::discard, zm::discard, zm::discard, zm::discard, {.beta = beta});
  };
  CHECK(run(a, share).alignment_gap() == 0);
  for (std::size_t k = 0; k < n; ++k) a[k] = c[k] + 0.1;  // every implicit reward is right
  CHECK(run(a, share).accuracy() == Approx(0.5).margin(0.1));
  std::vector<double> bad = share;
  bad[77] = 1.5;
  CHECK(thrown<zm::domain_error>([&] { run(a, bad); }).argument() == "preference");
  CHECK(thrown<zm::domain_error>([&] { run(a, bad); }).index() == 77);
  lengths[3] = 0;
  CHECK(thrown<zm::domain_error>([&] { run(a, share); }).argument() == "chosen_lengths");
  // Unanimous raters make any pair ideally correct, and none of them makes it wrong.
  lengths[3] = 1;
  std::vector<double> ideal(n);
  const std::vector<double> all(n, 1), none(n, 0);
  CHECK(run(a, all).idealised_accuracy() == 1);
  CHECK(run(a, none).idealised_accuracy() == 0);
}

TEST_CASE("ties within a band are not correct") {
  const std::vector<double> a{-1, -1, -1}, b{-1, -1.04, -1.06}, c{0, 0, 0}, n{1, 1, 1}, p{0.5, 0.5, 0.5};
  std::vector<double> correct(3);
  const auto run = [&](double band) {
    al::ranking_accuracy(zm::simd{}, a, b, c, c, n, n, p, correct, zm::discard, zm::discard, zm::discard, zm::discard,
                         zm::discard, zm::discard, {.tie_band = band});
    return correct;
  };
  CHECK(run(0) == std::vector<double>{0, 1, 1});
  CHECK(run(0.05) == std::vector<double>{0, 0, 1});
}

// Annotation ---------------------------------------------------------------------------------------------------------

TEST_CASE("two models that agree are consistent, two that reverse each other are not, and ties go by position") {
  const std::vector<double> x = uniforms(11, 100, 0, 1);
  std::vector<double> reversed;
  for (const double v : x) reversed.push_back(-v);
  const auto rows = [](const std::vector<double>& v) {
    return zm::matrix_view(v.data(), 1, static_cast<std::int64_t>(v.size()));
  };
  std::vector<double> tau(1);
  CHECK(al::cream_consistency(rows(x), rows(x), tau, zm::discard, zm::discard, zm::discard).average == 1);
  CHECK(tau[0] == 1);
  CHECK(al::cream_consistency(rows(x), rows(reversed), tau, zm::discard, zm::discard, zm::discard).average == 0);
  const std::vector<double> ties{1, 1, 2}, same{5, 5, 5};
  al::cream_consistency(rows(ties), rows(same), tau, zm::discard, zm::discard, zm::discard);
  CHECK(tau[0] == 1);
  // Against a count of all pairs.
  const std::vector<double> y = uniforms(12, 100, 0, 1);
  al::cream_consistency(rows(x), rows(y), tau, zm::discard, zm::discard, zm::discard);
  double score = 0;
  for (std::size_t i = 0; i < 100; ++i)
    for (std::size_t j = 0; j < i; ++j) score += (x[i] > x[j]) == (y[i] > y[j]) ? 1 : -1;
  CHECK(tau[0] == Approx(score / 4950).epsilon(1e-14));
  const std::vector<double> one{1};
  CHECK_THROWS_AS(al::cream_consistency(rows(one), rows(one), tau, zm::discard, zm::discard, zm::discard),
                  zm::shape_error);
}

TEST_CASE("rankings agree by Kendall, by Spearman, or by their ends") {
  using enum al::rank_agreement;
  // By hand, and scipy.stats.kendalltau and spearmanr: of ten pairs two are reversed, Σd² = 1 + 4 + 1, so τ = 1 − 2·2/10 and
  // ρ = 1 − 6·6/(5·24).
  const std::vector<double> x{0.1, 0.2, 0.3, 0.4, 0.5}, moved{0.1, 0.4, 0.2, 0.3, 0.5}, ends{0.5, 0.2, 0.3, 0.4, 0.1},
      middle{0.1, 0.4, 0.3, 0.2, 0.5};
  std::vector<double> reversed(x.rbegin(), x.rend());
  const auto compare = [](const std::vector<double>& a, const std::vector<double>& b, al::rank_agreement how) {
    double coefficient[1], consistency[1];
    const auto n = static_cast<std::int64_t>(a.size());
    const auto r = al::cream_consistency(zm::matrix_view(a.data(), 1, n), zm::matrix_view(b.data(), 1, n), coefficient,
                                         consistency, zm::discard, zm::discard, how);
    CHECK(r.average == consistency[0]);
    CHECK(consistency[0] == 0.5 * (coefficient[0] + 1));
    return coefficient[0];
  };
  CHECK(compare(x, moved, kendall) == Approx(0.6).epsilon(1e-15));
  CHECK(compare(x, moved, spearman) == Approx(0.7).epsilon(1e-15));
  CHECK(compare(x, moved, top_order) == 1);  // whatever is between
  CHECK(compare(x, middle, top_order) == 1);
  CHECK(compare(x, ends, top_order) == -1);
  // The first and last that are listed keep their order here; the best and the worst response are others.
  CHECK(compare({2, 9, 1, 3}, {2, 1, 9, 3}, top_order) == -1);
  CHECK(compare({2, 9, 1, 3}, {3, 9, 1, 2}, top_order) == 1);
  const volatile double one = 1;  // comparisons of {1, 1, 0, 0} at compile time GCC 12 gets wrong for AVX-512
  const std::vector<double> equal_ends{one, one, 0, 0}, first_ends{5, 4, 1, 3};
  CHECK(compare(equal_ends, first_ends, top_order) == 1);  // of equal ones the first
  for (const auto how : {kendall, spearman, top_order}) {
    CHECK(compare(x, x, how) == 1);
    CHECK(compare(x, reversed, how) == -1);
    CHECK(compare({1, 1, 2}, {5, 5, 6}, how) == 1);
    const auto a = uniforms(21, 70, 0, 1), b = uniforms(22, 70, 0, 1);
    CHECK(compare(a, b, how) == compare(b, a, how));
  }
  // Spearman's is the correlation of ranks.
  const auto a = uniforms(23, 70, 0, 1), b = uniforms(24, 70, 0, 1);
  double product = 0, square = 0;
  const auto rank = [](const std::vector<double>& v, double at) {
    return static_cast<double>(std::count_if(v.begin(), v.end(), [&](double y) { return y < at; })) - 34.5;
  };
  for (std::size_t k = 0; k < 70; ++k)
    product += rank(a, a[k]) * rank(b, b[k]), square += rank(a, a[k]) * rank(a, a[k]);
  CHECK(compare(a, b, spearman) == Approx(product / square).epsilon(1e-13));
}

TEST_CASE("a router takes the most relevant domain, or all of them by a softmax") {
  const std::vector<double> relevance{0.5, 2, 2, -infinity};
  std::vector<double> weights(4), mixed(3), rewards{1, 2, 3, 10, 30, 20, -7, -8, -9, 0, 0, 0};
  const auto by_domain = [&] { return zm::matrix_view(rewards.data(), 4, 3); };
  CHECK(al::route_domains(relevance, weights) == 1);
  CHECK(weights == std::vector<double>{0, 1, 0, 0});
  rewards[0] = std::nan(""), rewards[8] = infinity;  // of domains that were not chosen
  const auto picked = al::mix_domain_rewards(weights, by_domain(), mixed);
  CHECK(mixed == std::vector<double>{10, 30, 20});
  CHECK(picked.best == 1);
  CHECK(picked.worst == 0);
  CHECK(picked.margin == 20);
  rewards[0] = 1, rewards[8] = -9;
  al::domain_router soft{.mode = al::domain_router::mode_t::mixture, .temperature = 1.5};
  CHECK(al::route_domains(relevance, weights, soft) == 1);
  const auto expected = softmax({0.5 / 1.5, 2 / 1.5, 2 / 1.5});
  for (std::size_t d = 0; d < 3; ++d) CHECK(weights[d] == Approx(expected[d]).epsilon(1e-14));
  CHECK(weights[3] == 0);
  al::mix_domain_rewards(weights, by_domain(), mixed);
  CHECK(mixed[2] == Approx(3 * expected[0] + 20 * expected[1] - 9 * expected[2]).epsilon(1e-14));
  // Cold mixtures choose; scores may be shifted and of any size.
  const std::vector<double> apart{1000, 1003, 1001}, shifted{0, 3, 1};
  std::vector<double> cold(3), same(3);
  al::route_domains(apart, cold, {.mode = al::domain_router::mode_t::mixture, .temperature = 1e-3});
  CHECK(cold == std::vector<double>{0, 1, 0});
  al::route_domains(apart, cold, soft), al::route_domains(shifted, same, soft);
  CHECK(cold == same);
  const auto refused = [&](const std::vector<double>& r) {
    return thrown<zm::domain_error>([&] { al::route_domains(r, zm::discard, soft); }).index();
  };
  CHECK(refused({0, std::nan("")}) == 1);
  CHECK(refused({0, infinity}) == 1);
  CHECK(refused({-infinity, -infinity}) == 0);
  CHECK_THROWS_AS(al::route_domains(std::vector<double>{}, zm::discard), zm::shape_error);
  soft.temperature = 0;
  CHECK_THROWS_AS(al::route_domains(relevance, zm::discard, soft), zm::domain_error);
  const auto unmixable = [&](const std::vector<double>& w) {
    return thrown<zm::domain_error>([&] { al::mix_domain_rewards(w, by_domain(), zm::discard); });
  };
  CHECK(unmixable({0.5, 0.4, 0, 0}).argument() == "weights");
  CHECK(unmixable({-0.5, 1.5, 0, 0}).index() == 0);
  rewards[1] = infinity, rewards[4] = -infinity;
  CHECK(unmixable({0.5, 0.5, 0, 0}).argument() == "rewards");
  CHECK(unmixable({0.5, 0.5, 0, 0}).index() == 4);
  CHECK_THROWS_AS(al::mix_domain_rewards(mixed, by_domain(), zm::discard), zm::shape_error);
}

TEST_CASE("a density ratio is antisymmetric in its models and additive over tokens") {
  const auto s = uniforms(13, 12, -5, 0), w = uniforms(14, 12, -5, 0);
  std::vector<int> mask(12, 1);
  const auto rows = [](auto& v) { return zm::matrix_view(v.data(), 3, 4); };
  std::vector<double> sums(3), back(3);
  al::density_ratio_reward(rows(s), rows(w), rows(mask), sums, zm::discard);
  al::density_ratio_reward(rows(w), rows(s), rows(mask), back, zm::discard);
  for (std::size_t i = 0; i < 3; ++i) CHECK(sums[i] == -back[i]);
  std::vector<double> dirty = s;
  mask[5] = 0;
  dirty[5] = std::nan("");
  al::density_ratio_reward(rows(dirty), rows(w), rows(mask), back, zm::discard);
  CHECK(sums[1] - back[1] == Approx(s[5] - w[5]).epsilon(1e-13));
  for (std::size_t t = 0; t < 4; ++t) mask[t] = 0;
  CHECK(thrown<zm::domain_error>([&] {
          al::density_ratio_reward(rows(s), rows(w), rows(mask), back, zm::discard);
        }).argument() == "mask");
}

TEST_CASE("exchanging positive and negative follow-ups negates a reward, and repeating them changes nothing") {
  const auto p = uniforms(15, 6, -5, 0), q = uniforms(16, 6, -5, 0);
  const std::vector<int> mask{1, 1, 0, 1, 1, 1};
  const auto rows = [](auto& v) { return zm::matrix_view(v.data(), 2, 3); };
  const double reward = al::follow_up_reward(rows(p), rows(mask), rows(q), rows(mask)).reward;
  CHECK(al::follow_up_reward(rows(q), rows(mask), rows(p), rows(mask)).reward == -reward);
  std::vector<double> twice(p);
  std::vector<int> twice_mask(mask);
  twice.insert(twice.end(), p.begin(), p.end());
  twice_mask.insert(twice_mask.end(), mask.begin(), mask.end());
  CHECK(al::follow_up_reward(zm::matrix_view(twice.data(), 4, 3), zm::matrix_view(twice_mask.data(), 4, 3), rows(q),
                             rows(mask))
            .reward == Approx(reward).epsilon(1e-14));
  const auto none = zm::matrix_view(p.data(), 0, 3);
  CHECK(al::follow_up_reward(none, none, rows(q), rows(mask)).positives == 0);
  CHECK_THROWS_AS(al::follow_up_reward(none, none, none, none), zm::shape_error);
}

TEST_CASE("a persona's score adds up statements, each between 0 and 1") {
  const std::vector<double> g{0.2, 0.8, 1, 0}, nli{0.1, 0.2, 0.7, 0, 0.5, 0.5}, wrong{0.1, 0.2, 0.8, 0, 0.5, 0.5};
  std::vector<double> each(2);
  const auto relevance = zm::matrix_view(g.data(), 2, 2);
  const double all = al::active_passive_score(relevance, zm::matrix_view(nli.data(), 2, 3), each);
  CHECK(each[0] == Approx(0.8 * 0.7 + 0.2 * 0.9).epsilon(1e-15));
  CHECK(each[1] == 1);
  CHECK(all == each[0] + each[1]);
  CHECK_THROWS_AS(al::active_passive_score(relevance, zm::matrix_view(wrong.data(), 2, 3), each), zm::domain_error);
  CHECK(al::active_passive_score(zm::matrix_view(g.data(), 0, 2), zm::matrix_view(nli.data(), 0, 3), zm::discard) == 0);
}

// Process rewards and what is around a loss --------------------------------------------------------------------------

TEST_CASE("steps refine: merging them adds up their rewards, and all of them are the response's") {
  const auto p = uniforms(17, 9, -4, 0), r = uniforms(18, 9, -4, 0);
  const std::vector<std::int64_t> fine{1, 2, 3, 4, 5, 6, 7, 8, 9}, coarse{4, 9}, bad{4, 4, 9}, early{4, 8};
  std::vector<double> tokens(9), steps(9), two(2);
  const auto s = al::implicit_step_rewards(p, r, fine, 0.05, tokens, steps, zm::discard);
  al::implicit_step_rewards(p, r, coarse, 0.05, zm::discard, two, zm::discard);
  CHECK(steps == tokens);
  CHECK(two[0] == Approx(tokens[0] + tokens[1] + tokens[2] + tokens[3]).epsilon(1e-14).margin(1e-16));
  CHECK(s.response == Approx(two[0] + two[1]).epsilon(1e-14).margin(1e-16));
  CHECK(al::implicit_step_rewards(p, p, fine, 0.05, zm::discard, zm::discard, zm::discard).most == 0);
  const auto refused = [&](const auto& ends) {
    return thrown<zm::domain_error>(
               [&] { al::implicit_step_rewards(p, r, ends, 0.05, zm::discard, zm::discard, zm::discard); })
        .index();
  };
  CHECK(refused(bad) == 1);
  CHECK(refused(early) == 1);
}

TEST_CASE("a prefix's log-ratio is its value under any reward of the form of a log-ratio") {
  const std::int64_t length = 4, tokens = 3;
  const auto table = [&](std::uint64_t stream) {
    std::vector<double> all;
    for (std::uint64_t row = 0; row < static_cast<std::uint64_t>(length * tokens); ++row)
      for (const double x : softmax(uniforms(stream * 100 + row, 3, -1, 1))) all.push_back(x);
    return all;
  };
  auto p = table(2), r = table(3);
  const auto cube = [&](std::vector<double>& x) {
    return zm::tensor_view<double, 3>{.data = x.data(), .shape = {length, tokens, tokens}, .strides = {9, 3, 1}};
  };
  for (const auto& prefix : {std::vector<int>{}, {1}, {2, 0, 1}, {0, 1, 2, 0}}) {
    const auto q = al::prefix_value(cube(p), cube(r), prefix, 0.05);
    CHECK(q.by_expectation == Approx(q.by_prefix_ratio).epsilon(1e-12).margin(1e-16));
  }
  const std::vector<int> outside{3};
  CHECK(thrown<zm::domain_error>([&] { al::prefix_value(cube(p), cube(r), outside, 0.05); }).argument() == "prefix");
}

TEST_CASE("degrees add their entropy at even logits, and nothing without a weight or with one degree") {
  const std::vector<double> base{0.5, 1.5};
  std::vector<double> logits(2 * 3 * 4, 0.7), one(2 * 3, 0.3), losses(2), slope(logits.size());
  const std::vector<std::int64_t> degree{0, 1, 2, 3, 0, 1}, zero(6, 0);
  const auto cube = [](std::vector<double>& x, std::int64_t d) {
    return zm::tensor_view<double, 3>{.data = x.data(), .shape = {2, 3, d}, .strides = {3 * d, d, 1}};
  };
  const auto label = zm::matrix_view(degree.data(), 2, 3), nothing = zm::matrix_view(zero.data(), 2, 3);
  al::preference_degree_loss(base, cube(logits, 4), label, cube(logits, 4), label, losses, cube(slope, 4), zm::discard,
                             0.1);
  CHECK(losses[1] == Approx(1.5 + 2 * 0.1 * std::log(4.0)).epsilon(1e-15));
  CHECK(slope[0] == Approx(0.1 * -0.75 / 3).epsilon(1e-15));
  CHECK(slope[1] == Approx(0.1 * 0.25 / 3).epsilon(1e-15));
  al::preference_degree_loss(base, cube(logits, 4), label, cube(logits, 4), label, losses, zm::discard, zm::discard, 0);
  CHECK(losses == base);
  al::preference_degree_loss(base, cube(one, 1), nothing, cube(one, 1), nothing, losses, zm::discard, zm::discard, 1);
  CHECK(losses == base);
  const std::vector<int> importance{3, 0, 4, 1, 2};
  CHECK(al::degraded(importance, 2, 5) == std::vector<std::int64_t>{1, 2, 4});
  CHECK(al::degraded(importance, 0, 5).size() == 5);
  CHECK_THROWS_AS(al::removed_units(5, 5, 5), zm::domain_error);
}

TEST_CASE("goals double the data, and references follow when they are told to") {
  const std::vector<double> w{9, 2, 3}, l{8, 4, 3};
  const auto rows = al::reward_augmented(w, l);
  REQUIRE(rows.size() == 4);
  CHECK(rows[1].pair == 2);
  CHECK(rows[2].swapped);
  CHECK(rows[2].goal == 8);
  CHECK(al::reward_augmented(w, l, true).size() == 2);
  std::vector<double> reference{0, 10};
  const std::vector<double> theta{1, 20};
  CHECK_FALSE(al::update_reference(reference, theta, 1, {.alpha = 0.5, .every = 2}));
  CHECK(al::update_reference(reference, theta, 2, {.alpha = 0.5, .every = 2}));
  CHECK(reference == std::vector<double>{0.5, 15});
  CHECK(al::update_reference(reference, theta, 3, {.mode = al::reference_update::mode_t::hard, .every = 1}));
  CHECK(reference == theta);
  CHECK_THROWS_AS(al::update_reference(reference, theta, 0), zm::domain_error);
  CHECK(al::select_opponent(al::opponent_choice::uniform, 4, 0.99) == 3);
  CHECK(al::select_opponent(al::opponent_choice::initial, 4) == 0);
  CHECK(al::select_opponent(al::opponent_choice::latest, 4) == 3);
}

TEST_CASE("every score of a list is a goal, whose response is the best for it, and two responses are a pair") {
  const std::vector<double> r{3, 8, 6, 2, 2, 5};
  const auto lists = al::reward_augmented_lists(zm::matrix_view(r.data(), 2, 3));
  CHECK(lists.length == 3);
  REQUIRE(lists.rows.size() == 6);
  const auto row = [&](std::size_t k) {
    return std::vector<std::int64_t>(lists.order.begin() + static_cast<std::ptrdiff_t>(3 * k),
                                     lists.order.begin() + static_cast<std::ptrdiff_t>(3 * k + 3));
  };
  CHECK((lists.rows[0].list == 0 && lists.rows[0].goal == 8 && lists.rows[0].response == 1));
  CHECK((lists.rows[1].list == 1 && lists.rows[1].goal == 5 && lists.rows[1].response == 2));
  CHECK((lists.rows[2].list == 0 && lists.rows[2].goal == 6 && lists.rows[2].response == 2));
  CHECK(row(0) == std::vector<std::int64_t>{1, 2, 0});
  CHECK(row(2) == std::vector<std::int64_t>{2, 1, 0});  // 8 is 2 away from 6, and 3 is 3
  CHECK(row(4) == std::vector<std::int64_t>{0, 2, 1});
  CHECK(row(3) == std::vector<std::int64_t>{0, 1, 2});
  CHECK(row(5) == std::vector<std::int64_t>{1, 0, 2});  // the goal's own response before its equal
  CHECK(std::vector<double>(lists.reward.begin() + 6, lists.reward.begin() + 9) == std::vector<double>{-9, -4, 0});
  CHECK(al::reward_augmented_lists(zm::matrix_view(r.data(), 2, 3), true).rows.size() == 4);
  // Pairs, ties among them.
  std::vector<double> chosen, rejected, both;
  for (std::size_t k = 0; k < 40; ++k) {
    const double low = std::floor(4 * zm::uniform(31, 25, k)), high = low + std::floor(3 * zm::uniform(31, 26, k));
    chosen.push_back(high), rejected.push_back(low), both.insert(both.end(), {high, low});
  }
  for (const bool drop_ties : {false, true}) {
    const auto pairs = al::reward_augmented(chosen, rejected, drop_ties);
    const auto of_two = al::reward_augmented_lists(zm::matrix_view(both.data(), 40, 2), drop_ties);
    REQUIRE(of_two.rows.size() == pairs.size());
    for (std::size_t k = 0; k < pairs.size(); ++k) {
      CHECK(of_two.rows[k].list == pairs[k].pair);
      CHECK(of_two.rows[k].goal == pairs[k].goal);
      CHECK((of_two.order[2 * k] == 1) == pairs[k].swapped);
    }
  }
  const std::vector<double> bad{1, 2, infinity};
  CHECK(thrown<zm::domain_error>([&] { al::reward_augmented_lists(zm::matrix_view(bad.data(), 1, 3)); }).index() == 2);
  CHECK(al::reward_augmented_lists(zm::matrix_view(bad.data(), 0, 3)).rows.empty());
}

TEST_CASE("run times are compared by their ratio, and tables by their means") {
  const std::vector<double> before{10, 10, 10}, after{9, 9.000001, 20}, twice_before{20, 20, 20},
      twice_after{18, 18.000002, 40};
  const std::vector<int> correct{1, 1, 1}, wrong{0, 0, 0};
  std::vector<double> s(3);
  const auto r = al::code_optimisation(before, after, correct, s);
  CHECK(r.percent_optimised == Approx(100.0 / 3).epsilon(1e-14));  // exactly ten per cent less counts
  CHECK(s[2] == 1);
  CHECK(al::code_optimisation(twice_before, twice_after, correct, s).mean_speedup ==
        Approx(r.mean_speedup).epsilon(1e-14));
  const auto none = al::code_optimisation(before, after, wrong, s);
  CHECK(none.percent_optimised == 0);
  CHECK(none.mean_speedup == 1);
  CHECK_THROWS_AS(
      al::code_optimisation(std::vector<double>{0.0}, std::vector<double>{1.0}, std::vector<int>{1}, zm::discard),
      zm::domain_error);
  CHECK(al::program_reward(al::program_outcome::correct, 0.25) == 1.25);
  const std::vector<double> scores{50, 60, 55, 64, 49, 70};
  const auto table = al::ablation_table(zm::matrix_view(scores.data(), 3, 2));
  CHECK(table[1].gain == std::vector<double>{5, 4});
  CHECK(table[1].mean_gain == 4.5);
  CHECK(table[1].rank == 1);
  CHECK(table[2].rank == 1);
  CHECK(table[0].rank == 3);
}
