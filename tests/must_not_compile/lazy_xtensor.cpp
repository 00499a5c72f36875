// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// a lazy expression has no numbers to point to. pass xt::eval.expression. instead
#include <array>
#include <cstddef>

#include "zermelo/core/tensor.hpp"

// What an xtensor expression shows; adapt_test.cpp asks the library's own.
struct sum {
  using value_type = double;
  static constexpr int static_layout = 1;
  int layout() const;
  std::size_t dimension() const;
  const std::array<std::size_t, 2>& shape() const;
};

double first_of(const sum& x) { return zermelo::view(x)(0, 0); }
