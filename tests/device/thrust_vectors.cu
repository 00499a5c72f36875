// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Thrust's vectors and policies as CUDA compiles them.
#include <thrust/device_vector.h>
#include <thrust/host_vector.h>
#include <thrust/sequence.h>
#include <thrust/universal_vector.h>

#include <cstdio>
#include <type_traits>

#include "zermelo/core/adapt/thrust.hpp"
#include "zermelo/core/dynamic_tensor.hpp"
#include "zermelo/core/execution/thrust.hpp"
#include "zermelo/core/primitives/gather.hpp"
#include "zermelo/core/primitives/map_reduce.hpp"
#include "zermelo/core/primitives/sort.hpp"
#include "zermelo/preference/bradley_terry.hpp"

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
static_assert(zm::device_policy<std::remove_cv_t<decltype(thrust::device)>>);
static_assert(zm::device_policy<thrust::cuda_cub::execute_on_stream>);
static_assert(!zm::device_policy<std::remove_cv_t<decltype(thrust::host)>>);

struct twice {
  template <class V>
  ZERMELO_FN auto operator()(V x) const {
    return zm::mapped{zm::bundle(x + x), zm::bundle(zm::total(x))};
  }
};

/// Thrust's policies mean the CUDA policy on their stream.
bool policies_are_carried_out() {
  cudaStream_t stream = nullptr;
  if (cudaStreamCreate(&stream) != cudaSuccess) return false;
  on_device x(5000), y(5000);
  thrust::sequence(x.begin(), x.end());
  const auto sums = zm::map_reduce(thrust::cuda::par.on(stream), twice{}, zm::inputs(x), zm::outputs(y));
  zm::sort(thrust::device, y, zm::order::descending);
  const thrust::device_vector<int> index(3, 7);
  on_device out(3);
  zm::gather(thrust::cuda::par, y, index, out);
  const zm::preference::bradley_terry model;
  const double wins[2][2] = {{0, 3}, {1, 0}};
  const auto fitted = zm::preference::fit(thrust::cuda::par.on(stream), model, zm::preference::graph_from_wins(wins),
                                          {.method = zm::preference::fit_method::mm});
  cudaStreamDestroy(stream);
  return zm::get<0>(sums).value == 4999.0 * 2500 && out[2] == 2 * 4992 && fitted.strength[0] > 0.54 &&
         fitted.strength[0] < 0.56;
}

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
  const bool carried_out = policies_are_carried_out();
  std::puts(carried_out ? "policies: good" : "policies: wrong");
  return good && carried_out ? 0 : 1;
}
