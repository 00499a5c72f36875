// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <vector>
#include <zermelo/core/dual.hpp>
#include <zermelo/core/random.hpp>

#include "alignment/list_kernels.hpp"
#include "catch.hpp"

namespace zm = zermelo;

namespace {

/// One list, in the order that kernels get it: labels descend.
struct list {
  std::vector<double> ratio, label, length, picked;

  list(std::uint64_t seed, std::size_t n, double spread) {
    for (std::size_t k = 0; k < n; ++k) {
      ratio.push_back(spread * (zm::uniform(seed, 0, k) - 0.5));
      label.push_back(zm::uniform(seed, 1, k));
      length.push_back(1 + std::floor(5 * zm::uniform(seed, 2, k)));
      picked.push_back(k == 0 ? 1 : 0);
    }
    std::sort(label.rbegin(), label.rend());
    if (n > 2) label[2] = label[1];
  }

  template <class V, class Kernel>
  V run(const Kernel& kernel, const std::vector<V>& at, std::vector<V>& slope) const {
    const auto lift = [](const std::vector<double>& x) {
      std::vector<V> y;
      for (const double v : x) y.push_back(V(v));
      return y;
    };
    const auto labels = lift(label), lengths = lift(length), picks = lift(picked);
    std::vector<V> scratch(at.size());
    slope.assign(at.size(), V(0));
    return kernel(zm::list_terms<V>{static_cast<std::int64_t>(at.size()), at.data(), labels.data(), lengths.data(),
                                    picks.data(), slope.data(), scratch.data()});
  }
};

}  // namespace

TEST_CASE("gradients of every loss of lists are what dual numbers say") {
  list_kernels::for_each([](const char* name, const auto& kernel) {
    kernel.require_valid();
    for (const std::size_t n : {1u, 2u, 3u, 6u})
      for (const double spread : {1.0, 10.0, 1400.0})
        for (std::uint64_t seed = 0; seed < 12; ++seed) {
          const list l(seed, n, spread);
          std::vector<double> slope;
          const double value = l.run<double>(kernel, l.ratio, slope);
          for (std::size_t k = 0; k < n; ++k) {
            std::vector<zm::dual<double>> at, ignored;
            for (const double x : l.ratio) at.emplace_back(x, 0.0);
            at[k].derivative = 1;
            const auto y = l.run<zm::dual<double>>(kernel, at, ignored);
            INFO(name << " of " << n << " items within " << spread << ", by item " << k << ": " << slope[k]
                      << ", dual numbers say " << y.derivative);
            CHECK(y.value == Approx(value).epsilon(1e-13).margin(1e-13));
            // Terms of at most n, twice the largest slope of a pair, cancel; those of EXO and of squares grow with the scores.
            CHECK(std::abs(y.derivative - slope[k]) <=
                  1e-13 * (std::abs(slope[k]) + static_cast<double>(n * n) + 0.01 * spread));
          }
        }
  });
}
