// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/value.hpp"

namespace zermelo::inline v1::alignment {

/// How a linear head is fused with the log-softmax behind it. Tiles change memory, speed and the last digits, nothing else.
struct fused_parameters {
  std::int64_t ignore_index = -100;  ///< targets that are not scored
  double softcap = 0;                ///< c > 0 takes c tanh(z/c) for a logit z, after the bias; 0 does not
  double negligible = 0;             ///< gradients of a tile are skipped if all are smaller: 0 skips none
  std::int64_t tile_rows = 0;        ///< rows of a tile of logits; 0 takes 256 on the host, 2048 on a device
  std::int64_t tile_vocabulary = 0;  ///< columns of a tile of logits; 0 takes 1024, or 8192 on a device

  ZERMELO_INLINE void require_valid() const {
    const auto refuse = [](const char* name, const std::string& what) {
      throw domain_error(name, domain_error::whole, what);
    };
    if (!(softcap >= 0) || !is_finite(softcap))
      refuse("softcap", zermelo::detail::text(softcap) + ", expected a finite number, zero or more");
    if (is_nan(negligible) || !(negligible >= 0))
      refuse("negligible", zermelo::detail::text(negligible) + ", expected zero or more");
    if (tile_rows < 0) refuse("tile_rows", std::to_string(tile_rows) + ", expected zero or more");
    if (tile_vocabulary < 0) refuse("tile_vocabulary", std::to_string(tile_vocabulary) + ", expected zero or more");
  }
};

/// In place of a bias.
struct no_bias_t {};
inline constexpr no_bias_t no_bias{};

}  // namespace zermelo::inline v1::alignment
