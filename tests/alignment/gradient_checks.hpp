// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>
#include <zermelo/core/dual.hpp>
#include <zermelo/core/random.hpp>

#include "alignment/pair_kernels.hpp"
#include "catch.hpp"

namespace zm = zermelo;

/// What hand-written gradients are held to.
namespace pair_kernels {

/// What pair_loss makes of one pair: (policy's two log-probabilities, the reference's, weight, two lengths, columns).
template <class Kernel, bool Referenced, bool Divides, std::size_t Columns>
struct one_pair {
  static constexpr std::size_t first = (Referenced ? 4 : 2) + 3, arguments = first + Columns;
  zm::detail::pair_kernel<Kernel, Referenced, true,
                          Divides ? zm::detail::length_use::divides : zm::detail::length_use::given, Columns, true>
      kernel;

  template <class V>
  auto operator()(const std::array<V, arguments>& x) const {
    return std::apply(kernel, x);
  }
};

template <class V, class Elements, std::size_t... K>
std::vector<V> listed(const Elements& e, std::index_sequence<K...>) {
  return {zm::get<K>(e)...};
}

template <class V, class Elements>
std::vector<V> listed(const Elements& e) {
  return listed<V>(e, std::make_index_sequence<zm::detail::bundle_size<Elements>::value>{});
}

/// Log-probabilities, moderate and extreme.
inline double drawn(std::uint64_t stream, std::uint64_t k, const form& f) {
  const double extremes[] = {-700, -300, -40, -1e-8, -5e-324, 0, 5e-324, 1e-8, 40, 300, 700};
  const double u = zm::uniform(71, stream, k);
  if (k % 3 != 0) return (f.probable ? 0 : 6) - 12 * u;
  const double x = extremes[static_cast<std::size_t>(u * 11)];
  return f.probable && !(x < 0) ? -1e-9 : x;
}

template <bool Referenced, bool Divides, std::size_t Columns, class Kernel>
void check(const Kernel& kernel, const form& f) {
  using pair = one_pair<Kernel, Referenced, Divides, Columns>;
  const pair loss{{kernel}};
  std::size_t weights = Referenced ? 4 : 2;
  for (std::uint64_t k = 0; k < 600; ++k) {
    std::array<double, pair::arguments> x;
    for (std::size_t a = 0; a < x.size(); ++a) {
      const double u = zm::uniform(72, a, k);
      x[a] = a < weights ? drawn(a, k, f) : a < pair::first ? 1 + std::floor(3 * u) : f.least + (f.most - f.least) * u;
    }
    const auto here = loss(x);
    if (here.fault) continue;  // two infinite scores
    const auto y = listed<double>(here.elements);
    for (std::size_t a = 0; a < 2 + static_cast<std::size_t>(f.slopes); ++a) {
      std::array<zm::dual<double>, pair::arguments> z;
      for (std::size_t b = 0; b < x.size(); ++b) z[b] = {x[b], 0.0};
      const std::size_t by = a < 2 ? a : pair::first + a - 2;
      z[by].derivative = 1;
      const auto value = listed<zm::dual<double>>(loss(z).elements)[0];
      INFO(f.name << ", derivative by argument " << by << " of (" << x[0] << ", " << x[1] << ", " << x[2] << ", "
                  << x[3] << ", …): " << y[a + 1] << ", dual numbers say " << value.derivative);
      CHECK(
          (value.value == y[0] || std::abs(value.value - y[0]) <= 1e-13 * (1 + std::abs(y[0]))));  // products are fused
      // Rounding of a dozen operations, on the slope and on the terms that cancel in it. Infinite values have slopes of
      // infinity, or none that a dual number can tell.
      if (std::isfinite(y[0]) && !std::isnan(value.derivative))
        CHECK((value.derivative == y[a + 1] ||
               std::abs(value.derivative - y[a + 1]) <=
                   2e-14 * (std::abs(value.derivative) + std::abs(y[a + 1])) + 1e-15 * f.cancelling + 1e-306));
      CHECK_FALSE(std::isnan(y[a + 1]));
    }
  }
  if (!f.infinities) return;
  for (const double infinite : {-1.0, 1.0})
    for (std::size_t a = 0; a < weights; ++a) {
      if (f.probable && infinite > 0) continue;
      std::array<double, pair::arguments> x;
      for (std::size_t b = 0; b < x.size(); ++b) x[b] = b < weights ? -2.0 - static_cast<double>(b) : 0.5;
      // A log-probability of +∞ is refused; a log-ratio of +∞ comes from a reference of −∞.
      if (infinite > 0 && a < 2) continue;
      x[a] = -std::numeric_limits<double>::infinity();
      const auto y = loss(x);
      INFO(f.name << " where argument " << a << " is −∞");
      CHECK_FALSE(y.fault);
      for (const double v : listed<double>(y.elements)) CHECK_FALSE(std::isnan(v));
    }
}

/// Whether gradients are what dual numbers say, and a single infinity makes no NaN.
template <class Kernel>
void check_gradients(const Kernel& kernel, const form& f) {
  kernel.require_valid();
  if constexpr (requires { Kernel::columns[0]; }) {
    constexpr std::size_t columns = sizeof(Kernel::columns) / sizeof(Kernel::columns[0]);
    REQUIRE(columns == static_cast<std::size_t>(f.columns));
    check<true, false, columns>(kernel, f);
  } else {
    REQUIRE(f.columns == 0);
    if (f.probable)
      check<false, false, 0>(kernel, f);
    else if (f.divides)
      check<true, true, 0>(kernel, f);
    else
      check<true, false, 0>(kernel, f);
  }
}

}  // namespace pair_kernels
