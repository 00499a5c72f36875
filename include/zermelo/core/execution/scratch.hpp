// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "../config.hpp"
#include "policy.hpp"

/// Scratch memory of calls on the host, which a policy may keep from one call to the next.
///
///     zermelo::with_scratch<zermelo::threads> pool(4);   // made once
///     zermelo::sort(pool, keys);                         // the first call allocates; later ones of its size do not
namespace zermelo::inline v1 {

/// Memory that grows to what the largest call needed, and is then reused. The calls of one thread at a time use it; those
/// of other threads meanwhile allocate for themselves.
class scratch_memory {
 public:
  scratch_memory() = default;
  scratch_memory(const scratch_memory&) = delete;
  scratch_memory& operator=(const scratch_memory&) = delete;
  ZERMELO_INLINE ~scratch_memory() { ::operator delete(block_); }

  /// Bytes that are kept.
  ZERMELO_INLINE std::size_t capacity() const { return capacity_; }

  /// A piece of memory for as long as this lives: of the scratch memory, if it has room. Pieces end in reverse order.
  class piece {
   public:
    ZERMELO_INLINE piece(scratch_memory* from, std::size_t bytes) : from_(from), bytes_((bytes + 63) / 64 * 64) {
      if (from_ != nullptr && !from_->enter()) from_ = nullptr;
      if (from_ != nullptr) data_ = from_->push(bytes_);
      if (data_ == nullptr) {
        own_ = ::operator new(bytes_, std::nothrow);
        data_ = own_;
        if (own_ == nullptr) {
          if (from_ != nullptr) from_->pop(bytes_);
          throw std::bad_alloc();
        }
      }
    }
    piece(const piece&) = delete;
    piece& operator=(const piece&) = delete;
    ZERMELO_INLINE ~piece() {
      ::operator delete(own_);
      if (from_ != nullptr) from_->pop(bytes_);
    }
    ZERMELO_INLINE void* data() const { return data_; }

   private:
    scratch_memory* from_;
    std::size_t bytes_;
    void* data_ = nullptr;
    void* own_ = nullptr;
  };

 private:
  ZERMELO_INLINE static const void* this_thread() {
    static thread_local char mark;
    return &mark;
  }
  ZERMELO_INLINE bool enter() {
    const void* owner = nullptr;
    return owner_.compare_exchange_strong(owner, this_thread(), std::memory_order_acquire) || owner == this_thread();
  }
  ZERMELO_INLINE void* push(std::size_t bytes) {
    ++pieces_;
    used_ += bytes;
    most_ = used_ > most_ ? used_ : most_;
    return used_ <= capacity_ ? static_cast<std::byte*>(block_) + (used_ - bytes) : nullptr;
  }
  ZERMELO_INLINE void pop(std::size_t bytes) {
    used_ -= bytes;
    if (--pieces_ > 0) return;
    if (most_ > capacity_) {
      ::operator delete(block_);
      block_ = ::operator new(most_, std::nothrow);  // without it the next call allocates for itself
      capacity_ = block_ != nullptr ? most_ : 0;
    }
    owner_.store(nullptr, std::memory_order_release);
  }

  void* block_ = nullptr;
  std::size_t capacity_ = 0, used_ = 0, most_ = 0;
  std::int64_t pieces_ = 0;
  std::atomic<const void*> owner_{nullptr};
};

/// The policy P, with scratch memory that it keeps. Pass it by reference.
template <host_policy P>
class with_scratch {
 public:
  template <class... Arguments>
  ZERMELO_INLINE explicit with_scratch(Arguments&&... arguments) : policy_{std::forward<Arguments>(arguments)...} {}

  ZERMELO_INLINE const P& policy() const { return policy_; }
  ZERMELO_INLINE scratch_memory& scratch() const { return scratch_; }

 private:
  P policy_;
  mutable scratch_memory scratch_;
};

template <host_policy P>
struct host_policy_traits<with_scratch<P>> {
  static constexpr bool enabled = true;
  static constexpr bool vector_units = host_policy_traits<P>::vector_units;
  ZERMELO_INLINE static int concurrency(const with_scratch<P>& on) { return zermelo::concurrency(on.policy()); }
  ZERMELO_INLINE static scratch_memory* scratch(const with_scratch<P>& on) { return &on.scratch(); }
  template <class F>
  ZERMELO_INLINE static void for_each_tile(const with_scratch<P>& on, std::int64_t tiles, F& f) {
    zermelo::for_each_tile(on.policy(), tiles, f);
  }
};

namespace detail::inline ZERMELO_ISA {

/// n numbers, not set to anything, for as long as this lives: in the scratch memory of the policy, if it has one.
template <class T>
class scratch_array {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  template <host_policy P>
  ZERMELO_INLINE scratch_array(const P& policy, std::int64_t n)
      : piece_(scratch_of(policy), static_cast<std::size_t>(n) * sizeof(T)) {}
  ZERMELO_INLINE T* data() const { return static_cast<T*>(piece_.data()); }
  ZERMELO_INLINE T& operator[](std::int64_t k) const { return data()[k]; }

 private:
  template <class P>
  ZERMELO_INLINE static scratch_memory* scratch_of(const P& policy) {
    if constexpr (requires { host_policy_traits<P>::scratch(policy); })
      return host_policy_traits<P>::scratch(policy);
    else
      return nullptr;
  }
  scratch_memory::piece piece_;
};

}  // namespace detail::inline ZERMELO_ISA
}  // namespace zermelo::inline v1
