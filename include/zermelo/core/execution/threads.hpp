// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "policy.hpp"

namespace zermelo::inline v1 {
namespace detail {

/// One batch of tiles at a time: workers and the caller draw tile numbers from one counter.
struct thread_pool {
  std::atomic<bool> taken{false};  // by the caller whose batch is running
  std::mutex lock;
  std::condition_variable wake, idle;
  std::vector<std::thread> workers;
  std::uint64_t batch = 0;
  int busy = 0;
  bool stop = false;

  void (*body)(void*, std::int64_t) = nullptr;
  void* context = nullptr;
  std::int64_t tiles = 0;
  std::atomic<std::int64_t> next{0};
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

inline void work(thread_pool& pool) {
  std::uint64_t seen = 0;
  std::unique_lock hold(pool.lock);
  for (;;) {
    pool.wake.wait(hold, [&] { return pool.stop || pool.batch != seen; });
    if (pool.stop) return;
    seen = pool.batch;
    hold.unlock();
    run_tiles(pool);
    hold.lock();
    if (--pool.busy == 0) pool.idle.notify_one();
  }
}

inline void stop(thread_pool& pool) {
  {
    const std::lock_guard hold(pool.lock);
    pool.stop = true;
  }
  pool.wake.notify_all();
  for (auto& worker : pool.workers) worker.join();
}

inline void start(thread_pool& pool, int workers) {
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
  {
    const std::lock_guard hold(pool.lock);
    pool.body = body;
    pool.context = context;
    pool.tiles = tiles;
    pool.next.store(0, std::memory_order_relaxed);
    pool.failure = nullptr;
    pool.busy = static_cast<int>(pool.workers.size());
    ++pool.batch;
  }
  pool.wake.notify_all();
  run_tiles(pool);
  std::exception_ptr failure;
  {
    std::unique_lock hold(pool.lock);
    pool.idle.wait(hold, [&] { return pool.busy == 0; });
    failure = std::exchange(pool.failure, nullptr);
  }
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
