/* <microtome/folder.h>  What an output folder says of its cases: done, failed and why, running, pending; of all runs on all hosts.
 * Read from listings, the records of failures and the logs of the runs: no result is opened whose run has told what came out. */
#ifndef MICROTOME_FOLDER_H
#define MICROTOME_FOLDER_H

#include <microtome/pipeline.h>

G_BEGIN_DECLS

typedef enum mt_case_state { MT_STATE_DONE, MT_STATE_FAILED, MT_STATE_RUNNING, MT_STATE_PENDING, MT_STATES } mt_case_state;

typedef struct mt_folder_run {
    char  *host;
    int    pid;
    bool   watch_stalled;     /* its drop folder did not answer when it last told */
    bool   ended, alive;      /* ended: by itself, all accounted for; alive: as far as can be told from here */
    gint64 began_us, seen_us; /* first and last line of its log, by its clock, µs since 1970 */
    gint64 finished_us;       /* its last finished case; 0: none */
    int    done, failed;
} mt_folder_run;

typedef struct mt_folder_case {
    char         *id, *patient; /* patient NULL: none */
    mt_case_state state;
    int           superseded; /* how many older results were moved to superseded/ */
    /* done */
    char      *status, *decision;    /* NULL: not known */
    double     score;                /* NAN: none */
    int64_t    tiles, invalid_tiles; /* -1: not known */
    double     seconds;              /* < 0: not known */
    char      *withheld;             /* why neither score nor decision is given though the result has them: a control case; NULL */
    bool       timed;
    mt_timings timings;
    /* failed */
    char *reason, *stage, *kind; /* kind: input, spacing, missing, io, ..; NULL: not recorded */
    int   exit_code, signal_number, attempts;
    /* running, or begun by a run that is gone */
    const mt_folder_run *run;
    int64_t              tiles_done, tiles_total;
    guint                row; /* of its columns in the folder's manifest */
} mt_folder_case;

typedef struct mt_folder {
    char                 *out;
    GPtrArray            *cases; /* mt_folder_case *: in the order of manifest.csv, then the others by id */
    GPtrArray            *runs;  /* mt_folder_run *, the oldest first */
    int                   n[MT_STATES];
    int                   withheld, superseded; /* of the done: without an answer; results that were replaced */
    int                   urgent, review, clear;
    int64_t               tiles;        /* of the done */
    double                seconds_left; /* NAN: nobody works, or nothing can be told yet */
    struct mt_case_table *table;        /* the manifest's columns */
} mt_folder;

/* MT_ERROR_MISSING for a folder that is not there or has no results of ours. */
MT_PUBLIC mt_folder *mt_folder_read(const char *out, GError **error);
MT_PUBLIC void       mt_folder_free(mt_folder *folder);
/* "done", "failed", "running", "pending" */
MT_PUBLIC const char *mt_case_state_name(mt_case_state state);

/* A page of HTML (NULL: OUT/report.html) in "en" or "ko" (NULL: en).  Up to `pictures` finished cases (< 0: 300) all have theirs, of more the
 * urgent ones.  MT_ERROR_IO. */
MT_PUBLIC bool mt_folder_report(const mt_folder *folder, const char *path, const char *language, int pictures, GError **error);
/* What was found in each finished case whose score is not withheld, as JSON or (a path that ends in .csv) CSV.  MT_ERROR_INPUT for a result whose
 * findings cannot be read, MT_ERROR_IO. */
MT_PUBLIC bool mt_folder_findings(const mt_folder *folder, const char *path, const char *language, GError **error);

typedef struct mt_folder_check {
    const char *out;
    /* Called for each problem: the file below OUT, and what is wrong with it. */
    void (*problem)(void *user, const char *file, const char *what);
    /* Called before each result, may be NULL.  False stops. */
    bool (*progress)(void *user, int64_t done, int64_t total);
    void *user;
} mt_folder_check;

typedef struct mt_folder_checked {
    int64_t results, unhashed, bytes, problems; /* unhashed: of a version whose headlines have no hash of the content */
} mt_folder_checked;

/* Hold every file of the folder against what it says of itself: results of cases and patients and those superseded (all bytes against the
 * hash in the headline, structure, number of tiles, recipe), records of failures, the manifest; and tell what belongs to nothing.
 * One result at a time.  MT_ERROR_MISSING as mt_folder_read, MT_ERROR_STOPPED. */
MT_PUBLIC bool mt_folder_verify(const mt_folder_check *check, mt_folder_checked *checked, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_folder, mt_folder_free)

G_END_DECLS

#endif
