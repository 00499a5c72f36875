// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdio>

double use_narrow();
double use_wide();

int main() {
  const double narrow = use_narrow();
  std::printf("narrow %.17g\n", narrow);
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
  const double wide = use_wide();
  std::printf("wide   %.17g\n", wide);
  return std::fabs(wide - narrow) <= 1e-9 * std::fabs(narrow) ? 0 : 1;
}
