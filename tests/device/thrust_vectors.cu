// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Thrust's vectors as CUDA compiles them.
#include <thrust/device_vector.h>
#include <thrust/host_vector.h>
#include <thrust/sequence.h>
#include <thrust/universal_vector.h>

#include <cstdio>
#include <type_traits>

#include "zermelo/core/adapt/thrust.hpp"
#include "zermelo/core/dynamic_tensor.hpp"
#include "zermelo/core/execution/thrust.hpp"

namespace zm = zermelo;

using on_device = thrust::device_vector<float>;
using on_both = thrust::universal_vector<float>;
static_assert(std::is_same_v<zm::view_t<on_device>, zm::tensor_view<float, 1, zm::memory::device>>);
static_assert(std::is_same_v<zm::view_t<const on_device>, zm::tensor_view<const float, 1, zm::memory::device>>);
static_assert(std::is_same_v<zm::view_t<on_both>, zm::tensor_view<float, 1, zm::memory::device>>);
static_assert(std::is_same_v<zm::view_t<thrust::host_vector<float>>, zm::tensor_view<float, 1>>);
static_assert(std::is_same_v<decltype(zm::make_like(on_device(), {3})), on_device>);
static_assert(zm::host_policy<std::remove_cv_t<decltype(thrust::host)>>);
static_assert(!zm::host_policy<std::remove_cv_t<decltype(thrust::device)>>);
static_assert(!zm::host_policy<std::remove_cv_t<decltype(thrust::cuda::par)>>);

int main() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
    std::puts("skipped: there is no device");
    return 77;
  }
  int visits = 0;
  zm::for_each_tile(thrust::host, 5, [&](std::int64_t t) { visits += static_cast<int>(t); });
  on_device d(4);
  thrust::sequence(d.begin(), d.end());
  on_device like = zm::make_like(d);
  thrust::copy_n(zm::as_thrust(d), 4, zm::as_thrust(like));
  on_both both(4);
  thrust::copy(like.begin(), like.end(), both.begin());
  cudaDeviceSynchronize();
  const auto seen = zm::as<float, 1>(both);  // the host may look
  const bool good = visits == 10 && seen(0) == 0 && seen(3) == 3 && zm::as<float, 1, zm::memory::device>(d).size() == 4;
  std::puts(good ? "vectors: good" : "vectors: wrong");
  return good ? 0 : 1;
}
