// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// The text with a substitute for every control character: names come from files.
std::string printable(std::string_view utf8);

/// Columns of a terminal that the text takes.
int display_width(std::string_view utf8);

/// The text in exactly `width` columns: padded with blanks, or cut, with … at its end.
std::string in_columns(std::string_view utf8, int width);

/// The text in at most `width` columns.
std::string cut(std::string_view utf8, int width);

/// A bar on the standard error that says how far a computation is. Silent unless wanted.
class progress_bar {
 public:
  progress_bar(std::string_view what, std::int64_t all, bool wanted) : what_(what), all_(all), wanted_(wanted) {}
  void show(std::int64_t done);
  void clear();

 private:
  std::string what_;
  std::int64_t all_;
  bool wanted_;
  int shown_ = -1;  ///< per cent
};
