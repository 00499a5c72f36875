// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstddef>
#include <vector>

#include "catch.hpp"
#include "reliability/registry.hpp"

using namespace registry;

namespace {

/// Moderate numbers, and the extreme ones at which kernels overflow, cancel or vanish.
std::vector<double> points() {
  auto x = uniforms(47, 0, 200, -40, 40);
  x.insert(x.end(), {-700, -300, -100, -1e-8, -1e-300, -5e-324, 0, 5e-324, 1e-300, 1e-8, 100, 300, 700});
  return x;
}

bool is_float(const function& f) { return f.tolerance > 1e-9; }

bool close(double a, double b, double relative, double size = 0) {
  if (a == b) return true;
  return std::abs(a - b) <= relative * (std::abs(a) + std::abs(b) + size) + 1e-306;
}

}  // namespace

// Right value, wrong gradient (OpenRLHF#1309, verl#2953, Liger#1298).
TEST_CASE("every slope and curvature that is written by hand is what dual numbers say") {
  for (const auto& f : all()) {
    if (!f.kernel || is_float(f)) continue;
    for (std::size_t k = 0; k <= f.parameters.size(); ++k) {
      values p = usual(f);
      if (k > 0) p[k - 1] = f.parameters[k - 1].other;
      for (const double x : points())
        for (const auto& d : f.kernel->derivatives) {
          const values y = f.kernel->element(p, {x});
          const auto expanded = f.kernel->expand(p, {x}, d.argument);
          INFO(f << ", slope of " << f.kernel->outputs[d.of] << " at " << x);
          CHECK(close(expanded[d.of][0], y[d.of], 1e-15));
          CHECK(close(expanded[d.of][1], d.sign * y[d.is], 4e-15));
          // The slope's own slope is the second derivative, whichever way it is reached; near a symmetry it cancels.
          CHECK(close(expanded[d.of][2], d.sign * expanded[d.is][1], 1e-14, std::abs(y[d.is])));
        }
    }
  }
}

TEST_CASE("central differences agree with every slope") {
  for (const auto& f : all()) {
    if (!f.kernel || is_float(f)) continue;
    for (const double x : uniforms(53, 0, 50, -6, 6))
      for (const auto& d : f.kernel->derivatives) {
        const double h = 1e-5;
        const double above = f.kernel->element(usual(f), {x + h})[d.of],
                     below = f.kernel->element(usual(f), {x - h})[d.of];
        INFO(f << ", slope of " << f.kernel->outputs[d.of] << " at " << x);
        // h²/6 of the third derivative, below 1e-7 of what these functions reach on [−6, 6], and rounding 1e-16/h.
        CHECK(
            (above - below) / (2 * h) ==
            Approx(d.sign * f.kernel->element(usual(f), {x})[d.is]).epsilon(1e-7).margin(1e-9 * (1 + std::abs(above))));
      }
  }
}

// Sign, shift, temperature (trl#4159, EasyR1#50).
TEST_CASE("every kernel keeps its identities") {
  for (const auto& f : all()) {
    if (!f.kernel) continue;
    const double precision = is_float(f) ? 2e-6 : 4e-15;
    for (const auto& i : f.kernel->identities)
      for (const double x : uniforms(59, 0, 200, -30, 30)) {
        INFO(f << ": " << i.name << ", at " << x);
        const double at = is_float(f) ? static_cast<double>(static_cast<float>(x)) : x;
        CHECK(close(i.left(usual(f), at), i.right(usual(f), at), precision, i.size(usual(f), at)));
      }
  }
}

// Cancellation and overflow (NeMo-RL#4158, tinker-cookbook#188).
TEST_CASE("every kernel has exact tails") {
  for (const auto& f : all()) {
    if (!f.kernel) continue;
    for (const auto& l : f.kernel->limits) {
      const values y = f.kernel->element(usual(f), l.at);
      for (std::size_t k = 0; k < y.size(); ++k) {
        INFO(f << ", " << f.kernel->outputs[k] << " at " << l.at[0]);
        CHECK(close(y[k], l.expected[k], is_float(f) ? 1e-6 : 2e-15));
      }
    }
  }
}

TEST_CASE("no kernel makes a NaN of a number") {
  for (const auto& f : all()) {
    if (!f.kernel) continue;
    auto x = points();
    x.insert(x.end(), {-1e308, 1e308});
    for (const double at : x)
      for (const double y : f.kernel->element(usual(f), {at})) {
        INFO(f << " at " << at);
        CHECK_FALSE(std::isnan(y));
      }
  }
}
