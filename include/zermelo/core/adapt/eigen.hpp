// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../config.hpp"
#include "../make_like.hpp"
#include "../tensor.hpp"

/// Eigen's dense matrices, vectors and arrays.
namespace zermelo::inline v1 {

template <class X>
  requires std::is_base_of_v<Eigen::DenseBase<X>, X>
struct like_traits<X> {
  static constexpr bool enabled = true;
  using plain = typename X::PlainObject;
  using scalar = typename X::Scalar;
  static constexpr int options = int{X::IsRowMajor} == 1 ? int{Eigen::RowMajor} : int{Eigen::ColMajor};
  static constexpr bool is_row = X::IsVectorAtCompileTime && X::RowsAtCompileTime == 1;
  template <int Rows, int Columns, int Options>
  using same_kind =
      std::conditional_t<std::is_base_of_v<Eigen::ArrayBase<X>, X>, Eigen::Array<scalar, Rows, Columns, Options>,
                         Eigen::Matrix<scalar, Rows, Columns, Options>>;

  ZERMELO_INLINE static plain make(const X& x) {
    plain like;
    like.resize(x.rows(), x.cols());
    return like;
  }
  template <std::size_t Rank>
  ZERMELO_INLINE static auto make(const X&, const std::int64_t (&shape)[Rank]) {
    static_assert(Rank <= 2, "zermelo: Eigen's matrices have at most two dimensions");
    if constexpr (Rank == 1 && is_row)
      return same_kind<1, Eigen::Dynamic, Eigen::RowMajor>(static_cast<Eigen::Index>(shape[0]));
    else if constexpr (Rank == 1)
      return same_kind<Eigen::Dynamic, 1, Eigen::ColMajor>(static_cast<Eigen::Index>(shape[0]));
    else
      return same_kind < Eigen::Dynamic, Eigen::Dynamic,
             X::IsVectorAtCompileTime
                 ? int{Eigen::ColMajor}
                 : options > (static_cast<Eigen::Index>(shape[0]), static_cast<Eigen::Index>(shape[1]));
  }
};

/// The numbers of any tensor of one or two dimensions on the host as an Eigen::Map: a column, or a matrix.
template <tensor X>
ZERMELO_INLINE auto as_eigen(X&& x) {
  const auto v = view(x);
  using view_type = std::remove_const_t<decltype(v)>;
  using element = typename view_type::element_type;
  using number = typename view_type::value_type;
  static_assert(view_type::where == memory::host && view_type::rank <= 2,
                "zermelo: an Eigen::Map has one or two dimensions and is in host memory");
  if constexpr (view_type::rank == 1) {
    using column = Eigen::Matrix<number, Eigen::Dynamic, 1>;
    using stride = Eigen::InnerStride<Eigen::Dynamic>;
    using same = std::conditional_t<std::is_const_v<element>, const column, column>;
    return Eigen::Map<same, Eigen::Unaligned, stride>(v.data, v.shape[0], stride(v.strides[0]));
  } else {
    using matrix = Eigen::Matrix<number, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    using stride = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
    using same = std::conditional_t<std::is_const_v<element>, const matrix, matrix>;
    return Eigen::Map<same, Eigen::Unaligned, stride>(v.data, v.shape[0], v.shape[1],
                                                      stride(v.strides[0], v.strides[1]));
  }
}

}  // namespace zermelo::inline v1
