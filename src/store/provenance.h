/* How a result came about, as JSON with sorted keys.  Only what is the same for two runs on one machine: no time, host,
 * thread count, path or attempt. */
#ifndef MT_PROVENANCE_H
#define MT_PROVENANCE_H

#include <microtome/error.h>

typedef struct mt_fact {
    const char *name, *value;
} mt_fact;

typedef struct mt_provenance {
    const char    *isa;       /* what the kernels were chosen for: "avx512_core_vnni" */
    const mt_fact *libraries; /* name, version; ended by {NULL, NULL}; may be NULL */
    const mt_fact *hashes;    /* "recipe", "model", "head", "input" and their SHA-256; ended likewise */
    const mt_fact *facts;     /* further strings at the top: "encoder", "head", "precision"; ended likewise */
    const char    *recipe;    /* resolved, the text of OUT/recipe.ini */
    bool           demonstration, off_contract;
} mt_provenance;

/* Free with g_free.  MT_ERROR_INTERNAL for a value that is not UTF-8. */
char *mt_provenance_json(const mt_provenance *provenance, GError **error);

#endif
