/* Private to the reader of pickles: values, stack, marks and memo, each within its bounds. */
#ifndef MT_PICKLE_MACHINE_H
#define MT_PICKLE_MACHINE_H

#include "mil/pickle_reader.h"

struct mt_pickle {
    const char      *start, *at, *end;
    GPtrArray       *chunks;            /* of values: they do not move */
    uint32_t         n_values, n_items; /* items of all containers */
    GPtrArray       *stack;
    GArray          *marks; /* heights of the stack, guint */
    GHashTable      *memo;
    mt_pickle_value *root; /* set by STOP */
};

mt_pickle *mt_pickle_new(const char *bytes, size_t size);
/* The stack, its marks and the memo are of no use once the last opcode is read. */
void mt_pickle_drop_stack(mt_pickle *p);

/* `what` is wrong with the pickle; false. */
bool mt_pickle_refuse(GError **error, const char *what);

/* The next bytes of the pickle; NULL when it is shorter. */
const char *mt_pickle_take(mt_pickle *p, uint64_t bytes, GError **error);
/* The bytes up to the next newline, which is taken too. */
const char *mt_pickle_take_line(mt_pickle *p, size_t *bytes, GError **error);
/* A little-endian number of 1, 2, 4 or 8 bytes. */
bool mt_pickle_take_number(mt_pickle *p, int bytes, uint64_t *number, GError **error);

/* A new value; NULL beyond the limit.  mt_pickle_push_new also puts it on top of the stack. */
mt_pickle_value *mt_pickle_make(mt_pickle *p, mt_pickle_kind kind, GError **error);
mt_pickle_value *mt_pickle_push_new(mt_pickle *p, mt_pickle_kind kind, GError **error);
bool             mt_pickle_push(mt_pickle *p, mt_pickle_value *value, GError **error);
/* NULL where nothing stands above the last mark. */
mt_pickle_value *mt_pickle_pop(mt_pickle *p, GError **error);
mt_pickle_value *mt_pickle_top(mt_pickle *p, GError **error);
bool             mt_pickle_mark(mt_pickle *p, GError **error);
/* What stands above the last mark, and the value below that mark; false and NULL where there is no such thing. */
bool             mt_pickle_above_mark(mt_pickle *p, mt_pickle_value ***items, guint *n, GError **error);
mt_pickle_value *mt_pickle_below_mark(mt_pickle *p, GError **error);
/* Takes the last mark and what stands above it off. */
void mt_pickle_drop_mark(mt_pickle *p);

bool mt_pickle_append(mt_pickle *p, mt_pickle_value *container, mt_pickle_value **items, guint n, GError **error);
bool mt_pickle_memo_put(mt_pickle *p, uint64_t key, GError **error);
bool mt_pickle_memo_get(mt_pickle *p, uint64_t key, GError **error);

#endif
