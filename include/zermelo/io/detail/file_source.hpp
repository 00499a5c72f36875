// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

#include "../../core/config.hpp"
#include "../../core/error.hpp"

namespace zermelo::inline v1::io::detail::inline ZERMELO_ISA {

/// A file, read from its beginning: source(to, room) writes at most `room` bytes and returns how many, 0 at the end.
class file_source {
 public:
  explicit file_source(std::string path)
      : path_(std::move(path)), descriptor_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0) fail("cannot be opened");
  }
  ~file_source() { ::close(descriptor_); }
  file_source(const file_source&) = delete;
  file_source& operator=(const file_source&) = delete;

  std::size_t operator()(char* to, std::size_t room) {
    for (;;) {
      const ::ssize_t got = ::read(descriptor_, to, room);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) fail("cannot be read");
    }
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw error(path_ + ": " + what + ": " + std::generic_category().message(errno));
  }

  std::string path_;
  int descriptor_;
};

}  // namespace zermelo::inline v1::io::detail::inline ZERMELO_ISA
