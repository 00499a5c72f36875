// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

/// Macros that every header relies on: the version, function attributes, and the name of the instruction set.
///
/// Two objects of one program may be compiled with different instruction sets (-march). Whatever a compiler would
/// emit differently for them must not share a weak symbol, so code that computes lives in an inline namespace named
/// after the instruction set:
///
///     namespace zermelo::inline v1::preference {                      // vocabulary types: the same in every object
///     struct fit_result { ... };                                      // (members are ZERMELO_FN: always inlined)
///     }
///     namespace zermelo::inline v1::preference::inline ZERMELO_ISA {  // functions: one copy per instruction set
///     fit_result fit(...) { ... }
///     }
///
/// Users never see either inline namespace.

#define ZERMELO_VERSION_MAJOR 0
#define ZERMELO_VERSION_MINOR 1
#define ZERMELO_VERSION_PATCH 0

#if defined(__CUDACC__)
#define ZERMELO_HOST_DEVICE __host__ __device__
#else
#define ZERMELO_HOST_DEVICE
#endif

#define ZERMELO_INLINE __attribute__((always_inline)) inline
/// Between the parameters and the body of a lambda whose arguments are packs.
#define ZERMELO_LAMBDA_INLINE __attribute__((always_inline))
/// A function of one element: always inlined, callable on host and device.
#define ZERMELO_FN ZERMELO_HOST_DEVICE ZERMELO_INLINE

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__AVX512BW__)
#define ZERMELO_ISA_NAME avx512
#define ZERMELO_VECTOR_BYTES 64
#elif defined(__AVX2__) && defined(__FMA__)
#define ZERMELO_ISA_NAME avx2_fma
#define ZERMELO_VECTOR_BYTES 32
#elif defined(__AVX2__)
#define ZERMELO_ISA_NAME avx2
#define ZERMELO_VECTOR_BYTES 32
#elif defined(__AVX__)
#define ZERMELO_ISA_NAME avx
#define ZERMELO_VECTOR_BYTES 32
#elif defined(__SSE4_1__)
#define ZERMELO_ISA_NAME sse4
#define ZERMELO_VECTOR_BYTES 16
#elif defined(__SSE2__)
#define ZERMELO_ISA_NAME sse2
#define ZERMELO_VECTOR_BYTES 16
#elif defined(__ARM_NEON)
#define ZERMELO_ISA_NAME neon
#define ZERMELO_VECTOR_BYTES 16
#else
#define ZERMELO_ISA_NAME generic
#define ZERMELO_VECTOR_BYTES 16
#endif

// Relaxed arithmetic and CUDA's host pass compile the same source to other code as well.
#define ZERMELO_DETAIL_JOIN_(a, b) a##b
#define ZERMELO_DETAIL_JOIN(a, b) ZERMELO_DETAIL_JOIN_(a, b)
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#define ZERMELO_DETAIL_MATH fast_math_
#else
#define ZERMELO_DETAIL_MATH isa_
#endif
#if defined(__CUDACC__)
#define ZERMELO_DETAIL_COMPILER cuda_
#else
#define ZERMELO_DETAIL_COMPILER
#endif
#define ZERMELO_ISA \
  ZERMELO_DETAIL_JOIN(ZERMELO_DETAIL_JOIN(ZERMELO_DETAIL_COMPILER, ZERMELO_DETAIL_MATH), ZERMELO_ISA_NAME)
