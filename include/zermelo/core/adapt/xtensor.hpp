// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#if __has_include(<xtensor/containers/xadapt.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xarray.hpp>
#include <xtensor/containers/xtensor.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xtensor.hpp>
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "../config.hpp"
#include "../make_like.hpp"
#include "../tensor.hpp"

/// xtensor's containers and views. What has a rank at run time only is answered with an xt::xarray.
namespace zermelo::inline v1 {

template <class X>
  requires std::is_base_of_v<xt::xexpression<X>, X>
struct like_traits<X> {
  static constexpr bool enabled = true;
  using number = typename X::value_type;
  static constexpr xt::layout_type layout =
      X::static_layout == xt::layout_type::column_major ? xt::layout_type::column_major : xt::layout_type::row_major;

  ZERMELO_INLINE static auto make(const X& x) {
    if constexpr (detail::xtensor_of_known_rank<X>) {
      constexpr std::size_t rank = std::tuple_size<std::remove_cvref_t<decltype(x.shape())>>::value;
      std::array<std::size_t, rank> shape;
      for (std::size_t r = 0; r < rank; ++r) shape[r] = static_cast<std::size_t>(x.shape()[r]);
      return xt::xtensor<number, rank, layout>(shape);
    } else {
      typename xt::xarray<number, layout>::shape_type shape(x.shape().begin(), x.shape().end());
      return xt::xarray<number, layout>(shape);
    }
  }
  template <std::size_t Rank>
  ZERMELO_INLINE static xt::xtensor<number, Rank, layout> make(const X&, const std::int64_t (&shape)[Rank]) {
    std::array<std::size_t, Rank> sizes;
    for (std::size_t r = 0; r < Rank; ++r) sizes[r] = static_cast<std::size_t>(shape[r]);
    return xt::xtensor<number, Rank, layout>(sizes);
  }
};

/// The numbers of any tensor on the host as an xtensor adaptor, which owns nothing.
template <tensor X>
ZERMELO_INLINE auto as_xtensor(X&& x) {
  const auto v = view(x);
  using view_type = std::remove_const_t<decltype(v)>;
  static_assert(view_type::where == memory::host, "zermelo: an xtensor adaptor is in host memory");
  constexpr std::size_t rank = view_type::rank;
  std::array<std::size_t, rank> shape;
  std::array<std::ptrdiff_t, rank> strides;
  for (std::size_t r = 0; r < rank; ++r) {
    shape[r] = static_cast<std::size_t>(v.shape[r]);
    strides[r] = v.shape[r] == 1 ? 0 : static_cast<std::ptrdiff_t>(v.strides[r]);  // as xtensor has it
  }
  auto* first = v.data;
  return xt::adapt(std::move(first), static_cast<std::size_t>(v.size()), xt::no_ownership(), shape, strides);
}

}  // namespace zermelo::inline v1
