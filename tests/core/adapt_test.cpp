// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tensors of the libraries that this machine has.
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>
#if __has_include(<mdspan>)
#include <mdspan>
#endif

#include "catch.hpp"
#include "thrown.hpp"
#include "zermelo/core/adapt/eigen.hpp"
#include "zermelo/core/adapt/std.hpp"
#include "zermelo/core/dynamic_tensor.hpp"
#include "zermelo/core/tensor.hpp"

#if __has_include(<xtensor/xtensor.hpp>) || __has_include(<xtensor/containers/xtensor.hpp>)
#include "zermelo/core/adapt/xtensor.hpp"
#if __has_include(<xtensor/xview.hpp>)
#include <xtensor/xfixed.hpp>
#include <xtensor/xstrided_view.hpp>
#include <xtensor/xview.hpp>
#else
#include <xtensor/containers/xfixed.hpp>
#include <xtensor/views/xstrided_view.hpp>
#include <xtensor/views/xview.hpp>
#endif
#define ZERMELO_TEST_XTENSOR
#endif

#if __has_include(<dlpack/dlpack.h>)
#include "zermelo/core/adapt/dlpack.hpp"
#define ZERMELO_TEST_DLPACK
#endif

namespace zm = zermelo;

namespace {

template <class View>
auto in_order(const View& v) {
  std::vector<double> all;
  for (std::int64_t k = 0; k < v.size(); ++k) all.push_back(static_cast<double>(v.element(k)));
  return all;
}

using numbers = std::vector<double>;

/// Takes matrices, of any of the element types that visit tries.
struct sum_of_matrix {
  template <class T>
  double operator()(zm::tensor_view<T, 2> v) const {
    double sum = 0;
    for (std::int64_t k = 0; k < v.size(); ++k) sum += static_cast<double>(v.element(k));
    return sum;
  }
};

}  // namespace

TEST_CASE("a transposed view has its dimensions in reverse, without a copy") {
  const float m[2][3] = {{1, 2, 3}, {4, 5, 6}};
  const auto t = zm::transposed(m);
  CHECK(t.data == m[0]);
  CHECK(in_order(t) == numbers{1, 4, 2, 5, 3, 6});
  CHECK(in_order(zm::transposed(t)) == in_order(zm::view(m)));
}

TEST_CASE("a broadcast repeats what has extent 1 or is absent, and refuses the rest") {
  const double row[] = {1, 2, 3};
  const auto rows = zm::broadcast(row, {2, 3});
  CHECK(rows.data == row);
  CHECK(in_order(rows) == numbers{1, 2, 3, 1, 2, 3});
  const double column[2][1] = {{1}, {2}};
  CHECK(in_order(zm::broadcast(column, {2, 3})) == numbers{1, 1, 1, 2, 2, 2});
  CHECK(in_order(zm::broadcast(column, {2, 2, 1})) == numbers{1, 2, 1, 2});
  const std::int64_t many = std::int64_t{1} << 40;
  CHECK(zm::broadcast(row, {many, 3}).element(3 * many - 1) == 3);
  const auto error = thrown<zm::shape_error>([&] { zm::broadcast(row, {3, 2}); });
  CHECK(std::string(error.what()) == "x: dimension 0 has 3 elements, expected 1 or 2");
  STATIC_REQUIRE(std::is_const_v<decltype(zm::broadcast(std::declval<double(&)[3]>(), {2, 3}))::element_type>);
}

TEST_CASE("the standard library's ranges are made like each other") {
  const std::vector<float> v = {1, 2, 3};
  const double c[] = {1, 2};
  STATIC_REQUIRE(std::is_same_v<decltype(zm::make_like(v)), std::vector<float>>);
  STATIC_REQUIRE(std::is_same_v<decltype(zm::make_like(c)), std::array<double, 2>>);
  STATIC_REQUIRE(std::is_same_v<decltype(zm::make_like(c, {5})), std::vector<double>>);
  STATIC_REQUIRE(std::is_same_v<decltype(zm::make_like(std::array<int, 4>{})), std::array<int, 4>>);
  STATIC_REQUIRE(std::is_same_v<decltype(zm::make_like(std::span(v))), std::vector<float>>);
  STATIC_REQUIRE(std::is_same_v<decltype(zm::make_like(zm::view(v))), std::vector<float>>);
  CHECK(zm::make_like(v).size() == 3);
  CHECK(zm::make_like(v, {7}).size() == 7);
  CHECK(zm::make_like(std::span(c)).size() == 2);
  CHECK(zm::as_span(v).data() == v.data());
  const float m[2][3] = {{1, 2, 3}, {4, 5, 6}};
  CHECK(zm::as_span(m).size() == 6);
  CHECK(thrown<zm::shape_error>([&] { zm::as_span(zm::transposed(m)); }).argument() == "x");
}

TEST_CASE("Eigen's types are made like each other, and map any tensor") {
  using by_rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const by_rows m = by_rows::Constant(2, 3, 1);
  STATIC_REQUIRE(std::is_same_v<decltype(zm::make_like(m)), by_rows>);
  STATIC_REQUIRE(std::is_same_v<decltype(zm::make_like(m, {4})), Eigen::VectorXf>);
  STATIC_REQUIRE(std::is_same_v<decltype(zm::make_like(Eigen::Array3d())), Eigen::Array3d>);
  STATIC_REQUIRE(std::is_same_v<decltype(zm::make_like(Eigen::ArrayXd(), {2, 2})), Eigen::ArrayXXd>);
  STATIC_REQUIRE(std::is_same_v<decltype(zm::make_like(Eigen::RowVectorXd(), {2})), Eigen::RowVectorXd>);
  CHECK(zm::make_like(m).rows() == 2);
  CHECK(zm::make_like(m.transpose(), {5, 7}).cols() == 7);
  CHECK(zm::make_like(m.row(0)).size() == 3);

  const double raw[2][3] = {{1, 2, 3}, {4, 5, 6}};
  const auto map = zm::as_eigen(raw);
  CHECK(map.data() == raw[0]);
  CHECK(map(1, 0) == 4);
  CHECK(zm::as_eigen(zm::transposed(raw))(0, 1) == 4);
  CHECK(zm::as_eigen(raw[1]).sum() == 15);
  CHECK(zm::as_eigen(zm::broadcast(raw[0], {2, 3})).sum() == 12);
  std::vector<double> v = {1, 2, 3};
  zm::as_eigen(v) *= 2;
  CHECK(v == numbers{2, 4, 6});
  CHECK(in_order(zm::view(zm::as_eigen(v).reverse().eval())) == numbers{6, 4, 2});
}

TEST_CASE("tensors whose type says all can be checked again") {
  std::vector<float> v = {1, 2, 3};
  CHECK(zm::as<float, 1>(v).data == v.data());
  CHECK(zm::as<const float, 1>(std::as_const(v)).data == v.data());
  CHECK(std::string(thrown<zm::domain_error>([&] { zm::as<double, 1>(v); }).what()) ==
        "tensor: elements of type float32, expected float64");
  CHECK(std::string(thrown<zm::shape_error>([&] { zm::as<float, 2>(v); }).what()) ==
        "tensor: rank 1 (3), expected rank 2");
  CHECK(std::string(thrown<zm::domain_error>([&] { zm::as<float, 1, zm::memory::device>(v); }).what()) ==
        "tensor: lies in host memory, expected device memory");
  CHECK(std::string(thrown<zm::domain_error>([&] { zm::as<float, 1>(std::as_const(v)); }).what()) ==
        "tensor: is only to be read, expected one that can be written");
}

#ifdef __cpp_lib_mdspan

TEST_CASE("an mdspan is a tensor") {
  const double raw[] = {1, 2, 3, 4, 5, 6};
  const std::mdspan<const double, std::dextents<int, 2>, std::layout_left> by_columns(raw, 3, 2);
  CHECK(zm::view(by_columns).data == raw);
  CHECK(in_order(zm::view(by_columns)) == numbers{1, 4, 2, 5, 3, 6});
}

#endif

#ifdef ZERMELO_TEST_XTENSOR

TEST_CASE("xtensor's containers and views are tensors, whatever their strides") {
  xt::xtensor<double, 2> a = {{1, 2, 3}, {4, 5, 6}};
  const auto& read_only = a;
  CHECK(zm::view(a).data == a.data());
  CHECK(in_order(zm::view(read_only)) == numbers{1, 2, 3, 4, 5, 6});
  STATIC_REQUIRE(std::is_same_v<zm::view_t<decltype(read_only)>, zm::tensor_view<const double, 2>>);
  const xt::xtensor<double, 2, xt::layout_type::column_major> by_columns = a;
  CHECK(in_order(zm::view(by_columns)) == numbers{1, 2, 3, 4, 5, 6});
  CHECK_FALSE(zm::view(by_columns).contiguous());
  const xt::xtensor_fixed<float, xt::xshape<2, 2>> fixed = {{1, 2}, {3, 4}};
  CHECK(in_order(zm::view(fixed)) == numbers{1, 2, 3, 4});
  CHECK(in_order(zm::view(xt::view(a, xt::all(), xt::range(0, 3, 2)))) == numbers{1, 3, 4, 6});
  CHECK(in_order(zm::view(xt::view(a, 1, xt::range(1, 3)))) == numbers{5, 6});
  CHECK(in_order(zm::view(xt::transpose(a))) == numbers{1, 4, 2, 5, 3, 6});
  STATIC_REQUIRE(zm::tensor_traits<decltype(a + a)>::lazy);
  STATIC_REQUIRE(zm::tensor_traits<decltype(xt::view(a, xt::keep(0, 1), xt::all()))>::lazy);
  STATIC_REQUIRE(zm::tensor_traits<xt::xarray<double>>::dynamic);
  zm::view(xt::view(a, 1, xt::all()))(0) = 9;
  CHECK(a(1, 0) == 9);
}

TEST_CASE("xtensor's types are made like each other, and adapt any tensor") {
  const xt::xtensor<float, 2, xt::layout_type::column_major> a = {{1, 2, 3}, {4, 5, 6}};
  STATIC_REQUIRE(std::is_same_v<decltype(zm::make_like(a)), std::remove_const_t<decltype(a)>>);
  CHECK(zm::make_like(a).shape(1) == 3);
  CHECK(zm::make_like(a, {4, 5, 6}).shape(2) == 6);
  CHECK(zm::make_like(xt::view(a, 0)).size() == 3);
  const xt::xarray<double> d = {{1, 2, 3}, {4, 5, 6}};
  CHECK(zm::make_like(d).shape() == d.shape());
  CHECK(zm::make_like(d, {4}).dimension() == 1);

  double raw[2][3] = {{1, 2, 3}, {4, 5, 6}};
  auto same = zm::as_xtensor(raw);
  CHECK(same(1, 2) == 6);
  same(1, 2) = 7;
  CHECK(raw[1][2] == 7);
  CHECK(zm::as_xtensor(zm::transposed(raw))(2, 1) == 7);
  CHECK(xt::sum(zm::as_xtensor(zm::broadcast(raw[0], {4, 3})))() == 24);
  const double spread[2][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}};
  const zm::tensor_view<const double, 2> every_second{.data = spread[0], .shape = {2, 2}, .strides = {4, 2}};
  CHECK(xt::sum(zm::as_xtensor(every_second))() == 16);
}

TEST_CASE("an xt::xarray enters when its rank has been checked") {
  xt::xarray<double> a = {{1, 2, 3}, {4, 5, 6}};
  CHECK(zm::as<double, 2>(a).data == a.data());
  CHECK(in_order(zm::as<const double, 2>(std::as_const(a))) == numbers{1, 2, 3, 4, 5, 6});
  CHECK(in_order(zm::as<double, 1>(xt::view(a, 1))) == numbers{4, 5, 6});
  CHECK(std::string(thrown<zm::shape_error>([&] { zm::as<double, 1>(a); }).what()) ==
        "tensor: rank 2 (2×3), expected rank 1");
  CHECK(thrown<zm::domain_error>([&] { zm::as<double, 2>(std::as_const(a)); }).argument() == "tensor");
  CHECK(zm::visit(std::as_const(a), sum_of_matrix{}) == 21);
  CHECK(thrown<zm::domain_error>([&] { zm::visit(xt::view(a, 1), sum_of_matrix{}); }).argument() == "tensor");
}

#endif

#ifdef ZERMELO_TEST_DLPACK

TEST_CASE("a DLPack tensor enters when type, rank and device have been checked") {
  float raw[6] = {1, 2, 3, 4, 5, 6};
  std::int64_t shape[] = {2, 3}, by_columns[] = {1, 2}, middle[] = {2};
  DLTensor x{raw, {kDLCPU, 0}, 2, {kDLFloat, 32, 1}, shape, nullptr, 0};
  CHECK(zm::as<float, 2>(x).data == raw);
  CHECK(in_order(zm::as<const float, 2>(std::as_const(x))) == numbers{1, 2, 3, 4, 5, 6});
  x.strides = by_columns;
  CHECK(in_order(zm::as<float, 2>(x)) == numbers{1, 3, 5, 2, 4, 6});
  CHECK(zm::visit(x, sum_of_matrix{}) == 21);
  const DLTensor tail{raw, {kDLCPU, 0}, 1, {kDLFloat, 32, 1}, middle, nullptr, 8};
  CHECK(in_order(zm::as<float, 1>(tail)) == numbers{3, 4});

  CHECK(std::string(thrown<zm::domain_error>([&] { zm::as<std::int64_t, 2>(x); }).what()) ==
        "tensor: elements of type float32, expected int64");
  CHECK(std::string(thrown<zm::shape_error>([&] { zm::as<float, 3>(x); }).what()) ==
        "tensor: rank 2 (2×3), expected rank 3");
  CHECK(std::string(thrown<zm::domain_error>([&] { zm::visit<double>(x, sum_of_matrix{}); }).what()) ==
        "tensor: float32 of rank 2 (2×3) in host memory is none of the tensors that are taken here");
  x.device.device_type = kDLCUDA;
  CHECK(std::string(thrown<zm::domain_error>([&] { zm::as<float, 2>(x); }).what()) ==
        "tensor: lies in device memory, expected host memory");
  CHECK(zm::as<float, 2, zm::memory::device>(x).data == raw);
  x.device.device_type = kDLCUDAManaged;
  CHECK(zm::as<float, 2>(x).data == raw);
  CHECK(zm::as<float, 2, zm::memory::device>(x).data == raw);
  x.device.device_type = kDLROCM;
  CHECK(std::string(thrown<zm::domain_error>([&] { zm::as<float, 2>(x); }).what()) ==
        "tensor: lies in the memory of another kind of device, expected host memory");
  x.dtype = {kDLBfloat, 16, 1};
  CHECK(std::string(thrown<zm::domain_error>([&] { zm::as<float, 2>(x); }).what()) ==
        "tensor: elements of type bfloat16, expected float32");
  x.ndim = 9;
  CHECK(thrown<zm::shape_error>([&] { zm::as<float, 2>(x); }).argument() == "tensor");
}

TEST_CASE("tensors move into DLPack and back without a copy, and end with it") {
  std::vector<double> v = {1, 2, 3};
  const double* where = v.data();
  DLManagedTensor* managed = zm::into_dlpack(std::move(v)).release();
  CHECK(managed->dl_tensor.data == where);
  CHECK(in_order(zm::as<double, 1>(*managed)) == numbers{1, 2, 3});
  zm::dlpack_tensor owner(managed);
  CHECK(owner->shape[0] == 3);

  const auto made = zm::make_like(owner, {2, 5});
  CHECK(zm::as<double, 2>(made).size() == 10);
  CHECK(reinterpret_cast<std::uintptr_t>(made->data) % 256 == 0);
  CHECK(zm::as<double, 1>(zm::make_like(*owner)).size() == 3);

  Eigen::MatrixXf m(2, 2);
  m << 1, 2, 3, 4;
  zm::dlpack_view borrowed(m);
  CHECK(in_order(zm::as<float, 2>(*borrowed)) == numbers{1, 2, 3, 4});
  zm::dlpack_tensor moved = zm::into_dlpack(std::move(m));
  moved = zm::make_like(moved);
  CHECK(moved->ndim == 2);
}

#endif
