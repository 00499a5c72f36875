// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "catch.hpp"

/// The exception of type E that f throws, to be looked at; anything else fails the test case.
template <class E, class F>
E thrown(F&& f) {
  try {
    f();
  } catch (const E& e) {
    return e;
  }
  FAIL("nothing was thrown");
  throw;
}
