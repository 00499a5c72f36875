// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// the type of this tensor does not say its rank and elements. pass zermelo::as<double, 2>.x.
#include <cstdint>

#include "zermelo/core/tensor.hpp"

// dlpack.h's, by its members.
struct dlpack_tensor {
  void* data;
  struct {
    int device_type, device_id;
  } device;
  int ndim;
  struct {
    std::uint8_t code, bits;
    std::uint16_t lanes;
  } dtype;
  std::int64_t *shape, *strides;
  std::uint64_t byte_offset;
};

auto numbers_of(const dlpack_tensor& x) { return zermelo::view(x); }
