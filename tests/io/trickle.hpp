// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <string_view>
#include <zermelo/io/battles.hpp>

/// Hands out a text in pieces of at most `piece` bytes.
struct trickle {
  std::string_view text;
  std::size_t piece;
  std::size_t operator()(char* to, std::size_t room) {
    const std::size_t n = (std::min)({room, piece, text.size()});
    if (n != 0) std::memcpy(to, text.data(), n);
    text.remove_prefix(n);
    return n;
  }
};

/// Reads on behind what is wrong, and tells of it at the end.
inline zermelo::io::battle_options collecting() {
  zermelo::io::battle_options options;
  options.on_error = zermelo::io::error_policy::collect;
  return options;
}
