/* Who uses a value: an index over a graph, so that a pass asks in constant time. */
#ifndef MT_USES_H
#define MT_USES_H

#include "kernels/graph/graph.h"

typedef struct mt_uses mt_uses;

mt_uses *mt_uses_new(mt_graph *graph);
void     mt_uses_free(mt_uses *uses);
/* Uses by nodes plus one per graph output. */
int mt_uses_count(const mt_uses *uses, const mt_value *value);
/* The node, when it is the only use; NULL else. */
mt_node *mt_uses_only(const mt_uses *uses, const mt_value *value);
/* The n-th using node, NULL for a graph output. */
mt_node *mt_uses_nth(const mt_uses *uses, const mt_value *value, int n);
/* Everybody who used `from` now uses `to`. */
void mt_uses_replace(mt_uses *uses, mt_value *from, mt_value *to);
/* `node` gets one more input, `input` one more use. */
void mt_uses_add_input(mt_uses *uses, mt_node *node, mt_value *input);
/* A node that a pass has added. */
void mt_uses_add_node(mt_uses *uses, mt_node *node);
/* Forget the uses that `node` makes: a pass has made it dead, the sweep will remove it. */
void mt_uses_forget(mt_uses *uses, const mt_node *node);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_uses, mt_uses_free)

#endif
