// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <zermelo/core/execution/threads.hpp>

int main() {
  zermelo::threads two(2);
  return two.size() == 2 ? 0 : 1;
}
