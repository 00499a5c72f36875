// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdio>
#include <vector>
#include <zermelo/core/pair_loss.hpp>

namespace zm = zermelo;

/// SLiC's hinge:  ℓ(h) = max(0, 1 − βh).   Source: Zhao et al. 2023.
struct hinge {
  double beta = 0.1;

  template <class V>
  ZERMELO_FN zm::value_slope<V> operator()(V margin) const {
    using zm::select;  // unqualified below, so that packs and dual numbers bring their own
    const V missing = V(1) - V(beta) * margin;
    return {.value = select(missing > V(0), missing, V(0)), .slope = select(missing > V(0), V(-beta), V(0))};
  }
  void require_valid() const {}
};

int main() {
  const std::vector<float> chosen{-12, -30, -8}, rejected{-25, -28, -8};
  std::vector<float> losses(3), slope(3);
  const auto sums = zm::pair_loss(hinge{.beta = 0.1}, chosen, rejected, zm::no_reference, zm::no_reference, losses,
                                  slope, zm::discard);
  for (std::size_t k = 0; k < losses.size(); ++k) std::printf("loss %.2f, slope %.2f\n", losses[k], slope[k]);
  std::printf("mean %.3f, accuracy %.2f\n", sums.mean_over_pairs(), sums.accuracy());
}
