// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

#include "battles_invariants.hpp"

/// The input as CSV; its first byte chooses a usual header to begin with, or none.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::string_view headers[] = {"", "model_a,model_b,winner\n", "left,right,winner,weight\n",
                                                 "note,home,away,home_wins,away_wins,ties\r\n"};
  if (size == 0) return 0;
  std::string text(headers[data[0] % std::size(headers)]);
  text.append(reinterpret_cast<const char*>(data + 1), size - 1);
  fuzz::io::battle_options options;
  options.format = (data[0] & 0x80) != 0 ? fuzz::io::battle_format::automatic : fuzz::io::battle_format::csv;
  fuzz::check(text, options);
  return 0;
}
