// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <limits>
#include <string>
#include <vector>
#include <zermelo/core/random.hpp>

#include "alignment/pair_kernels.hpp"
#include "catch.hpp"
#include "thrown.hpp"
#include "zermelo/alignment/rewards.hpp"

namespace zm = zermelo;
namespace al = zermelo::alignment;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Random margins, moderate and large.
std::vector<double> margins() {
  std::vector<double> x = {0, 1e-9, -1e-9, 30, -30, 700, -700};
  for (std::uint64_t k = 0; k < 300; ++k) x.push_back(40 * (zm::uniform(5, 0, k) - 0.5));
  return x;
}

/// Two losses of the margin are the same up to a factor, within rounding of a few operations.
template <class A, class B>
void check_same(const A& a, const B& b, double factor = 1) {
  for (const double h : margins()) {
    const auto x = a(h), y = b(h);
    INFO("at a margin of " << h);
    CHECK(x.value == Approx(factor * y.value).epsilon(1e-13).margin(1e-300));
    CHECK(x.slope == Approx(factor * y.slope).epsilon(1e-13).margin(1e-300));
  }
}

/// A loss of both log-ratios is one of their difference.
template <class A, class B>
void check_margin(const A& a, const B& b) {
  for (const double h : margins()) {
    const auto x = a(0.75 * h, -0.25 * h);
    const auto y = b(0.75 * h - -0.25 * h);
    INFO("at a margin of " << h);
    CHECK(x.value == Approx(y.value).epsilon(1e-13).margin(1e-300));
    CHECK(x.chosen == Approx(y.slope).epsilon(1e-13).margin(1e-300));
    CHECK(x.rejected == Approx(-y.slope).epsilon(1e-13).margin(1e-300));
  }
}

}  // namespace

TEST_CASE("robust DPO is unbiased under flipped labels, and its slope never vanishes") {
  const al::rdpo loss{.beta = 0.7, .label_smoothing = 0.2};
  const al::dpo plain{.beta = 0.7};
  for (const double h : margins()) {
    const double mixed = 0.8 * loss(h).value + 0.2 * loss(-h).value;
    // Terms of 0.8/(1−2·0.2) = 4/3 times the margin cancel.
    CHECK(std::abs(mixed - plain(h).value) <= 2e-15 * (1 + std::abs(0.7 * h)));
    CHECK(loss(h).slope <= -0.7 * 0.2 / 0.6 * (1 - 1e-14));
  }
}

TEST_CASE("conservative DPO and EXO stop at the log-odds of their label noise") {
  const double rest = std::log(0.9 / 0.1);
  CHECK(al::dpo{.beta = 0.5, .label_smoothing = 0.1}(rest / 0.5).slope == Approx(0).margin(1e-16));
  CHECK(al::exo_pair{.beta = 0.5, .label_smoothing = 0.1}(rest / 0.5).slope == Approx(0).margin(1e-16));
  CHECK(al::exo_pair{.beta = 0.5, .label_smoothing = 0.1}(rest / 0.5).value == Approx(0).margin(1e-15));
  CHECK(std::log(999.0) / 0.1 == Approx(69.0675).epsilon(1e-6));
  CHECK(al::exo_pair{}(std::log(999.0) / 0.1).slope == Approx(0).margin(1e-17));
  for (const double h : margins()) CHECK(al::exo_pair{.label_smoothing = 0.3}(h).value >= -1e-15);
}

TEST_CASE("links of GPO are the losses that they generalise") {
  check_same(al::gpo<al::gpo_link::logistic>{.beta = 0.3}, al::dpo{.beta = 0.3});
  check_same(al::gpo<al::gpo_link::hinge>{.beta = 0.3}, al::dpo_hinge{.beta = 0.3});
  check_same(al::gpo<al::gpo_link::squared>{.beta = 0.5}, al::ipo{.tau = 0.25}, 4 * 0.25 * 0.25);
  CHECK(al::gpo<al::gpo_link::exponential>{.beta = 1}(-710.0).value == infinity);
  CHECK(al::gpo<al::gpo_link::exponential>{.beta = 1}(-710.0).slope == -infinity);
}

TEST_CASE("losses reduce to DPO where their own parameter vanishes") {
  const al::dpo plain{.beta = 0.3};
  check_margin(al::f_dpo<al::f_divergence::reverse_kl>{.beta = 0.3}, plain);
  check_margin(al::f_dpo<al::f_divergence::alpha>{.beta = 0.3, .alpha = 1}, plain);
  check_margin(al::dpop{.beta = 0.3, .lambda = 0}, plain);
  check_same(al::simpo{.beta = 0.3, .gamma = 0}, plain);
  check_margin(al::alphapo{.beta = 0.3, .gamma = 0, .alpha = 0}, plain);
  check_same([](double h) { return al::cream{.beta = 0.3}(h, 1.0); }, plain);
  check_same([](double h) { return al::tdpo2{.beta = 0.3, .alpha = 0}(h, 3.0, 8.0).result; }, plain);
  check_same([](double h) { return al::mm_dpo{.beta = 0.3, .weight = 0}(h, 3.0).result; }, plain);
  check_same([](double h) { return al::mm_dpo{.beta = 0.3, .weight = 2}(h, 0.0).result; }, plain);
  check_same([](double h) { return al::dno{.beta = 0.3}(h, 800.0, 0.0); }, plain);  // a certain label
  check_same([](double h) { return al::themis{.reward_weight = 1}(h, 0.0, 0.0, 0.0); }, al::dpo{.beta = 1});
  // Close to α = 1, the α-divergence is close to DPO.
  const auto near = al::f_dpo<al::f_divergence::alpha>{.beta = 0.3, .alpha = 1.001}(2.0, 0.5);
  CHECK(near.value == Approx(plain(1.5).value).epsilon(2e-3));
}

TEST_CASE("self-play losses agree where theory says so") {
  // INPO with τ = η is IPO; CoPG at a gap of one half is τ/2 times IPO; soft SPPO with sure wins is half of hard SPPO.
  for (const double h : margins()) {
    const zm::pair_terms<double> p{.chosen = h,
                                   .rejected = 0,
                                   .reference_chosen = 0.5,
                                   .reference_rejected = 2,
                                   .chosen_length = 1,
                                   .rejected_length = 1,
                                   .chosen_ratio = h - 0.5,
                                   .rejected_ratio = -2};
    const auto inpo = al::inpo{.eta = 0.25, .tau = 0.25}(p, 17.0, -3.0).result;
    const auto ipo = al::ipo{.tau = 0.25}(h + 1.5);
    CHECK(inpo.value == Approx(ipo.value).epsilon(1e-13).margin(1e-13));
    CHECK(inpo.chosen == Approx(ipo.slope).epsilon(1e-13).margin(1e-13));
    const auto copg = al::copg{.beta = 0.25}(h, 1.5, 1.0).result;
    CHECK(copg.value == Approx(0.125 * al::ipo{.tau = 0.25}(h).value).epsilon(1e-13).margin(1e-13));
    CHECK(copg.slope == Approx(0.125 * al::ipo{.tau = 0.25}(h).slope).epsilon(1e-13).margin(1e-13));
    const auto soft = al::sppo_soft{.eta = 4}(h, 1 - h, 1.0, 0.0);
    const auto hard = al::sppo_hard{.beta = 0.25}(h, 1 - h);
    CHECK(soft.value == Approx(0.5 * hard.value).epsilon(1e-14));
    CHECK(soft.chosen == Approx(0.5 * hard.chosen).epsilon(1e-14));
    const auto scores = al::gpm_pair{.beta = 0.25}(h, 1 - h, 0.5, -0.5);
    CHECK(scores.value == Approx(soft.value).epsilon(1e-14));
  }
}

TEST_CASE("anchored losses know where they anchor") {
  const double ln2 = std::log(2.0);
  CHECK(al::nca_pair{.beta = 0.1}(ln2 / 0.1, -4.0).chosen == Approx(0).margin(1e-17));
  CHECK(ln2 / 0.1 == Approx(6.9315).epsilon(1e-5));
  CHECK(al::apo_zero{}(0.0, 0.0).value == 1);
  CHECK(al::apo_down{}(0.0, 0.0).value == 1);
  for (const double a : margins()) {
    CHECK(al::apo_down{}(a, 0.0).chosen == 0);
    CHECK(al::apo_zero{}(a, 1.0).value >= 0);
    CHECK(al::apo_zero{}(a, 1.0).value <= 2);
    CHECK(al::nca_pair{}(1.0, a).rejected >= 0);  // always pushed down
  }
  CHECK(al::cream{.beta = 0.1}(0.0, 0.5).slope == 0);
  CHECK(al::cream{.beta = 0.1}(13.862943611198906, 0.8).slope == Approx(0).margin(1e-17));
  const auto below = al::dpop{.beta = 0.3, .lambda = 5}(-1.0, 0.5);
  CHECK(below.chosen == Approx(-6 * below.rejected).epsilon(1e-15));
  CHECK(al::dpop{.beta = 0.3, .lambda = 5}(0.0, 0.5).chosen == -al::dpop{.beta = 0.3}(0.0, 0.5).rejected);
}

TEST_CASE(
    "SePPO learns a generated response as a winner where the policy explains its winner worse than the reference") {
  const al::seppo loss{.beta = 0.5};
  CHECK(zm::get<0>(loss(0.0, 2.0).reports) == 1);
  CHECK(zm::get<0>(loss(1.0, 2.0).reports) == 1);
  CHECK(zm::get<0>(loss(-1e-9, 2.0).reports) == -1);
  CHECK(loss(1.0, 2.0).result.value == al::dpo{.beta = 0.5}(-1.0).value);
  CHECK(loss(-1.0, 2.0).result.rejected < 0);
}

TEST_CASE("mixtures add up their parts, and a weight of zero silences an infinite one") {
  const std::vector<double> chosen{-12, -30, -infinity}, rejected{-25, -28, -1}, n{4, 6, 2};
  std::vector<double> all(3), for_chosen(3), for_rejected(3), one(3), for_one(3), two(3);
  const auto none = zm::no_reference;
  const auto run = [&](const auto& loss, auto& losses, auto& gradient, auto&& rejected_gradient) {
    return zm::pair_loss(loss, chosen, rejected, none, none, losses, gradient, rejected_gradient,
                         zm::with_lengths(n, n));
  };
  run(al::mixture(al::part{2, al::dpo{}}, al::part{0.5, al::apo_zero{}}), all, for_chosen, for_rejected);
  run(al::dpo{}, one, for_one, zm::discard);
  for (int k = 0; k < 2; ++k) {
    const auto at = static_cast<std::size_t>(k);
    const auto apo = al::apo_zero{}(chosen[at], rejected[at]);
    CHECK(all[at] == Approx(2 * one[at] + 0.5 * apo.value).epsilon(1e-15));
    CHECK(for_chosen[at] == Approx(2 * for_one[at] + 0.5 * apo.chosen).epsilon(1e-15));
    CHECK(for_rejected[at] == Approx(-2 * for_one[at] + 0.5 * apo.rejected).epsilon(1e-15));
  }
  run(al::rpo{.beta = 0.1, .eta = 0}, two, for_chosen, zm::discard);
  CHECK(two == one);
  CHECK(for_chosen == for_one);
  run(al::cpo{.nll_weight = 0}, two, for_chosen, zm::discard);
  CHECK(two == one);
}

TEST_CASE("imitation keeps a policy from leaving the data, where DPO is indifferent") {
  // Three responses, of which data compare only 0 and 1, with 0 preferred nine times out of ten. At a margin of log 9 DPO is
  // satisfied however much probability has gone to response 2; with imitation it flows back.
  const double beta = 0.1, h = std::log(9.0) / beta;
  const std::vector<double> policy{std::log(0.0199), std::log(0.0001), std::log(0.98)};
  const std::vector<double> chosen{policy[0], policy[1]}, rejected{policy[1], policy[0]}, weights{0.9, 0.1}, n{1, 1};
  const std::vector<double> ref_chosen{policy[0] - h, policy[1]}, ref_rejected{policy[1], policy[0] - h};
  const auto pull_on_the_third = [&](const auto& loss) {
    std::vector<double> losses(2), w(2), l(2);
    zm::pair_loss(loss, chosen, rejected, ref_chosen, ref_rejected, losses, w, l, zm::weighted_by(weights),
                  zm::with_lengths(n, n));
    const double first = w[0] + l[1], second = l[0] + w[1];  // by log-probabilities
    return -std::exp(policy[2]) * (first + second);          // by the third logit of a softmax
  };
  CHECK(std::abs(pull_on_the_third(al::dpo{.beta = beta})) < 1e-15);
  CHECK(pull_on_the_third(al::rpo{.beta = beta, .eta = 0.005}) == Approx(0.98 * 0.005).epsilon(1e-12));
}

TEST_CASE("deterministic preferences drive DPO's margin to infinity, slowly, and IPO's to its target") {
  double dpo = 0, ipo = 0;
  const al::dpo d{.beta = 0.1};
  const al::ipo i{.tau = 0.1};
  double at_1000 = 0, at_10000 = 0;
  for (int step = 1; step <= 100'000; ++step) {
    dpo -= d(dpo).slope / 0.1;
    ipo -= 0.1 * i(ipo).slope;
    if (step == 1000) at_1000 = dpo;
    if (step == 10'000) at_10000 = dpo;
  }
  CHECK(at_1000 == Approx(45.7).epsilon(2e-3));
  CHECK(at_10000 == Approx(69.0).epsilon(2e-3));
  CHECK(dpo == Approx(92.1).epsilon(2e-3));
  CHECK(ipo == Approx(5).epsilon(1e-12));
}

TEST_CASE("sums and means over tokens may disagree on the sign of a margin") {
  const std::vector<double> chosen{0.2 * 50}, rejected{0.3 * 30}, n{50}, m{30};
  std::vector<double> margin(1);
  const auto none = zm::no_reference;
  zm::pair_loss(al::implicit_reward{.beta = 1}, chosen, rejected, none, none, margin, zm::discard, zm::discard);
  CHECK(margin[0] == Approx(1.0).epsilon(1e-14));
  zm::pair_loss(al::implicit_reward{.beta = 1}, chosen, rejected, none, none, margin, zm::discard, zm::discard,
                zm::normalised_by(n, m));
  CHECK(margin[0] == Approx(-0.1).epsilon(1e-13));
}

TEST_CASE("SimPO sees neither a reference nor a common scale of lengths and log-probabilities") {
  const std::vector<double> chosen{-30, -4}, rejected{-10, -9}, n{10, 4}, m{5, 3};
  std::vector<double> twice_chosen, twice_rejected, twice_n, twice_m, losses(2), again(2);
  for (std::size_t k = 0; k < 2; ++k) {
    twice_chosen.push_back(2 * chosen[k]), twice_rejected.push_back(2 * rejected[k]);
    twice_n.push_back(2 * n[k]), twice_m.push_back(2 * m[k]);
  }
  const auto none = zm::no_reference;
  zm::pair_loss(al::simpo{}, chosen, rejected, none, none, losses, zm::discard, zm::discard, zm::normalised_by(n, m));
  zm::pair_loss(al::simpo{}, twice_chosen, twice_rejected, none, none, again, zm::discard, zm::discard,
                zm::normalised_by(twice_n, twice_m));
  CHECK(losses == again);
}

TEST_CASE("tails are exact at 700 nats, where 1 − σ would be zero") {
  const double tail = std::exp(-700.0);
  CHECK(tail == Approx(9.85967654375977e-305).epsilon(1e-14));
  CHECK(al::dpo{.beta = 1}(700.0).slope == Approx(-tail).epsilon(1e-14));
  CHECK(al::apo_zero{.beta = 1}(700.0, -700.0).value == Approx(2 * tail).epsilon(1e-14));
  CHECK(al::apo_zero{.beta = 1}(700.0, -700.0).chosen == Approx(-tail).epsilon(1e-14));
  CHECK(al::bco_pair{.beta = 1}(700.0, -700.0).rejected == Approx(tail).epsilon(1e-14));
  CHECK(al::exo_pair{.beta = 1}(-700.0).slope == Approx(-tail * (700 + std::log(999.0))).epsilon(1e-12));
  CHECK(al::discopop{.beta = 1}(-700.0).value == Approx(700).epsilon(1e-14));
  CHECK(al::discopop{.beta = 1}(700.0).slope == Approx(-tail).epsilon(1e-12));
  CHECK(al::gpo<al::gpo_link::savage>{.beta = 1}(300.0).slope == Approx(-2 * std::exp(-600.0)).epsilon(1e-13));
  CHECK(al::dno{.beta = 1}(700.0, 0.0, 800.0).slope == Approx(1).epsilon(1e-15));
}

TEST_CASE("what a loss of pairs cannot take is refused by tensor and position") {
  const std::vector<double> chosen{-1, -2, -3}, rejected{-2, -2, -2}, good{0.5, 0.5, 0.5}, zero{1, 1, 0};
  std::vector<double> bad{0.5, 0.5, 1.5}, losses(3);
  const auto none = zm::no_reference;
  const auto refused = [&](const auto& loss, const auto&... options) {
    return thrown<zm::domain_error>(
        [&] { zm::pair_loss(loss, chosen, rejected, none, none, losses, zm::discard, zm::discard, options...); });
  };
  CHECK(refused(al::cream{}, zm::alongside(bad)).argument() == "consistency");
  CHECK(refused(al::cream{}, zm::alongside(bad)).index() == 2);
  CHECK(refused(al::sppo_soft{}, zm::alongside(good, bad)).argument() == "win_probability_rejected");
  CHECK(refused(al::sppo_soft{}, zm::alongside(bad, good)).argument() == "win_probability_chosen");
  CHECK(refused(al::rpo{}, zm::with_lengths(zero, good)).argument() == "chosen_lengths");
  CHECK(refused(al::simpo{}, zm::normalised_by(good, zero)).argument() == "rejected_lengths");
  bad[1] = std::nan("");
  CHECK(refused(al::dno{}, zm::alongside(good, bad)).argument() == "reward_rejected");
  CHECK(refused(al::dno{}, zm::alongside(good, bad)).index() == 1);
  const std::vector<double> certain{-1, 0, -1};
  CHECK(thrown<zm::domain_error>([&] {
          zm::pair_loss(al::orpo{}, certain, rejected, none, none, losses, zm::discard, zm::discard);
        }).index() == 1);
  CHECK_NOTHROW(
      zm::pair_loss(al::orpo{.ceiling = -1e-16}, certain, rejected, none, none, losses, zm::discard, zm::discard));
  CHECK(std::isfinite(losses[1]));
  std::vector<double> few(2);
  CHECK(thrown<zm::shape_error>([&] {
          zm::pair_loss(al::cream{}, chosen, rejected, none, none, losses, zm::discard, zm::discard,
                        zm::alongside(few));
        }).argument() == "consistency");
  CHECK(thrown<zm::shape_error>([&] {
          zm::pair_loss(al::dpo{}, chosen, rejected, none, none, few, zm::discard, zm::discard);
        }).argument() == "losses");
}

TEST_CASE("a batch that is masked altogether has no pairs, zero gradients and no mean") {
  const std::vector<double> chosen{std::nan(""), infinity}, rejected{-2, -infinity}, lengths{0, std::nan("")};
  const std::vector<int> mask{0, 0};
  std::vector<double> losses(2, 7), w(2, 7), l(2, 7);
  const auto sums = zm::pair_loss(al::rpo{}, chosen, rejected, zm::no_reference, zm::no_reference, losses, w, l,
                                  zm::with_lengths(lengths, lengths), zm::counted_where(mask));
  CHECK(sums.pairs == 0);
  CHECK(sums.loss == 0);
  CHECK(losses == std::vector<double>{0, 0});
  CHECK(w == losses);
  CHECK(l == losses);
  CHECK_THROWS_AS(sums.mean_over_pairs(), zm::domain_error);
}

TEST_CASE("parameters outside their domains are refused by name") {
  const auto named = [](const auto& loss) {
    return thrown<zm::domain_error>([&] { loss.require_valid(); }).argument();
  };
  CHECK(named(al::rdpo{.label_smoothing = 0.5}) == "label_smoothing");
  CHECK(named(al::exo_pair{.label_smoothing = 0}) == "label_smoothing");
  CHECK(named(al::exo_pair{.label_smoothing = 0.6}) == "label_smoothing");
  CHECK(named(al::inpo{.eta = 0.1, .tau = 0.2}) == "tau");
  CHECK(named(al::sppo_hard{.beta = -1}) == "beta");
  CHECK(named(al::discopop{.discopop_tau = 0}) == "discopop_tau");
  CHECK(named(al::simpo{.gamma = std::nan("")}) == "gamma");
  CHECK(named(al::dpop{.lambda = -1}) == "lambda");
  CHECK(named(al::mixture(al::part{1, al::dpo{.beta = 0}})) == "beta");
  CHECK(named(al::wpo{al::ipo{.tau = 0}}) == "tau");
}
