// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Thrust's vectors and the policies of its host systems. Compiled once for the distribution's Thrust and once for the one
// of the CUDA toolkit, which also brings an mdspan.
#include "zermelo/core/adapt/thrust.hpp"

#include <thrust/device_vector.h>
#include <thrust/host_vector.h>
#include <thrust/universal_vector.h>

#include <array>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "core/host_policies.hpp"
#include "zermelo/core/dynamic_tensor.hpp"
#include "zermelo/core/execution/thrust.hpp"

#ifdef _OPENMP
#include <thrust/system/omp/execution_policy.h>
#include <thrust/system/omp/vector.h>
#endif
#if __has_include(<tbb/task_arena.h>)
#include <thrust/system/tbb/execution_policy.h>
#include <thrust/system/tbb/vector.h>
#endif
#if __has_include(<cuda/std/mdspan>)
#include <cuda/std/mdspan>
#endif

namespace zm = zermelo;
using namespace host_policies;

namespace {

template <class View>
auto in_order(const View& v) {
  std::vector<double> all;
  for (std::int64_t k = 0; k < v.size(); ++k) all.push_back(static_cast<double>(v.element(k)));
  return all;
}

using numbers = std::vector<double>;

/// Stand in for the vectors of a device system, which only its compiler can make.
namespace device {
struct tag {
  using tag_type = tag;
};
template <class Category, class System, class Traversal>
struct category : Category {};
template <class T, class Reference>
struct pointer {
  using iterator_category = category<std::random_access_iterator_tag, tag, void>;
  using reference = Reference;
  T* raw;
  T* get() const { return raw; }
};
struct proxy {};
template <class Reference>
struct vector {
  float numbers[3];
  pointer<float, Reference> data() { return {numbers}; }
  pointer<const float, Reference> data() const { return {numbers}; }
  std::size_t size() const { return 3; }
};
}  // namespace device

}  // namespace

TEST_CASE("Thrust's vectors are tensors in the memory of their system") {
  thrust::host_vector<float> h(3, 1.0f);
  const thrust::device_vector<float> d = h;
  thrust::universal_vector<float> u(h.begin(), h.end());
  CHECK(zm::view(h).data == h.data());
  CHECK(zm::view(d).data == d.data().get());
  CHECK(in_order(zm::view(d)) == numbers{1, 1, 1});
  zm::view(u)(1) = 5;
  CHECK(u[1] == 5);
  // These Thrusts are compiled for the host alone: the device's system is one of its own.
  STATIC_REQUIRE(std::is_same_v<zm::view_t<decltype(h)>, zm::tensor_view<float, 1>>);
  STATIC_REQUIRE(std::is_same_v<zm::view_t<decltype(d)>, zm::tensor_view<const float, 1>>);
  STATIC_REQUIRE(std::is_same_v<zm::view_t<decltype(u)>, zm::tensor_view<float, 1>>);
#ifdef _OPENMP
  STATIC_REQUIRE(zm::view_t<thrust::omp::vector<double>>::where == zm::memory::host);
#endif
#if __has_include(<tbb/task_arena.h>)
  STATIC_REQUIRE(zm::view_t<thrust::tbb::vector<double>>::where == zm::memory::host);
#endif
  CHECK(zm::as<float, 1>(u).size() == 3);
}

TEST_CASE("the vectors of a device system are in device memory; those the host can read are in both") {
  device::vector<device::proxy> only;
  device::vector<float&> both;
  STATIC_REQUIRE(std::is_same_v<zm::view_t<decltype(only)>, zm::tensor_view<float, 1, zm::memory::device>>);
  STATIC_REQUIRE(std::is_same_v<zm::view_t<const decltype(only)>, zm::tensor_view<const float, 1, zm::memory::device>>);
  CHECK(zm::as<float, 1, zm::memory::device>(only).data == only.numbers);
  CHECK(thrown<zm::domain_error>([&] { zm::as<float, 1>(only); }).argument() == "tensor");
  CHECK(zm::as<float, 1, zm::memory::device>(both).data == both.numbers);
  CHECK(zm::as<float, 1>(both).data == both.numbers);
}

TEST_CASE("Thrust's vectors are made like each other, and lend their pointers") {
  const thrust::host_vector<float> h(3);
  const thrust::device_vector<double> d(2);
  STATIC_REQUIRE(std::is_same_v<decltype(zm::make_like(h)), thrust::host_vector<float>>);
  STATIC_REQUIRE(std::is_same_v<decltype(zm::make_like(d, {5})), thrust::device_vector<double>>);
  STATIC_REQUIRE(
      std::is_same_v<decltype(zm::make_like(thrust::universal_vector<int>())), thrust::universal_vector<int>>);
  CHECK(zm::make_like(h).size() == 3);
  CHECK(zm::make_like(d, {5}).size() == 5);
  CHECK(zm::as_thrust(h) == h.data());
  const float m[2][2] = {{1, 2}, {3, 4}};
  CHECK(thrown<zm::shape_error>([&] { zm::as_thrust(zm::transposed(m)); }).argument() == "x");
}

#if __has_include(<cuda/std/mdspan>)
TEST_CASE("an mdspan with strides is a tensor") {
  namespace cs = cuda::std;
  double raw[] = {1, 2, 3, 4, 5, 6};
  const cs::mdspan<double, cs::dextents<int, 2>> by_rows(raw, 2, 3);
  CHECK(zm::view(by_rows).data == raw);
  CHECK(in_order(zm::view(by_rows)) == numbers{1, 2, 3, 4, 5, 6});
  const cs::mdspan<const double, cs::extents<long, 3, 2>, cs::layout_left> by_columns(raw);
  CHECK(in_order(zm::view(by_columns)) == numbers{1, 4, 2, 5, 3, 6});
  const cs::layout_stride::mapping<cs::extents<int, 2>> every_third(cs::extents<int, 2>(), cs::array<int, 1>{3});
  CHECK(in_order(zm::view(cs::mdspan<double, cs::extents<int, 2>, cs::layout_stride>(raw, every_third))) ==
        numbers{1, 4});
  STATIC_REQUIRE_FALSE(zm::tensor<cs::mdspan<double, cs::extents<int>>>);
}
#endif

TEST_CASE("Thrust's sequential systems schedule the same tiles") {
  check(thrust::cpp::par);
  schedules_tiles(thrust::seq);
  schedules_tiles(thrust::host);
  schedules_tiles(thrust::cpp::tag{});
  CHECK(zm::concurrency(thrust::cpp::par) == 1);
  CHECK(zm::concurrency(thrust::seq) == 1);
  CHECK(zm::concurrency(thrust::cpp::tag{}) == 1);
}

#ifdef _OPENMP
TEST_CASE("Thrust's OpenMP system schedules the same tiles") {
  check(thrust::omp::par);
  schedules_tiles(thrust::omp::tag{});
}
#endif

#if __has_include(<tbb/task_arena.h>)
TEST_CASE("Thrust's TBB system schedules the same tiles") { check(thrust::tbb::par); }
#endif
