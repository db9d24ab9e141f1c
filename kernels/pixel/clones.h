/* One function, compiled for several instruction sets; the loader picks. */
#ifndef MT_CLONES_H
#define MT_CLONES_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define MT_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define MT_CLONES
#endif

#define MT_ALWAYS_INLINE static inline __attribute__((always_inline))

#endif
