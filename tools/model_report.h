/* What is said about the steps of a model: tables for people, JSON for machines. */
#ifndef MT_MODEL_REPORT_H
#define MT_MODEL_REPORT_H

#include "tools/model_bench.h"

#include <stdio.h>

/* One line a step in the order of execution: operator, implementation, node, and why nothing faster runs. */
void mt_print_steps(const GPtrArray *steps, FILE *out);
void mt_print_choices(const mt_session *session, FILE *out);
/* Time, share and GFLOP/s of one thread for each layer, operator and implementation, the longest first. */
void mt_print_profile(const mt_model_bench *bench, FILE *out);
/* All of it as one object; the lists of the profile only where times were taken. */
void mt_print_bench_json(const mt_model_bench *bench, FILE *out);

#endif
