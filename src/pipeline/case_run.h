/* One case on its way from path to published file: what the stages have made so far. */
#ifndef MT_CASE_RUN_H
#define MT_CASE_RUN_H

#include "src/pipeline/case_tiles.h"
#include "src/pipeline/finding_rules.h"
#include "src/pipeline/invalid_tiles.h"
#include "src/pipeline/pipeline_private.h"
#include "src/result/image_quality.h"
#include "src/store/store.h"

typedef struct mt_case_run {
    const mt_pipeline  *p;
    const mt_job       *job;
    mt_case_tiles       tiles;
    char               *identity;   /* SHA-256 of the input */
    double              tissue_mm2; /* -1: unknown */
    mt_image_quality    quality;    /* of the thumbnail */
    mt_tensor          *thumbnail;
    int64_t             thumbnail_plane;
    int64_t             key_plane; /* that the finding lies in; -1: by the tiles */
    const mt_intensity *intensity; /* NULL: none */
    int64_t             n, n_valid;
    uint8_t            *valid; /* n */
    mt_invalid_tiles   *invalid;
    mt_store           *store;
    bool                unwritten; /* rows could not be appended to it */
    GArray             *boxes;     /* mt_found_box, of task=detect */
    mt_findings         findings;  /* likewise */
    uint8_t            *stage_map; /* planes: masks that a stage gave to boxes, label + 1; NULL: none */
    mt_head_output     *output;    /* NULL: no head, or nothing to score */
    mt_timings         *timings;
} mt_case_run;

/* Everything that is known before the first tile is read. */
bool mt_case_run_record_case(mt_case_run *run, GError **error);
/* Everything that the head said, and provenance; *headline is the JSON line of the user block (free with g_free). */
bool mt_case_run_record_prediction(mt_case_run *run, char **headline, GError **error);

/* /objects of task tiles: connected tiles above a label's threshold (docs/tasks.md). */
bool mt_case_run_store_candidates(mt_case_run *run, GError **error);

#endif
