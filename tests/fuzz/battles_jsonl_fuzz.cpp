// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "battles_invariants.hpp"

namespace {

/// Our grammar is nlohmann's, line by line. Left out: what a number may be beyond its grammar (it refuses 1e999),
/// nesting (ours is limited), and a byte order mark, which it skips.
void compare_grammars(std::string_view text) {
  if (text.size() > 250 || text.substr(0, 3) == "\xef\xbb\xbf" || text.find('\n') != text.npos) return;
  if (text.find_first_of("eE") != text.npos && text.find_first_of("0123456789") != text.npos) return;
  if (zermelo::io::detail::first_bad_byte(text.data(), text.size()) != text.size()) return;
  zermelo::io::detail::json_cursor cursor(text.data(), text.data() + text.size());
  cursor.blanks();
  bool good = cursor.skip();
  cursor.blanks();
  good = good && cursor.done();
  fuzz::require(good == nlohmann::json::accept(text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  compare_grammars(text);
  fuzz::io::battle_options options;
  options.format = fuzz::io::battle_format::jsonl;
  fuzz::check(text, options);
  return 0;
}
