// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace {

/// Takes the first code point from the front of valid UTF-8.
char32_t take_code_point(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t c = length == 1 ? lead : lead & (0x7Fu >> length);
  for (std::size_t k = 1; k < std::min(length, text.size()); ++k)
    c = c << 6 | (static_cast<unsigned char>(text[k]) & 63u);
  text.remove_prefix(std::min(length, text.size()));
  return c;
}

/// Columns of one code point: 0 for combining marks, 2 for the wide characters of East Asia and for emoji.
int columns_of(char32_t c) {
  struct range {
    char32_t first, last;
  };
  static constexpr range combining[] = {{0x0300, 0x036F}, {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}};
  static constexpr range wide[] = {{0x1100, 0x115F},   {0x2E80, 0xA4CF},   {0xAC00, 0xD7A3},  {0xF900, 0xFAFF},
                                   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},  {0x1F300, 0x1F64F},
                                   {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
  const auto within = [c](const range& r) { return r.first <= c && c <= r.last; };
  if (std::any_of(std::begin(combining), std::end(combining), within)) return 0;
  return std::any_of(std::begin(wide), std::end(wide), within) ? 2 : 1;
}

}  // namespace

std::string printable(std::string_view utf8) {
  std::string out;
  while (!utf8.empty()) {
    const std::string_view rest = utf8;
    const char32_t c = take_code_point(utf8);
    if (c < 0x20 || (c >= 0x7F && c < 0xA0))
      out += "\uFFFD";
    else
      out += rest.substr(0, rest.size() - utf8.size());
  }
  return out;
}

int display_width(std::string_view utf8) {
  int width = 0;
  while (!utf8.empty()) width += columns_of(take_code_point(utf8));
  return width;
}

std::string cut(std::string_view utf8, int width) {
  if (display_width(utf8) <= width) return std::string(utf8);
  std::string_view rest = utf8;
  int used = 0;
  for (;;) {
    std::string_view after = rest;
    used += columns_of(take_code_point(after));
    if (used > width - 1) break;
    rest = after;
  }
  return std::string(utf8.substr(0, utf8.size() - rest.size())) + "…";
}

std::string in_columns(std::string_view utf8, int width) {
  std::string text = cut(utf8, width);
  text.append(static_cast<std::size_t>(std::max(0, width - display_width(text))), ' ');
  return text;
}

void progress_bar::show(std::int64_t done) {
  const int percent = static_cast<int>(100 * done / all_);
  if (!wanted_ || percent == shown_) return;
  shown_ = percent;
  std::string bar;
  for (int k = 0; k < 40; ++k) bar += 100 * k < 40 * percent ? "█" : "░";
  fmt::print(stderr, "\r{} {} {:3d} %", what_, bar, percent);
  std::fflush(stderr);
}

void progress_bar::clear() {
  if (shown_ >= 0) fmt::print(stderr, "\r\033[K");
}
