// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>

/// What a loss over pairs reads and writes.
struct pair_columns {
  const float *chosen, *rejected, *reference_chosen, *reference_rejected;
  float *losses, *grad_chosen, *grad_rejected;
};

double dpo_by_the_c_library(const pair_columns& pairs, float beta, std::size_t n);
