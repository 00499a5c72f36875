// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// zermelo: tensors in device memory need CUDA. compile this file as CUDA
#include "zermelo/alignment/dpo.hpp"
#include "zermelo/core/pair_loss.hpp"

void run(zermelo::tensor_view<double, 1, zermelo::memory::device> x) {
  zermelo::pair_loss(zermelo::alignment::dpo{}, x, x, zermelo::no_reference, zermelo::no_reference, zermelo::discard,
                     zermelo::discard, zermelo::discard);
}
