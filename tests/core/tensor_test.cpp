// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/tensor.hpp"

#include <Eigen/Core>
#include <array>
#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <vector>

#include "catch.hpp"

namespace zm = zermelo;

namespace other {

/// A column of somebody else's library.
struct column {
  float numbers[6];
};
enum class colour : std::uint8_t { red, green };

}  // namespace other

template <>
struct zermelo::tensor_traits<const other::column> {
  static constexpr bool enabled = true;
  static tensor_view<const float, 1> view(const other::column& x) {
    return {.data = x.numbers, .shape = {3}, .strides = {2}};
  }
};

namespace {

template <class View>
auto in_order(const View& v) {
  std::vector<typename View::value_type> all;
  for (std::int64_t k = 0; k < v.size(); ++k) all.push_back(v.element(k));
  return all;
}

using numbers = std::vector<double>;

}  // namespace

TEST_CASE("ranges of numbers are tensors, without a copy") {
  std::vector<double> v = {1, 2, 3};
  const std::array<float, 2> a = {4, 5};
  int c[] = {6, 7, 8};
  const double m[2][3] = {{1, 2, 3}, {4, 5, 6}};
  CHECK(zm::view(v).data == v.data());
  CHECK(zm::view(v).shape[0] == 3);
  CHECK(zm::view(std::span<const double>(v)).data == v.data());
  CHECK(zm::view(a).element(1) == 5);
  CHECK(zm::view(c).size() == 3);
  CHECK(zm::view(m)(1, 0) == 4);
  CHECK(in_order(zm::view(m)) == numbers{1, 2, 3, 4, 5, 6});
  const double t[2][2][2] = {{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}};
  CHECK(zm::view(t)(1, 0, 1) == 6);
  zm::view(v)(1) = 9;
  CHECK(v[1] == 9);
  STATIC_REQUIRE(std::is_same_v<decltype(zm::view(std::declval<const std::vector<double>&>()).data), const double*>);
  STATIC_REQUIRE(std::is_same_v<zm::element_t<const std::vector<other::colour>>, other::colour>);
}

TEST_CASE("Eigen's vectors, maps and blocks are tensors, whatever their strides") {
  Eigen::VectorXd v(3);
  v << 1, 2, 3;
  CHECK(zm::view(v).data == v.data());
  STATIC_REQUIRE(zm::view_t<Eigen::VectorXd>::rank == 1);
  STATIC_REQUIRE(zm::view_t<Eigen::RowVectorXf>::rank == 1);

  Eigen::MatrixXd by_columns(2, 3);
  by_columns << 1, 2, 3, 4, 5, 6;
  const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> by_rows = by_columns;
  CHECK(in_order(zm::view(by_columns)) == numbers{1, 2, 3, 4, 5, 6});
  CHECK(in_order(zm::view(by_rows)) == numbers{1, 2, 3, 4, 5, 6});
  CHECK_FALSE(zm::view(by_columns).contiguous());
  CHECK(zm::view(by_rows).contiguous());
  CHECK(in_order(zm::view(by_columns.row(1))) == numbers{4, 5, 6});
  CHECK(in_order(zm::view(by_columns.rightCols(2))) == numbers{2, 3, 5, 6});
  CHECK(in_order(zm::view(by_columns.transpose())) == numbers{1, 4, 2, 5, 3, 6});
  double raw[] = {1, -1, 2, -1, 3, -1};
  const Eigen::Map<Eigen::VectorXd, 0, Eigen::InnerStride<2>> every_second(raw, 3);
  CHECK(in_order(zm::view(every_second)) == numbers{1, 2, 3});
}

TEST_CASE("another library's type is a tensor once its traits say where its numbers are") {
  const other::column x{{1, 0, 2, 0, 3, 0}};
  STATIC_REQUIRE(zm::tensor<const other::column>);
  CHECK(in_order(zm::view(x)) == std::vector<float>{1, 2, 3});
}

TEST_CASE("what has no numbers in memory is no tensor") {
  STATIC_REQUIRE_FALSE(zm::tensor<int>);
  STATIC_REQUIRE_FALSE(zm::tensor<std::vector<bool>>);
  STATIC_REQUIRE_FALSE(zm::tensor<std::list<double>>);
  STATIC_REQUIRE_FALSE(zm::tensor<std::vector<std::string>>);
  STATIC_REQUIRE_FALSE(zm::tensor<double*>);
}

TEST_CASE("views know their order, also where strides are zero or sizes are zero or one") {
  double x[] = {1, 2, 3, 4, 5, 6};
  const zm::tensor_view<double, 2> transposed{.data = x, .shape = {3, 2}, .strides = {1, 3}};
  CHECK(in_order(transposed) == numbers{1, 4, 2, 5, 3, 6});
  CHECK_FALSE(transposed.contiguous());
  const zm::tensor_view<double, 1> repeated{.data = x, .shape = {3}, .strides = {0}};
  CHECK(in_order(repeated) == numbers{1, 1, 1});
  CHECK_FALSE(repeated.contiguous());
  CHECK(zm::tensor_view<double, 1>{.data = x, .shape = {1}, .strides = {0}}.contiguous());
  CHECK(zm::tensor_view<double, 2>{.data = x, .shape = {0, 7}, .strides = {0, 3}}.contiguous());
  CHECK(zm::tensor_view<double, 2>{.data = x, .shape = {1, 6}, .strides = {99, 1}}.contiguous());
  const zm::tensor_view<const double, 2> read_only = transposed;
  CHECK(read_only(2, 1) == 6);
}

TEST_CASE("sizes and offsets of views are 64 bits wide") {
  const std::int64_t many = (std::int64_t{1} << 31) + 5;
  static double cell = 7;
  const zm::tensor_view<double, 2> huge{.data = &cell, .shape = {3, many}, .strides = {0, 0}};
  CHECK(huge.size() == 3 * many);
  CHECK(huge.element(2 * many + 17) == 7);
  CHECK_FALSE(huge.contiguous());
  // A row-major position splits into indices whose offsets need more than 32 bits.
  const std::int8_t bytes[] = {1, 2};
  const zm::tensor_view<const std::int8_t, 2> sparse{.data = bytes, .shape = {2, many}, .strides = {1, 0}};
  CHECK(sparse.element(many - 1) == 1);
  CHECK(sparse.element(many) == 2);
}
