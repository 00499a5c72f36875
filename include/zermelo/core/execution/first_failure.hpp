// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <limits>
#include <mutex>

#include "../config.hpp"

namespace zermelo::inline v1 {

/// Keeps the exception of the smallest tile that throws, for schedulers (specialisations of host_policy_traits) that run tiles
/// in any order, or where no exception may pass. Tiles behind one that failed are skipped; those before it run, so that which one is kept does not depend
/// on the order.
class first_failure {
 public:
  /// f(tile), unless a smaller tile has failed.
  template <class F>
  ZERMELO_INLINE void run(F& f, std::int64_t tile) noexcept {
    if (tile > tile_.load(std::memory_order_relaxed)) return;
    try {
      f(tile);
    } catch (...) {
      const std::lock_guard hold(lock_);
      if (tile < tile_.load(std::memory_order_relaxed)) {
        exception_ = std::current_exception();
        tile_.store(tile, std::memory_order_relaxed);
      }
    }
  }

  /// Throws it, if there was one. For when all tiles are done.
  ZERMELO_INLINE void rethrow() const {
    if (exception_) std::rethrow_exception(exception_);
  }

 private:
  std::atomic<std::int64_t> tile_{(std::numeric_limits<std::int64_t>::max)()};
  std::mutex lock_;
  std::exception_ptr exception_;
};

}  // namespace zermelo::inline v1
