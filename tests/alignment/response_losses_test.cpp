// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <limits>
#include <span>
#include <vector>
#include <zermelo/alignment/bco.hpp>
#include <zermelo/alignment/kto.hpp>
#include <zermelo/core/dual.hpp>
#include <zermelo/core/random.hpp>

#include "catch.hpp"
#include "thrown.hpp"

namespace zm = zermelo;
namespace al = zermelo::alignment;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct batch {
  std::vector<double> policy, reference, labels, losses, gradient;
  explicit batch(std::size_t n, std::uint64_t seed = 1) : losses(n), gradient(n) {
    for (std::size_t k = 0; k < n; ++k) {
      policy.push_back(-80 * zm::uniform(seed, 0, k));
      reference.push_back(-80 * zm::uniform(seed, 1, k));
      labels.push_back(zm::uniform(seed, 2, k) < 0.4 ? 1 : 0);
    }
  }
  template <class Kernel, class... Options>
  zm::response_sums run(const Kernel& kernel, const Options&... options) {
    return zm::response_loss(kernel, policy, reference, losses, gradient, zm::alongside(labels), options...);
  }
};

}  // namespace

TEST_CASE("gradients of losses of single responses are what dual numbers say") {
  const auto check = [](const char* name, const auto& kernel, const auto&... columns) {
    kernel.require_valid();
    for (const double a : {-700.0, -40.0, -3.0, -1e-9, 0.0, 2e-8, 0.7, 5.0, 40.0, 700.0}) {
      const auto y = zm::detail::plain_result(kernel(a, columns...));
      const auto d =
          zm::detail::plain_result(kernel(zm::variable(a), zm::dual<double>(static_cast<double>(columns), 0.0)...));
      INFO(name << " at " << a << ": " << y.slope << ", dual numbers say " << d.value.derivative);
      CHECK(d.value.value == Approx(y.value).epsilon(1e-14));
      CHECK(std::abs(d.value.derivative - y.slope) <= 1e-14 * std::abs(y.slope) + 1e-16);
    }
  };
  const al::kl_baseline baseline{.log_ratio = 6, .responses = 4};
  const al::kto kto{.beta = 0.3, .desirable_weight = 1.5, .undesirable_weight = 0.7, .baseline = baseline};
  check("KTO, desirable", kto, 1.0);
  check("KTO, undesirable", kto, 0.0);
  const al::bco bco{.beta = 0.3, .moments = {.count = 5, .mean = 0.4, .variance = 2}};
  check("BCO, desirable", bco, 1.0);
  check("BCO, undesirable", bco, 0.0);
  check("implicit PRM", al::implicit_prm{.beta = 0.3}, 0.7);
  check("GPM", al::gpm_regression{.beta = 0.3}, 0.7, 0.2);
}

TEST_CASE("KTO is bounded by its weights, halves them at the reference, and saturates on both sides") {
  batch b(500);
  const al::kto kernel{.beta = 0.3, .desirable_weight = 1.5, .undesirable_weight = 0.5};
  b.run(kernel);
  for (std::size_t k = 0; k < 500; ++k) {
    CHECK(b.losses[k] >= 0);
    CHECK(b.losses[k] <= (b.labels[k] > 0 ? 1.5 : 0.5));
    CHECK((b.gradient[k] < 0) == (b.labels[k] > 0));
  }
  CHECK(kernel(0.0, 1.0).value == 0.75);
  const al::kto plain{.beta = 1};
  CHECK(plain(700.0, 1.0).slope == Approx(-std::exp(-700.0)).epsilon(1e-14));
  CHECK(plain(-700.0, 1.0).slope == Approx(-std::exp(-700.0)).epsilon(1e-14));
  CHECK(plain(infinity, 1.0).value == 0);
  CHECK(plain(-infinity, 0.0).slope == 0);
}

TEST_CASE("KTO's baseline is merged from the parts of a batch before it is used, and never negative") {
  batch b(100);
  const auto whole = al::kto_baseline(b.policy, b.reference);
  const std::span<const double> p(b.policy), r(b.reference);
  const auto parts = merge(al::kto_baseline(p.first(33), r.first(33)), al::kto_baseline(p.subspan(33), r.subspan(33)));
  CHECK(parts.responses == 100);
  CHECK(parts.log_ratio == Approx(whole.log_ratio).epsilon(1e-12));
  CHECK(al::kto_baseline(r, p).value() * whole.value() == 0);
  CHECK(al::kl_baseline{}.value() == 0);
  std::vector<int> mask(100, 1);
  mask[3] = 0;
  b.policy[3] = std::nan("");
  CHECK(al::kto_baseline(b.policy, b.reference, zm::counted_where(mask)).responses == 99);
}

TEST_CASE("BCO's moments are those of all rewards seen, however they were split") {
  const double beta = 0.2;
  batch b(1000);
  double sum = 0, squares = 0;
  for (std::size_t k = 0; k < 1000; ++k) sum += beta * (b.policy[k] - b.reference[k]);
  for (std::size_t k = 0; k < 1000; ++k) {
    const double d = beta * (b.policy[k] - b.reference[k]) - sum / 1000;
    squares += d * d;
  }
  al::reward_moments merged;
  const std::span<const double> p(b.policy), r(b.reference);
  for (const std::size_t from : {0u, 1u, 400u, 401u}) {
    const std::size_t to = from == 0 ? 1 : from == 1 ? 400 : from == 400 ? 401 : 1000;
    merged = merge(merged, al::bco_moments(p.subspan(from, to - from), r.subspan(from, to - from), beta));
  }
  merged = merge(merged, al::reward_moments{});
  CHECK(merged.count == 1000);
  CHECK(merged.mean == Approx(sum / 1000).epsilon(1e-12));
  CHECK(merged.variance == Approx(squares / 1000).epsilon(1e-12));
  CHECK(al::bco_moments(p.first(0), r.first(0), beta).count == 0);
}

TEST_CASE("a soft label of one half is indifferent, and labels of certainty are the two halves of BCO") {
  const al::implicit_prm prm{.beta = 0.3};
  CHECK(prm(0.0, 0.5).slope == 0);
  for (const double a : {-700.0, -2.0, 0.0, 3.0, 700.0}) {
    CHECK(prm(a, 1.0).value == al::bco{.beta = 0.3}(a, 1.0).value);
    CHECK(prm(a, 0.0).value == al::bco{.beta = 0.3}(a, 0.0).value);
  }
  CHECK(prm(infinity, 1.0).value == 0);  // a label of certainty silences the other, infinite term
}

TEST_CASE("adding a constant to scores and to their log-partition changes nothing") {
  const al::gpm_regression kernel{.beta = 0.5};
  CHECK(kernel(1.25, 0.5, 0.25).result.value == kernel(1.25, 2.5, 2.25).result.value);
}

TEST_CASE("density ratios are bounded on both sides") {
  const std::vector<double> p{0, 0.4, 0.5, 0.9, 1};
  std::vector<double> w(5);
  al::bco_udm_weight(p, w);
  CHECK(w[0] == 0.5);
  CHECK(w[1] == Approx(0.4 / 0.6).epsilon(1e-7));
  CHECK(w[3] == Approx(9).epsilon(1e-6));
  CHECK(w[4] == 10);
  const std::vector<double> bad{0.5, 1.5, 0, 0, 0};
  CHECK(thrown<zm::domain_error>([&] { al::bco_udm_weight(bad, w); }).index() == 1);
  CHECK_THROWS_AS(al::bco_udm_weight(p, w, {.least = 3, .most = 2}), zm::domain_error);
}

TEST_CASE("what a loss of single responses cannot take is refused by tensor and position") {
  const auto refused = [](const auto& kernel, auto&& change) {
    return thrown<zm::domain_error>([&] {
      batch b(50);
      change(b);
      b.run(kernel);
    });
  };
  CHECK(refused(al::kto{}, [](batch& b) { b.labels[17] = 0.5; }).argument() == "labels");
  CHECK(refused(al::kto{}, [](batch& b) { b.labels[17] = 0.5; }).index() == 17);
  CHECK(refused(al::bco{}, [](batch& b) { b.labels[49] = 2; }).index() == 49);
  CHECK(refused(al::implicit_prm{}, [](batch& b) { b.labels[4] = -0.1; }).argument() == "labels");
  CHECK(refused(al::kto{}, [](batch& b) { b.policy[7] = infinity; }).argument() == "policy");
  CHECK(refused(al::kto{}, [](batch& b) { b.policy[7] = b.reference[7] = -infinity; }).index() == 7);
  CHECK(refused(al::kto{}, [](batch& b) { b.reference[7] = std::nan(""); }).argument() == "reference");
  CHECK(refused(al::kto{.beta = 0}, [](batch&) {}).argument() == "beta");
  CHECK(refused(al::bco{.moments = {.count = 1, .mean = std::nan(""), .variance = 0}}, [](batch&) {}).argument() ==
        "moments");
  batch b(50);
  std::vector<double> weights(50, 1);
  weights[9] = -1;
  CHECK(thrown<zm::domain_error>([&] { b.run(al::kto{}, zm::weighted_by(weights)); }).argument() == "weights");
  batch empty(0);
  CHECK_THROWS_AS(empty.run(al::kto{}).mean_over_responses(), zm::domain_error);
}

TEST_CASE("responses that are masked, whatever lies there, are not looked at") {
  batch clean(60), dirty(60);
  std::vector<int> mask(60, 1);
  for (std::size_t k = 0; k < 60; k += 7) {
    mask[k] = 0;
    dirty.policy[k] = std::nan("");
    dirty.labels[k] = 17;
  }
  const auto a = clean.run(al::kto{}, zm::counted_where(mask)), b = dirty.run(al::kto{}, zm::counted_where(mask));
  CHECK(a.loss == b.loss);
  CHECK(a.responses == 51);
  CHECK(clean.gradient == dirty.gradient);
}
