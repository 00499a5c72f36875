// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <thrust/execution_policy.h>
#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/system/cpp/execution_policy.h>

#include <cstdint>
#include <thread>
#include <type_traits>

#include "../config.hpp"
#include "first_failure.hpp"
#include "policy.hpp"

#if defined(__CUDACC__)
#include <thrust/system/cuda/execution_policy.h>

#include "cuda.hpp"
#endif

/// The policies of Thrust's host systems: thrust::seq, thrust::host, thrust::cpp::par, thrust::omp::par, thrust::tbb::par.
/// Thrust schedules whole tiles of the vector units' code, not elements. To compile for the host alone, define
/// THRUST_DEVICE_SYSTEM=THRUST_DEVICE_SYSTEM_CPP, as the component zermelo::thrust does.
///
/// In CUDA, the policies of Thrust's CUDA system (thrust::device, thrust::cuda::par, thrust::cuda::par.on(stream)) mean
/// zermelo::cuda on their stream, with scratch memory from the device's pool for every call: loops pass a `cuda`.
namespace zermelo::inline v1 {
namespace detail {

template <class Derived>
std::true_type derives_from_host_policy(const thrust::cpp::execution_policy<Derived>*);
std::false_type derives_from_host_policy(const void*);

/// The parallel host systems refine the sequential one.
template <class P>
concept thrust_host_policy = decltype(derives_from_host_policy(static_cast<const P*>(nullptr)))::value ||
                             std::is_same_v<P, std::remove_cv_t<decltype(thrust::seq)>>;

/// The systems that refine another one name themselves by their `tag_type`.
template <class P>
inline constexpr bool thrust_parallel_policy = false;
template <class P>
  requires(!std::is_same_v<typename P::tag_type, thrust::cpp::tag>)
inline constexpr bool thrust_parallel_policy<P> = true;

/// What Thrust calls. It is copied, and called from where no exception may pass.
template <class F>
struct thrust_tile {
  F* f;
  first_failure* failure;
  ZERMELO_INLINE void operator()(std::int64_t t) const { failure->run(*f, t); }
};

}  // namespace detail

template <detail::thrust_host_policy P>
struct host_policy_traits<P> {
  static constexpr bool enabled = true;
  static constexpr bool vector_units = true;
  ZERMELO_INLINE static int concurrency(const P&) {
    if constexpr (detail::thrust_parallel_policy<P>) {
      const auto all = static_cast<int>(std::thread::hardware_concurrency());
      return all > 0 ? all : 1;
    } else {
      return 1;
    }
  }
  template <class F>
  ZERMELO_INLINE static void for_each_tile(const P& policy, std::int64_t tiles, F& f) {
    first_failure failure;
    const thrust::counting_iterator<std::int64_t> first(0);
    thrust::for_each(policy, first, first + tiles, detail::thrust_tile<F>{&f, &failure});
    failure.rethrow();
  }
};

#if defined(__CUDACC__)

namespace detail {

template <class Derived>
std::true_type derives_from_cuda_policy(const thrust::cuda_cub::execution_policy<Derived>*);
std::false_type derives_from_cuda_policy(const void*);

template <class P>
concept thrust_cuda_policy = decltype(derives_from_cuda_policy(static_cast<const P*>(nullptr)))::value;

}  // namespace detail

template <detail::thrust_cuda_policy P>
struct device_policy_traits<P> {
  static constexpr bool enabled = true;
  static constexpr bool records = false;
  ZERMELO_INLINE static cuda stands_for(P policy) { return cuda(thrust::cuda_cub::stream(policy)); }
};

#endif

}  // namespace zermelo::inline v1
