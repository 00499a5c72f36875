// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#define CATCH_CONFIG_MAIN  // Catch2 2 puts main() here; Catch2 3 links its own
#include "catch.hpp"
