// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/links.hpp"

#include <cmath>
#include <limits>

#include "catch.hpp"
#include "property.hpp"

namespace zm = zermelo;

// Derivatives, tails and symmetries of every link are checked in tests/reliability.

TEST_CASE("the logistic link agrees with the C library") {
  for (int k = -80; k <= 80; ++k) {
    const double d = k / 4.0;
    const auto t = zm::logistic{}(d);
    INFO("at " << d);
    const double p = 1 / (1 + std::exp(-d)), q = 1 / (1 + std::exp(d));
    // Both sides are off by at most 2.3 units of the last place (docs/precision.md); the library's product by two more.
    CHECK(t.win_value == Approx(std::log1p(std::exp(-d))).epsilon(1e-15));
    CHECK(t.win_pull == Approx(q).epsilon(1e-15));
    CHECK(t.loss_pull == Approx(p).epsilon(1e-15));
    CHECK(t.win_curvature == Approx(p * q).epsilon(2e-15));
    CHECK(t.loss_curvature == t.win_curvature);
  }
}

TEST_CASE("a win and a loss pull with weights that add up to one") {
  check_property([] {
    const double d = *rc::gen::inRange(-1'000'000, 1'000'000) / 1e4;
    const auto t = zm::logistic{}(d);
    RC_ASSERT(std::abs(t.win_pull + t.loss_pull - 1) <= 2 * std::numeric_limits<double>::epsilon());
    RC_ASSERT(t.win_pull >= 0 && t.loss_pull >= 0 && t.win_curvature >= 0);
  });
}

TEST_CASE("the side that is certain to lose keeps all its digits") {
  const auto t = zm::logistic{}(700.0);
  CHECK(t.win_pull == Approx(std::exp(-700.0)).epsilon(1e-15));
  CHECK(t.win_value == Approx(std::exp(-700.0)).epsilon(1e-15));
  CHECK(zm::logistic{}(-700.0).win_value == 700);
}
