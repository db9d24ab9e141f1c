/* <microtome/search.h>  The stored cases and tiles that are most like one of them.
 * Likeness is the cosine of two vectors: of tiles their features; of cases the embedding of the head, else the mean of the valid
 * features.  Exact: every stored vector is compared.  Only vectors of one encoder (one head) and one width are; the rest is left
 * out and named.  Single-threaded (HDF5). */
#ifndef MICROTOME_SEARCH_H
#define MICROTOME_SEARCH_H

#include <microtome/error.h>

G_BEGIN_DECLS

#define MT_SEARCH_MAX 10000

typedef struct mt_search_params {
    const char *case_id;     /* of the query, in the folder itself */
    const char *from;        /* in its place: the query's result file, wherever it is; the folder's cases of the same input are no hits */
    int64_t     tile;        /* row of /features: nearest tiles; -1: nearest cases */
    int         k;           /* 1..MT_SEARCH_MAX */
    bool        other_cases; /* no tiles of the query's own case */
} mt_search_params;

typedef struct mt_search_hit {
    char   *id, *path;                   /* case and its result */
    double  score;                       /* cosine, -1..1 */
    int64_t tile;                        /* row of /coords; -1: a case */
    int64_t x, y, plane;                 /* of the tile, level-0 px, top left */
    int64_t width_level0, height_level0; /* of the tile; 0: not said */
    char   *withheld;                    /* why the score of its case is not given: a control case; NULL: it is */
} mt_search_hit;

typedef struct mt_search {
    mt_search_hit  query; /* score 1 */
    mt_search_hit *hits;  /* nearest first; equal ones by id, then tile */
    int            n_hits;
    char          *by;            /* what was compared, in words */
    int64_t        compared;      /* vectors */
    char         **left_out;      /* "ID: why", ascending; never NULL */
    bool           demonstration; /* a result among them is of the sample encoder or head */
} mt_search;

/* Search the results of OUT/cases.  The query itself is no hit.  MT_ERROR_MISSING: no such folder, or no results in it; MT_ERROR_INPUT:
 * no such case or tile, or it has nothing to compare; MT_ERROR_RANGE for parameters. */
MT_PUBLIC mt_search *mt_search_new(const char *folder, const mt_search_params *params, GError **error);
MT_PUBLIC void       mt_search_free(mt_search *search);
/* As JSON, one object; free with g_free. */
MT_PUBLIC char *mt_search_json(const mt_search *search);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_search, mt_search_free)

G_END_DECLS

#endif
