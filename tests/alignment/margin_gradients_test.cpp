// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "alignment/gradient_checks.hpp"
#include "alignment/pair_kernels.hpp"
#include "catch.hpp"

TEST_CASE("gradients of losses of margins are what dual numbers say, up to 700 nats and with weights and lengths") {
  pair_kernels::for_each_of_margins(
      [](const auto& kernel, const pair_kernels::form& f) { pair_kernels::check_gradients(kernel, f); });
}
