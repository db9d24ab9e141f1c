/* What all oneDNN sessions of a model share: its graph after the passes that make new weights, and the packed weights.
 * Thread-safe once made. */
#ifndef MT_COMPILED_H
#define MT_COMPILED_H

#include "kernels/graph/graph.h"
#include "kernels/graph/weight_store.h"

typedef struct mt_compiled mt_compiled;

/* Clones `graph`, runs the passes of a model on it and remembers which tensors are its own.  `bytes`: for sessions in int8. */
mt_compiled    *mt_compiled_new(const mt_graph *graph, bool bytes, GError **error);
void            mt_compiled_free(mt_compiled *compiled);
const mt_graph *mt_compiled_graph(const mt_compiled *compiled);

/* Fills `bytes` of zeroed memory; called at most once per key, under the lock. */
typedef bool (*mt_pack_fn)(void *memory, void *data, GError **error);
/* The packed form of `tensor` for a `key` that says all about the wanted layout.  The model's own tensors are packed once
 * and kept with it; of others (folded for one session's shapes) NULL without an error is returned: the session packs and
 * keeps them itself. */
const void *mt_compiled_pack(mt_compiled *compiled, const mt_tensor *tensor, const char *key, size_t bytes, mt_pack_fn pack, void *data,
                             GError **error);
bool        mt_compiled_owns(const mt_compiled *compiled, const mt_tensor *tensor);
size_t      mt_compiled_packed_bytes(mt_compiled *compiled);

/* The three below: while no session of it exists. */
/* Write what was packed so far, and the large constants that passes have made, into the memory file `fd`, and seal it. */
bool mt_compiled_fill_store(mt_compiled *compiled, int fd, const char *key);
/* From here on packed weights are looked for in `store` first; what is held twice already is let go. */
void mt_compiled_use_store(mt_compiled *compiled, mt_weight_store *store);
/* Bytes of it that are not in a store: packed, and large constants that passes have made. */
size_t mt_compiled_own_bytes(mt_compiled *compiled);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_compiled, mt_compiled_free)

#endif
