// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// DPO as one writes it: a loop with two exponentials of the C library. In a file of its own, so that nothing is inlined.
#include "pair_loss_baseline.hpp"

#include <cmath>

double dpo_by_the_c_library(const pair_columns& pairs, float beta, std::size_t n) {
  double sum = 0;
  for (std::size_t k = 0; k < n; ++k) {
    const float h =
        beta * ((pairs.chosen[k] - pairs.reference_chosen[k]) - (pairs.rejected[k] - pairs.reference_rejected[k]));
    const float loss = std::log1p(std::exp(-std::fabs(h))) + (h < 0 ? -h : 0);
    const float slope = -beta / (1 + std::exp(h));
    pairs.losses[k] = loss;
    pairs.grad_chosen[k] = slope;
    pairs.grad_rejected[k] = -slope;
    sum += static_cast<double>(loss);
  }
  return sum;
}
