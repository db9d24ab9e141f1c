/* Running passes on a graph of the maker and looking at what they left. */
#ifndef MT_PASS_CHECKS_H
#define MT_PASS_CHECKS_H

#include "tests/kernels/graph_maker.h"

typedef int (*pass_fn)(mt_graph *graph, GError **error);

int      pass_count(const mt_graph *graph, const char *op);
mt_node *pass_find(const mt_graph *graph, const char *op);
/* Runs the passes over a clone of the graph, with `out` as its output, and returns it; each must rewrite as often as told. */
mt_graph *pass_rewrite(maker *m, mt_value *out, int n, const pass_fn *passes, const int *times);
#define REWRITE(m, out, p, times) pass_rewrite(m, out, 1, (pass_fn[]){p}, (int[]){times})
/* The graph of `m` means the same on both backends; uses it up. */
void pass_check_meaning(maker *m, const char *what);
/* `graph`, of `m` before and after a pass, means the same by the reference alone, within `tolerance`; uses both up. */
void pass_check_same(maker *m, mt_graph *rewritten, double tolerance);

#endif
