// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdint>
#include <cstdio>
#include <type_traits>
#include <vector>
#include <zermelo/core/make_like.hpp>
#include <zermelo/core/primitives/map_reduce.hpp>

namespace zm = zermelo;

/// Somebody's library: a table that lies column after column.
namespace lab {
struct table {
  std::int64_t rows, columns;
  std::vector<float> cells;
};
}  // namespace lab

/// Where its numbers are; of a const table they are const.
template <class X>
  requires std::is_same_v<std::remove_const_t<X>, lab::table>
struct zermelo::tensor_traits<X> {
  static constexpr bool enabled = true;
  static auto view(X& x) {
    using number = std::remove_pointer_t<decltype(x.cells.data())>;
    return zm::tensor_view<number, 2>{.data = x.cells.data(), .shape = {x.rows, x.columns}, .strides = {1, x.rows}};
  }
};

/// How to make another one.
template <>
struct zermelo::like_traits<lab::table> {
  static constexpr bool enabled = true;
  static lab::table make(const lab::table& x) { return make(x, {x.rows, x.columns}); }
  static lab::table make(const lab::table&, const std::int64_t (&shape)[2]) {
    return {shape[0], shape[1], std::vector<float>(static_cast<std::size_t>(shape[0] * shape[1]))};
  }
};

struct logistic {
  template <class V>
  V operator()(V x) const {
    using zm::sigmoid;
    return sigmoid(x);
  }
};

int main() {
  const lab::table scores{2, 3, {0, 1, 2, 3, 4, 5}};
  lab::table probabilities = zm::make_like(scores);
  zm::map_reduce(logistic{}, zm::inputs(scores), zm::outputs(probabilities));
  const auto p = zm::view(probabilities);
  for (int r = 0; r < 2; ++r) std::printf("%.3f %.3f %.3f\n", p(r, 0), p(r, 1), p(r, 2));
}
