// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The functions of one element on a device: their errors against long double over the whole range, and the host's answers.
#include <cmath>
#include <cstdio>
#include <vector>

#include "../core/ulp.hpp"
#include "check.cuh"

namespace {

/// [point][function]
template <class V>
struct write_results {
  V* y;
  ZERMELO_FN void operator()(V v, int f) const { y[f] = v; }
};

template <class V>
__global__ void evaluate_all(const V* x, V* y, long long n) {
  const long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) ulp::each_function(x[i], write_results<V>{y + i * ulp::functions});
}

/// A zero weight silences what is infinite, and nothing else.
template <class V>
__global__ void silence_all(const V* x, V* y, int n) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < n) y[i] = zm::weighted(V(0), x[i]) + zm::select(zm::is_finite(x[i]), V(0), V(1));
}

template <class V>
void weights() {
  const on_device<V> x({V(3), INFINITY, -INFINITY, NAN}), y(4);
  silence_all<<<1, 32>>>(x.data(), y.data(), 4);
  require(cudaGetLastError());
  const std::vector<V> got = y.get();
  CHECK((got[0] == 0 && got[1] == 1 && got[2] == 1 && std::isnan(got[3])));
}

template <class V>
void errors(const char* type, double ulp::reference::*bound) {
  const std::vector<V> points = ulp::sweep<V>();
  const auto n = static_cast<long long>(points.size());
  const on_device<V> x(points), y(n * ulp::functions);
  evaluate_all<<<static_cast<unsigned>((n + 255) / 256), 256>>>(x.data(), y.data(), n);
  require(cudaGetLastError());
  const std::vector<V> got = y.get();
  for (std::size_t f = 0; f < ulp::functions; ++f) {
    const auto& function = ulp::references[f];
    const auto worst = ulp::largest_error(function, points, [&](std::size_t k) { return got[k * ulp::functions + f]; });
    std::printf("| %-11s | %s | %.2f at %.17g |\n", function.name, type, worst.ulps, static_cast<double>(worst.at));
    // The host's bound, and a unit for products that nvcc fuses with sums in other places.
    CHECK(worst.ulps <= function.*bound + 1);
  }
}

}  // namespace

int main() try {
  if (no_device()) return skipped;
  weights<float>();
  weights<double>();
  errors<float>("float", &ulp::reference::bound_float);
  errors<double>("double", &ulp::reference::bound_double);
  return verdict();
} catch (const std::exception& e) {
  std::printf("%s\n", e.what());
  return 1;
}
