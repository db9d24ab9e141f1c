/* The headline of a result: the one JSON line that the supervisor, `status` and worklists read. */
#ifndef MT_HEADLINE_H
#define MT_HEADLINE_H

#include "src/result/prediction.h"

/* What the prediction does not know.  Strings may be NULL: null in the headline. */
typedef struct mt_headline_facts {
    const char *id;
    double      tissue_mm2;   /* < 0: unknown */
    double      mpp_x, mpp_y; /* 0: unknown */
    const char *mpp_source, *encoder, *head, *precision;
    const char *recipe_sha256, *model_sha256, *head_sha256, *input_sha256;
    bool        demonstration;
} mt_headline_facts;

/* One line of at most 4,095 bytes, the same for the same arguments.  Where labels and names would not fit they are cut (with
 * an ellipsis), then only the first scores are given and "scores_of" says how many there are; the full ones stand in the
 * result's attributes.  Free with g_free.  MT_ERROR_INTERNAL for an id over MT_LIMIT_CASE_ID_BYTES. */
char *mt_headline_json(const mt_prediction *prediction, const mt_headline_facts *facts, GError **error);

/* A headline as it was read.  NAN and NULL: null or absent. */
typedef struct mt_headline {
    char   *id, *status, *decision, *positive;
    char   *reason; /* what was found, where, how sure, what limits it */
    double  score, threshold, tissue_mm2, mpp_x, mpp_y;
    int     n_scores;
    char  **labels; /* n_scores, NULL-terminated */
    double *scores;
    int64_t tiles, invalid_tiles;
    char   *mpp_source, *encoder, *head, *precision;
    char   *recipe_sha256, *model_sha256, *head_sha256, *input_sha256;
    bool    demonstration, audit;
} mt_headline;

/* MT_ERROR_INPUT for what is no JSON object; `name` is for messages. */
mt_headline *mt_headline_parse(const char *line, const char *name, GError **error);
void         mt_headline_free(mt_headline *headline);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_headline, mt_headline_free)

#endif
