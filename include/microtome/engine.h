/* <microtome/engine.h>  What the engine is made of on this machine: for `doctor` and for provenance. */
#ifndef MICROTOME_ENGINE_H
#define MICROTOME_ENGINE_H

#include <microtome/api.h>

G_BEGIN_DECLS

typedef struct mt_engine_library {
    const char *name, *version;
} mt_engine_library;

/* Libraries in use and their run-time versions, ended by {NULL, NULL}.  Any thread. */
MT_PUBLIC const mt_engine_library *mt_engine_libraries(void);
/* Instruction sets that kernels use: "AVX-512 VNNI", "AVX2", "SSE4.1". */
MT_PUBLIC const char *mt_engine_isa(void);
/* "oneDNN" or "reference loops (built without oneDNN)". */
MT_PUBLIC const char *mt_engine_backend(void);

G_END_DECLS

#endif
