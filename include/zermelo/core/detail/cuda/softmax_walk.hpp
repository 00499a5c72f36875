// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <type_traits>

#include "../../config.hpp"
#include "../../primitives/arguments.hpp"
#include "../../value.hpp"
#include "columns.hpp"
#include "faults.hpp"
#include "map_walk.hpp"

namespace zermelo::inline v1::detail {

enum class softmax_output { probabilities, logarithms, normaliser };

/// The softmax of rows, one block a row: the row's largest element, the sum of exponentials below it, the outputs. The
/// second and third look at a row finds it in a cache.
template <class T, softmax_output Form, class X, class O>
struct softmax_walk {
  using largest_part = map_part<bundle<largest<double>>>;
  using sum_part = map_part<bundle<total<double>>>;

  X x;  ///< tensor_view of rank 2
  O out;

  ZERMELO_FN T at(std::int64_t r, std::int64_t j) const {
    return static_cast<T>(x.data[r * x.strides[0] + j * x.strides[1]]);
  }

  /// The first look: of every `lanes`-th element. A NaN is noted with the row as its index, since the host says where.
  ZERMELO_FN largest_part largest_of_lane(std::int64_t r, int lane, int lanes) const {
    T most = -infinity<T>();
    bool bad = false;
    for (std::int64_t j = lane; j < x.shape[1]; j += lanes) {
      const T v = at(r, j);
      bad = bad || is_nan(v);
      most = most < v ? v : most;
    }
    return {bad ? word_of(fault_code::refused, 0, r) : no_fault,
            bundle<largest<double>>(largest<double>(static_cast<double>(most)))};
  }

  /// What exponents are taken relative to: the largest element, if it is finite.
  ZERMELO_FN static T shift_of(double most) { return static_cast<T>(is_finite(most) ? most : 0.0); }

  ZERMELO_FN sum_part sum_of_lane(std::int64_t r, double most, int lane, int lanes) const {
    const T shift = shift_of(most);
    double sum = 0;
    std::int64_t j = lane;
    while (j < x.shape[1]) {
      T some = T(0);
      for (std::int64_t run = 0; run < lane_run && j < x.shape[1]; ++run, j += lanes)
        some += exp_nonpositive(at(r, j) - shift);
      sum += static_cast<double>(some);
    }
    return {no_fault, bundle<total<double>>(total<double>(sum))};
  }

  /// Whether the softmax of a row with this largest element is undefined: all are −∞, or one is +∞.
  ZERMELO_FN fault_word fault_of_row(std::int64_t r, double most) const {
    return Form != softmax_output::normaliser && x.shape[1] > 0 && !is_finite(most) ? word_of(fault_code::refused, 0, r)
                                                                                    : no_fault;
  }

  /// The last look.
  ZERMELO_FN void write_lane(std::int64_t r, double most, double sum, int lane, int lanes) const {
    using element = typename O::value_type;
    if constexpr (Form == softmax_output::normaliser) {
      if (lane == 0) out.element(r) = static_cast<element>(is_finite(most) ? most + log(sum) : most);
    } else {
      const T shift = shift_of(most), factor = static_cast<T>(1 / sum), below = static_cast<T>(log(sum));
      for (std::int64_t j = lane; j < x.shape[1]; j += lanes) {
        const T d = at(r, j) - shift;
        out.data[r * out.strides[0] + j * out.strides[1]] =
            static_cast<element>(Form == softmax_output::probabilities ? exp_nonpositive(d) * factor : d - below);
      }
    }
  }
};

}  // namespace zermelo::inline v1::detail
