/* <microtome/pipeline.h>  One case from path to published result.
 * A pipeline holds the loaded encoder and head; it runs one case at a time, with a team of threads inside. */
#ifndef MICROTOME_PIPELINE_H
#define MICROTOME_PIPELINE_H

#include <microtome/encoder.h>
#include <microtome/head.h>
#include <microtome/recipe.h>

G_BEGIN_DECLS

typedef struct mt_pipeline mt_pipeline;

typedef struct mt_job {
    const char *path;
    const char *id;           /* becomes the attribute `name`; the file is named by the caller */
    double      mpp_x, mpp_y; /* the case's own, where its file lacks it; 0: not given */
    const char *mpp_source;   /* "option", "manifest" or NULL */
    const char *preparation;  /* what was done to it: "skull_stripped;template"; NULL: nothing is said */
    const char *claims, *run; /* folder of claims and the run that holds the case's, where several may work on it; NULL: nobody else does */
    int         epoch;        /* of the claim */
    int         halvings;     /* how often threads and tile cache are halved, after an attempt that used too much; the result is the same */
} mt_job;

/* Where a case's time went, in seconds; decode .. encode are summed over the threads, the others are wall time;
 * mask_s counts grid and the fit of stains as well, normalise_s their change. */
typedef struct mt_timings {
    double         open_s, mask_s, decode_s, resample_s, normalise_s, encode_s, write_s, head_s, publish_s, total_s;
    double         tiles_s; /* wall time of the team */
    mt_case_counts reading; /* what the case's pixels have cost, mask included */
    int64_t        tiles, invalid_tiles;
    int            threads;
    const char    *stage; /* where the case is, or ended: open, mask, encode (read: its tiles), score, publish */
} mt_timings;

/* Add what another case cost; `threads` becomes the larger, `stage` stays. */
MT_PUBLIC void mt_timings_add(mt_timings *sum, const mt_timings *timings);
/* {"open_s": .., "tiles": .., "reading": {..}}; free with g_free. */
MT_PUBLIC char *mt_timings_json(const mt_timings *timings);

/* Called from time to time, from one thread at once, with tiles done and to do, and with 0 of 0 when a stage of a case begins
 * (mt_timings.stage).  Return false to stop: the case ends
 * with MT_ERROR_STOPPED and leaves no file. */
typedef bool (*mt_progress)(void *user, int64_t done, int64_t total);

/* The head's card with the recipe's labels, positive label and threshold; strings are borrowed from both.  MT_ERROR_MODEL where they
 * do not fit. */
MT_PUBLIC bool mt_recipe_head_card(const mt_recipe *recipe, const mt_head *head, mt_head_card *card, GError **error);

/* The encoder that the recipe names, with the outputs that its heads want. */
MT_PUBLIC mt_encoder *mt_recipe_load_encoder(const mt_recipe *recipe, GError **error);
/* The head that the recipe names (mt_recipe_has_head): a file, or the task of `encoder` (NULL: it is loaded for this). */
MT_PUBLIC mt_head *mt_recipe_load_head(const mt_recipe *recipe, mt_encoder *encoder, GError **error);

/* Load what the recipe names.  MT_ERROR_USAGE without an encoder, MT_ERROR_MODEL for what cannot work together (a head
 * for another encoder): found before any case is opened. */
MT_PUBLIC mt_pipeline *mt_pipeline_new(const mt_recipe *recipe, int threads, GError **error);
MT_PUBLIC void         mt_pipeline_free(mt_pipeline *pipeline);
/* The recipe with every choice made and the hashes of encoder and head: what OUT/recipe.ini holds and results record. */
MT_PUBLIC const char *mt_pipeline_resolved(const mt_pipeline *pipeline);
/* True when encoder or head are a demonstration. */
MT_PUBLIC bool mt_pipeline_demonstration(const mt_pipeline *pipeline);
/* Share the encoder's packed weights with the other processes of this host that were given the same memory file (an empty memfd that can
 * be sealed): the first to come fills and seals it, later ones map it.  Before the first case; `fd` may be closed afterwards.  "filled",
 * "shared", or "own": the file is not of this model, program, library and CPU, so the weights are packed for this process alone. */
MT_PUBLIC const char *mt_pipeline_share_weights(mt_pipeline *pipeline, int fd);
/* Read, encode, score and publish `target` (never overwritten).  timings may be NULL. */
MT_PUBLIC bool mt_pipeline_run(mt_pipeline *pipeline, const mt_job *job, const char *target, mt_progress progress, void *user,
                               mt_timings *timings, GError **error);

/* What a case will cost, found without running it. */
typedef struct mt_case_look {
    int64_t tiles;            /* of its grid */
    double  before_s;         /* until its first tile: opening, mask, thumbnail */
    double  tiles_per_second; /* of the pipeline's team; 0: none was encoded */
    int64_t bytes;            /* of its result, about */
} mt_case_look;

/* Open a case, find its tissue and lay its grid as a run does, and encode about `sample` of its tiles (0: none) with the whole team. */
MT_PUBLIC bool mt_pipeline_look(mt_pipeline *pipeline, const mt_job *job, int64_t sample, mt_case_look *look, GError **error);

/* Up to n tiles of the cases as `encoder` gets them: float32 n x planes x size x size, after normalisation; found and read as a run
 * does (mask, grid, µm/px and overlap as in the recipe, the rest by the card), evenly over each case's grid, the cases sharing n
 * evenly.  Tiles that cannot be decoded are passed over.  MT_ERROR_INPUT when no tile is left. */
MT_PUBLIC mt_tensor *mt_pipeline_sample(mt_encoder *encoder, const mt_recipe *recipe, const mt_job *jobs, int n_jobs, int64_t n,
                                        GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_pipeline, mt_pipeline_free)

G_END_DECLS

#endif
