/* Fixed blocks of rows, computed by a team of threads.  A block is computed alike whoever does it and writes only what is its own;
 * whoever sums over blocks does so afterwards, in their order.  So nothing depends on the number of threads. */
#ifndef MT_ROW_TEAM_H
#define MT_ROW_TEAM_H

#include <microtome/model.h>

typedef struct mt_row_team mt_row_team;

/* Rows first .. first+rows-1 are block `block`.  `session` is bound to `rows`; NULL in a team without a model.  Called from
 * several threads at once. */
typedef bool (*mt_row_work)(void *user, mt_session *session, int64_t block, int64_t first, int64_t rows, GError **error);

/* `model` NULL: plain loops.  The open dimensions (-1) of `inputs` are the rows of a block.  `threads` >= 1. */
mt_row_team *mt_row_team_new(mt_model *model, const mt_port *inputs, int n_inputs, int threads);
void         mt_row_team_free(mt_row_team *team);
/* `work` for each block of n rows, the last one may be shorter.  The error is that of the first block that fails.  Sessions are
 * kept from run to run. */
bool mt_row_team_run(mt_row_team *team, int64_t n, int64_t block_rows, mt_row_work work, void *user, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_row_team, mt_row_team_free)

#endif
