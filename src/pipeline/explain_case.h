/* Where in a case the score of a class comes from: the map of its strongest tiles, and the score without what speaks most for it. */
#ifndef MT_EXPLAIN_CASE_H
#define MT_EXPLAIN_CASE_H

#include "src/pipeline/case_run.h"

/* After the head: writes /map/explanation and /explanation.  MT_ERROR_MODEL where the network does not allow the recipe's method. */
bool mt_explain_case_run(mt_case_run *run, mt_bag *bag, const mt_head_options *options, GError **error);

#endif
