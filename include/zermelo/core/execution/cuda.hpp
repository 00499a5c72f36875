// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../config.hpp"
#include "../detail/cuda/faults.hpp"
#include "../error.hpp"
#include "policy.hpp"

/// Execution on a CUDA device. In a file that is not compiled as CUDA this header only declares the policy.
///
///     zermelo::cuda gpu(stream);                                      // made once: it owns the scratch memory
///     auto sums = zermelo::pair_loss(gpu, dpo{}, chosen, …);          // waits, and throws what the host would throw
///
///     zermelo::device_record record(gpu);                             // room for the answer of one call
///     auto later = zermelo::pair_loss(gpu.into(record), dpo{}, chosen, …);   // only launches: can be captured in a graph
///     later.value();                                                  // waits and throws
namespace zermelo::inline v1 {

class cuda;

#if defined(__CUDACC__)

namespace detail::inline ZERMELO_ISA {

/// CUDA's errors as ours.
ZERMELO_INLINE void require_cuda(cudaError_t status, const char* what) {
  if (status != cudaSuccess) [[unlikely]]
    throw error(std::string("CUDA, ") + what + ": " + cudaGetErrorString(status));
}

/// After a launch: what was wrong with it.
ZERMELO_INLINE void require_launched(const char* what) { require_cuda(cudaGetLastError(), what); }

}  // namespace detail::inline ZERMELO_ISA

/// Where a policy's scratch memory comes from: two functions in stream order, and what they are called with.
struct device_memory_resource {
  void* context = nullptr;
  cudaError_t (*allocate)(void* context, void** memory, std::size_t bytes, cudaStream_t stream) = nullptr;
  cudaError_t (*deallocate)(void* context, void* memory, cudaStream_t stream) = nullptr;

  /// The memory pool of the current device: cudaMallocAsync.
  ZERMELO_INLINE static device_memory_resource pool() { return {nullptr, &allocate_in_pool, &free_in_pool}; }
  /// cudaMalloc, which waits for the device; for devices without memory pools.
  ZERMELO_INLINE static device_memory_resource plain() { return {nullptr, &allocate_plainly, &free_plainly}; }

 private:
  static cudaError_t allocate_in_pool(void*, void** memory, std::size_t bytes, cudaStream_t stream) {
    return cudaMallocAsync(memory, bytes, stream);
  }
  static cudaError_t free_in_pool(void*, void* memory, cudaStream_t stream) { return cudaFreeAsync(memory, stream); }
  static cudaError_t allocate_plainly(void*, void** memory, std::size_t bytes, cudaStream_t) {
    return cudaMalloc(memory, bytes);
  }
  static cudaError_t free_plainly(void*, void* memory, cudaStream_t) { return cudaFree(memory); }
};

class device_record;
class recording_cuda;

/// Runs on the current CUDA device, in the order of a stream. Owns the scratch memory of its calls, which grows to what
/// the largest call needs and is then reused: later calls allocate nothing. Not to be used by two threads at once; the
/// stream must outlive it.
class cuda {
 public:
  ZERMELO_INLINE explicit cuda(cudaStream_t stream = nullptr,
                               device_memory_resource resource = device_memory_resource::pool())
      : stream_(stream), resource_(resource) {}
  cuda(const cuda&) = delete;
  cuda& operator=(const cuda&) = delete;
  ZERMELO_INLINE ~cuda() {
    for (const kept& k : kept_) k.destroy(k.object);
    for (void* block : blocks_) static_cast<void>(resource_.deallocate(resource_.context, block, stream_));
  }

  ZERMELO_INLINE cudaStream_t stream() const { return stream_; }
  ZERMELO_INLINE const device_memory_resource& resource() const { return resource_; }

  /// Waits for everything in the stream. Errors: zermelo::error with what CUDA says.
  ZERMELO_INLINE void synchronise() const {
    detail::require_cuda(cudaStreamSynchronize(stream_), "waiting for the stream");
  }

  /// Makes room for calls that need so many bytes of scratch memory, as is necessary before a call is captured for the
  /// first time. Outgrown memory is kept until the policy is destroyed, since graphs may refer to it.
  ZERMELO_INLINE void reserve(std::size_t bytes) const {
    if (bytes <= capacity_) return;
    cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
    detail::require_cuda(cudaStreamIsCapturing(stream_, &capture), "asking whether the stream is captured");
    if (capture != cudaStreamCaptureStatusNone)
      throw error("the scratch memory of " + std::to_string(capacity_) + " bytes must grow to " +
                  std::to_string(bytes) +
                  ", which a graph cannot record: reserve it, or call once, before the capture");
    const std::size_t size = bytes > 2 * capacity_ ? bytes : 2 * capacity_;
    void* memory = nullptr;
    blocks_.reserve(blocks_.size() + 1);  // so that nothing throws between here and there
    detail::require_cuda(resource_.allocate(resource_.context, &memory, size, stream_), "allocating scratch memory");
    blocks_.push_back(memory);
    capacity_ = size;
  }

  /// Bytes of scratch memory there are.
  ZERMELO_INLINE std::size_t reserved() const { return capacity_; }

  /// Scratch memory of this many bytes, valid in stream order until the next call that uses this policy.
  ZERMELO_INLINE std::byte* workspace(std::size_t bytes) const {
    reserve(bytes);
    return blocks_.empty() ? nullptr : static_cast<std::byte*>(blocks_.back());
  }

  /// An X(), made at the first call and kept as long as the policy: a library's handle.
  template <class X>
  ZERMELO_INLINE X& keep() const {
    for (const kept& k : kept_)
      if (k.destroy == &destroy_kept<X>) return *static_cast<X*>(k.object);
    kept_.reserve(kept_.size() + 1);
    X* const made = new X();
    kept_.push_back({made, &destroy_kept<X>});
    return *made;
  }

  /// The same policy for calls that leave their answer on the device.
  ZERMELO_INLINE recording_cuda into(device_record& record) const;

 private:
  struct kept {
    void* object;
    void (*destroy)(void*);
  };
  template <class X>
  static void destroy_kept(void* x) {
    delete static_cast<X*>(x);
  }

  cudaStream_t stream_;
  device_memory_resource resource_;
  mutable std::vector<kept> kept_;
  mutable std::vector<void*> blocks_;
  mutable std::size_t capacity_ = 0;
};

/// Device memory for the fault and the sums of one call. It must outlive the results that refer to it, and graphs.
class device_record {
 public:
  static constexpr std::size_t bytes = 1024;
  static constexpr std::size_t header = 16;  ///< the word of the fault; sums lie behind it

  ZERMELO_INLINE explicit device_record(const cuda& policy) : stream_(policy.stream()), resource_(policy.resource()) {
    detail::require_cuda(resource_.allocate(resource_.context, &memory_, bytes, stream_), "allocating a record");
  }
  device_record(const device_record&) = delete;
  device_record& operator=(const device_record&) = delete;
  ZERMELO_INLINE ~device_record() { static_cast<void>(resource_.deallocate(resource_.context, memory_, stream_)); }

  ZERMELO_INLINE void* data() const { return memory_; }

 private:
  cudaStream_t stream_;
  device_memory_resource resource_;
  void* memory_ = nullptr;
};

/// A policy `cuda` whose calls write faults and sums into a record, return a device_result, and neither wait nor allocate
/// once the scratch memory is large enough.
class recording_cuda {
 public:
  ZERMELO_INLINE recording_cuda(const cuda& policy, device_record& record) : policy_(&policy), record_(&record) {}
  ZERMELO_INLINE const cuda& policy() const { return *policy_; }
  ZERMELO_INLINE device_record& record() const { return *record_; }

 private:
  const cuda* policy_;
  device_record* record_;
};

ZERMELO_INLINE recording_cuda cuda::into(device_record& record) const { return {*this, record}; }

template <>
struct device_policy_traits<cuda> {
  static constexpr bool enabled = true;
  static constexpr bool records = false;
};
template <>
struct device_policy_traits<recording_cuda> {
  static constexpr bool enabled = true;
  static constexpr bool records = true;
};

namespace detail::inline ZERMELO_ISA {

ZERMELO_INLINE const cuda& cuda_of(const cuda& policy) { return policy; }
ZERMELO_INLINE const cuda& cuda_of(const recording_cuda& policy) { return policy.policy(); }

/// The policy itself, or the `cuda` that another library's policy stands for: it has the stream, and scratch memory of the
/// one call.
template <device_policy P>
ZERMELO_INLINE decltype(auto) as_cuda(const P& policy) {
  if constexpr (requires { device_policy_traits<P>::stands_for(policy); })
    return device_policy_traits<P>::stands_for(policy);
  else
    return policy;
}

template <class P>
inline constexpr bool records_results = device_policy_traits<std::remove_cvref_t<P>>::records;

/// `count` numbers from device memory, in stream order; waits for them.
template <class T>
ZERMELO_INLINE void copy_to_host(const cuda& policy, T* to, const void* from, std::size_t count = 1) {
  require_cuda(cudaMemcpyAsync(to, from, count * sizeof(T), cudaMemcpyDeviceToHost, policy.stream()),
               "copying from the device");
  policy.synchronise();
}

/// Scratch memory in parts, each of which begins at a multiple of 256 bytes.
class scratch_layout {
 public:
  template <class T>
  ZERMELO_INLINE std::size_t add(std::int64_t count) {
    const std::size_t at = bytes_;
    bytes_ += (static_cast<std::size_t>(count) * sizeof(T) + 255) / 256 * 256;
    return at;
  }
  ZERMELO_INLINE std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_ = device_record::bytes;  // the record of calls that wait comes first
};

/// The scratch memory of a call and the record that it writes.
template <class P>
struct device_scratch {
  std::byte* base;
  void* record;
  ZERMELO_INLINE device_scratch(const P& policy, const scratch_layout& layout)
      : base(cuda_of(policy).workspace(layout.bytes())), record(base) {
    if constexpr (records_results<P>) record = policy.record().data();
  }
  template <class T>
  ZERMELO_INLINE T* at(std::size_t offset) const {
    return reinterpret_cast<T*>(base + offset);
  }
  ZERMELO_INLINE fault_word* fault() const { return static_cast<fault_word*>(record); }
};

/// No fault yet. For kernels that take the minimum of theirs and what is there.
ZERMELO_INLINE void clear_fault(const cuda& policy, fault_word* word) {
  require_cuda(cudaMemsetAsync(word, 0xFF, sizeof(fault_word), policy.stream()), "clearing a record");
}

}  // namespace detail::inline ZERMELO_ISA

/// An answer that is on a device. `Read(policy, fault, statistics)` makes the value of what the record holds, or throws
/// what the fault stands for.
template <class Statistics, class Read>
class device_result {
 public:
  static_assert(std::is_trivially_copyable_v<Statistics>);
  static_assert(sizeof(Statistics) <= device_record::bytes - device_record::header);

  ZERMELO_INLINE device_result(const cuda& policy, const void* record, Read read)
      : policy_(&policy), record_(record), read_(std::move(read)) {}

  /// Waits for the stream of the policy. Throws the error that the host would throw, or returns what it would return.
  /// After a graph was launched into another stream, wait for that one first.
  ZERMELO_INLINE auto value() const {
    alignas(16) unsigned char copy[device_record::header + sizeof(Statistics)];
    detail::copy_to_host(*policy_, copy, record_, sizeof copy);
    return read_(*policy_, fault_of(*reinterpret_cast<const fault_word*>(copy)),
                 *reinterpret_cast<const Statistics*>(copy + device_record::header));
  }

  /// Waits for the stream; the first fault, if any, without throwing.
  ZERMELO_INLINE zermelo::fault fault() const {
    fault_word word = no_fault;
    detail::copy_to_host(*policy_, &word, record_);
    return fault_of(word);
  }

  /// On the device: the word of the fault, and the statistics, for kernels behind this call in the stream.
  ZERMELO_INLINE const fault_word* device_fault() const { return static_cast<const fault_word*>(record_); }
  ZERMELO_INLINE const Statistics* device_statistics() const {
    return reinterpret_cast<const Statistics*>(static_cast<const std::byte*>(record_) + device_record::header);
  }

  /// The result whose value is f of this one's.
  template <class F>
  ZERMELO_INLINE auto then(F f) const {
    auto read = [first = read_, f](const cuda& policy, const zermelo::fault& bad, const Statistics& statistics) {
      return f(first(policy, bad, statistics));
    };
    return device_result<Statistics, decltype(read)>(*policy_, record_, std::move(read));
  }

 private:
  const cuda* policy_;
  const void* record_;
  Read read_;
};

/// A record that holds a fault and no sums.
struct no_statistics {};

namespace detail::inline ZERMELO_ISA {

/// Ends a call: waits, unless the policy records.
template <class Statistics, class P, class Read>
ZERMELO_INLINE auto answer(const P& policy, const device_scratch<P>& scratch, Read read) {
  device_result<Statistics, Read> result(cuda_of(policy), scratch.record, std::move(read));
  if constexpr (records_results<P>)
    return result;
  else
    return result.value();
}

}  // namespace detail::inline ZERMELO_ISA

#endif

}  // namespace zermelo::inline v1
