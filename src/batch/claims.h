/* Claims of cases, so that any number of processes on any number of hosts can share one output folder on one file system.
 * OUT/claims/<id>.<epoch> says who works on a case (see src/base/fence.h); OUT/claims/<run>.beat holds a number that the run counts up
 * while it lives.  A claim whose run has not counted for the lease, by the looker's own clock (CLOCK_BOOTTIME; nobody's wall clock is
 * believed), is taken over; one whose process is seen to be dead on this very machine at once. */
#ifndef MT_CLAIMS_H
#define MT_CLAIMS_H

#include <microtome/error.h>

typedef struct mt_claims mt_claims;

typedef enum mt_claim_state {
    MT_CLAIM_OURS,
    MT_CLAIM_ELSEWHERE, /* somebody works on it, or was faster */
    MT_CLAIM_FAILED     /* the folder refused: *error */
} mt_claim_state;

/* Now, for mt_claims_beat and mt_claims_take. */
gint64 mt_claims_now_us(void);
/* Make OUT/claims and the first beat.  MT_ERROR_IO. */
mt_claims *mt_claims_open(const char *out, gint64 lease_us, GError **error);
/* Give back what is held, end the beat. */
void mt_claims_close(mt_claims *claims);
/* Count up where the last time is a sixth of the lease ago. */
void mt_claims_beat(mt_claims *claims, gint64 now_us);
/* *epoch: of the claim that is ours now.  `target`: the result to publish, whose unfinished one of a dead owner is removed.
 * ELSEWHERE: *who, if not NULL, becomes "host, process N" or NULL; free with g_free. */
mt_claim_state mt_claims_take(mt_claims *claims, const char *id, const char *target, gint64 now_us, int *epoch, char **who, GError **error);
/* Ours still, and not outdone. */
bool mt_claims_holds(mt_claims *claims, const char *id);
/* Remove what a dead worker of ours left unfinished. */
void mt_claims_sweep(mt_claims *claims, const char *id, const char *target);
/* After the result or the failure is published: the claim and those it outdid are removed. */
void        mt_claims_release(mt_claims *claims, const char *id);
const char *mt_claims_folder(const mt_claims *claims);
const char *mt_claims_run(const mt_claims *claims);

/* Whether a run of the folder lives, for those who only look and cannot wait for a beat: gone when its beat is gone or its process is seen
 * to be dead on this machine; alive when its process is seen here, or its beat was written within the lease, two minutes at least, by the
 * time of the file. */
bool mt_claims_run_lives(const char *out, const char *run, gint64 lease_us);

/* What the claims of a folder say: who works on what.  For those who only look. */
typedef struct mt_claim_seen {
    char *id, *host;
    int   pid, epoch;
} mt_claim_seen;

/* The newest claim of each case; elements are mt_claim_seen. */
GPtrArray *mt_claims_list(const char *out);

#endif
