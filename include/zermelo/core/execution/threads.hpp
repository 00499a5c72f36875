// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "policy.hpp"

namespace zermelo::inline v1 {
namespace detail {

/// One batch of tiles at a time: the caller opens it, workers that are awake join it, and all draw tile numbers from one
/// counter. The caller waits for those who joined, not for those who slept through it.
struct thread_pool {
  static constexpr std::uint32_t open = std::uint32_t{1} << 31;

  std::atomic<bool> taken{false};       ///< by the caller whose batch is running
  std::atomic<std::uint32_t> epoch{0};  ///< batches opened so far, for workers to wait on
  std::atomic<std::uint32_t> crew{0};   ///< workers that have joined, and whether more may
  std::atomic<std::int64_t> next{0};    ///< the tile to be drawn next
  std::atomic<bool> stop{false};
  std::vector<std::thread> workers;
  bool patient = false;  ///< whether to look for a while before going to sleep

  void (*body)(void*, std::int64_t) = nullptr;
  void* context = nullptr;
  std::int64_t tiles = 0;
  std::mutex lock;  // of what follows
  std::exception_ptr failure;
  std::int64_t failed_tile = 0;
};

inline namespace ZERMELO_ISA {

inline void run_tiles(thread_pool& pool) {
  for (;;) {
    const std::int64_t t = pool.next.fetch_add(1, std::memory_order_relaxed);
    if (t >= pool.tiles) return;
    try {
      pool.body(pool.context, t);
    } catch (...) {
      const std::lock_guard hold(pool.lock);
      if (!pool.failure || t < pool.failed_tile) {
        pool.failure = std::current_exception();
        pool.failed_tile = t;
      }
      pool.next.store(pool.tiles, std::memory_order_relaxed);
      return;
    }
  }
}

/// Returns once `word` is not `value` any more. The next batch often follows within microseconds, and to wake a sleeper costs
/// as many: for 30 of them it is worth looking, if there is a core for every thread.
inline void await_change(const std::atomic<std::uint32_t>& word, std::uint32_t value, bool patient) {
  using clock = std::chrono::steady_clock;
  if (patient) {
    const auto late = clock::now() + std::chrono::microseconds(30);
    do {
      for (int k = 0; k < 32; ++k) {
        if (word.load(std::memory_order_acquire) != value) return;
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
      }
    } while (clock::now() < late);
  }
  while (word.load(std::memory_order_acquire) == value) word.wait(value, std::memory_order_acquire);
}

inline bool join(thread_pool& pool) {
  std::uint32_t seen = pool.crew.load(std::memory_order_relaxed);
  while ((seen & thread_pool::open) != 0)
    if (pool.crew.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire, std::memory_order_relaxed))
      return true;
  return false;
}

inline void work(thread_pool& pool) {
  for (std::uint32_t seen = 0;;) {
    await_change(pool.epoch, seen, pool.patient);
    seen = pool.epoch.load(std::memory_order_acquire);
    if (pool.stop.load(std::memory_order_relaxed)) return;
    if (!join(pool)) continue;
    run_tiles(pool);
    if (pool.crew.fetch_sub(1, std::memory_order_release) == 1) pool.crew.notify_one();
  }
}

inline void stop(thread_pool& pool) {
  pool.stop.store(true, std::memory_order_relaxed);
  pool.epoch.fetch_add(1, std::memory_order_release);
  pool.epoch.notify_all();
  for (auto& worker : pool.workers) worker.join();
}

inline void start(thread_pool& pool, int workers) {
  pool.patient = workers < static_cast<int>(std::thread::hardware_concurrency());
  try {
    for (int k = 0; k < workers; ++k) pool.workers.emplace_back([&pool] { work(pool); });
  } catch (...) {
    stop(pool);
    throw;
  }
}

inline void run(thread_pool& pool, std::int64_t tiles, void (*body)(void*, std::int64_t), void* context) {
  if (tiles <= 1 || pool.workers.empty() || pool.taken.exchange(true, std::memory_order_acquire)) {
    for (std::int64_t t = 0; t < tiles; ++t) body(context, t);  // nested or concurrent use: the caller does it alone
    return;
  }
  pool.body = body;
  pool.context = context;
  pool.tiles = tiles;
  pool.next.store(0, std::memory_order_relaxed);
  pool.crew.store(thread_pool::open, std::memory_order_release);
  pool.epoch.fetch_add(1, std::memory_order_release);
  pool.epoch.notify_all();
  run_tiles(pool);
  std::uint32_t left = pool.crew.fetch_and(~thread_pool::open, std::memory_order_acquire) & ~thread_pool::open;
  while (left != 0) {
    await_change(pool.crew, left, pool.patient);
    left = pool.crew.load(std::memory_order_acquire);
  }
  std::exception_ptr failure = std::exchange(pool.failure, nullptr);
  pool.taken.store(false, std::memory_order_release);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace ZERMELO_ISA
}  // namespace detail

/// Vector units on several threads, which this object owns. Pass it by reference; one object can serve many calls.
class threads {
 public:
  /// n threads in all, the caller's included; 0 takes as many as the machine reports.
  ZERMELO_INLINE explicit threads(int n = 0) {
    const int all = n > 0 ? n : static_cast<int>(std::thread::hardware_concurrency());
    detail::start(pool_, all > 1 ? all - 1 : 0);
  }
  ZERMELO_INLINE ~threads() { detail::stop(pool_); }
  threads(const threads&) = delete;
  threads& operator=(const threads&) = delete;

  /// Threads in all, the caller's included.
  ZERMELO_INLINE int size() const { return static_cast<int>(pool_.workers.size()) + 1; }

 private:
  friend struct host_policy_traits<threads>;
  mutable detail::thread_pool pool_;
};

template <>
struct host_policy_traits<threads> {
  static constexpr bool enabled = true;
  static constexpr bool vector_units = true;
  ZERMELO_INLINE static int concurrency(const threads& policy) { return policy.size(); }
  template <class F>
  ZERMELO_INLINE static void for_each_tile(const threads& policy, std::int64_t tiles, F& f) {
    detail::run(
        policy.pool_, tiles, [](void* context, std::int64_t t) { (*static_cast<F*>(context))(t); },
        const_cast<void*>(static_cast<const void*>(&f)));
  }
};

}  // namespace zermelo::inline v1
