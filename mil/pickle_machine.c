#include "mil/pickle_machine.h"

#include "src/base/limits.h"

#include <string.h>

#define CHUNK 1024

mt_pickle *mt_pickle_new(const char *bytes, size_t size)
{
    mt_pickle *p = g_new0(mt_pickle, 1);

    p->start = p->at = bytes;
    p->end = bytes + size;
    p->chunks = g_ptr_array_new_with_free_func(g_free);
    p->stack = g_ptr_array_new();
    p->marks = g_array_new(FALSE, FALSE, sizeof(guint));
    p->memo = g_hash_table_new(NULL, NULL);
    return p;
}

static mt_pickle_value *value_at(const mt_pickle *p, uint32_t i)
{
    return (mt_pickle_value *)g_ptr_array_index(p->chunks, i / CHUNK) + i % CHUNK;
}

void mt_pickle_drop_stack(mt_pickle *p)
{
    g_clear_pointer(&p->stack, g_ptr_array_unref);
    g_clear_pointer(&p->marks, g_array_unref);
    g_clear_pointer(&p->memo, g_hash_table_unref);
}

void mt_pickle_free(mt_pickle *p)
{
    if (p == NULL)
        return;
    for (uint32_t i = 0; i < p->n_values; i++) {
        mt_pickle_value *value = value_at(p, i);
        if (value->reserved > 0)
            g_free(value->items);
    }
    g_ptr_array_unref(p->chunks);
    mt_pickle_drop_stack(p);
    g_free(p);
}

bool mt_pickle_refuse(GError **error, const char *what)
{
    g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, what);
    return false;
}

const char *mt_pickle_take(mt_pickle *p, uint64_t bytes, GError **error)
{
    const char *at = p->at;

    if (bytes > (uint64_t)(p->end - at)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "%" G_GUINT64_FORMAT " bytes are wanted, %td are there: truncated?", bytes,
                    p->end - at);
        return NULL;
    }
    p->at += bytes;
    return at;
}

const char *mt_pickle_take_line(mt_pickle *p, size_t *bytes, GError **error)
{
    const char *at = p->at, *newline = memchr(at, '\n', (size_t)(p->end - at));

    if (newline == NULL) {
        mt_pickle_refuse(error, "a line does not end: truncated?");
        return NULL;
    }
    *bytes = (size_t)(newline - at);
    p->at = newline + 1;
    return at;
}

bool mt_pickle_take_number(mt_pickle *p, int bytes, uint64_t *number, GError **error)
{
    const char *at = mt_pickle_take(p, (uint64_t)bytes, error);

    *number = 0;
    for (int i = 0; at != NULL && i < bytes; i++)
        *number |= (uint64_t)(guchar)at[i] << (8 * i);
    return at != NULL;
}

bool mt_pickle_push(mt_pickle *p, mt_pickle_value *value, GError **error)
{
    if (p->stack->len >= MT_LIMIT_PICKLE_VALUES) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "more than %d values on the stack", MT_LIMIT_PICKLE_VALUES);
        return false;
    }
    g_ptr_array_add(p->stack, value);
    return true;
}

mt_pickle_value *mt_pickle_make(mt_pickle *p, mt_pickle_kind kind, GError **error)
{
    if (p->n_values >= MT_LIMIT_PICKLE_VALUES) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "more than %d values", MT_LIMIT_PICKLE_VALUES);
        return NULL;
    }
    if (p->n_values % CHUNK == 0)
        g_ptr_array_add(p->chunks, g_new0(mt_pickle_value, CHUNK));
    mt_pickle_value *value = value_at(p, p->n_values++);
    value->kind = kind;
    return value;
}

mt_pickle_value *mt_pickle_push_new(mt_pickle *p, mt_pickle_kind kind, GError **error)
{
    mt_pickle_value *value = mt_pickle_make(p, kind, error);

    return value != NULL && mt_pickle_push(p, value, error) ? value : NULL;
}

static guint floor_of_stack(const mt_pickle *p)
{
    return p->marks->len > 0 ? g_array_index(p->marks, guint, p->marks->len - 1) : 0;
}

mt_pickle_value *mt_pickle_top(mt_pickle *p, GError **error)
{
    if (p->stack->len <= floor_of_stack(p)) {
        mt_pickle_refuse(error, "the stack is empty");
        return NULL;
    }
    return g_ptr_array_index(p->stack, p->stack->len - 1);
}

mt_pickle_value *mt_pickle_pop(mt_pickle *p, GError **error)
{
    mt_pickle_value *top = mt_pickle_top(p, error);

    if (top != NULL)
        g_ptr_array_set_size(p->stack, (gint)p->stack->len - 1);
    return top;
}

bool mt_pickle_mark(mt_pickle *p, GError **error)
{
    if (p->marks->len >= MT_LIMIT_PICKLE_VALUES) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "more than %d marks on the stack", MT_LIMIT_PICKLE_VALUES);
        return false;
    }
    g_array_append_val(p->marks, p->stack->len);
    return true;
}

bool mt_pickle_above_mark(mt_pickle *p, mt_pickle_value ***items, guint *n, GError **error)
{
    guint from = floor_of_stack(p);

    if (p->marks->len == 0)
        return mt_pickle_refuse(error, "there is no mark on the stack");
    *items = (mt_pickle_value **)p->stack->pdata + from;
    *n = p->stack->len - from;
    return true;
}

mt_pickle_value *mt_pickle_below_mark(mt_pickle *p, GError **error)
{
    guint n = p->marks->len, at = floor_of_stack(p), from = n > 1 ? g_array_index(p->marks, guint, n - 2) : 0;

    if (at <= from) {
        mt_pickle_refuse(error, "the stack is empty");
        return NULL;
    }
    return g_ptr_array_index(p->stack, at - 1);
}

void mt_pickle_drop_mark(mt_pickle *p)
{
    g_ptr_array_set_size(p->stack, (gint)floor_of_stack(p));
    g_array_set_size(p->marks, p->marks->len - 1);
}

bool mt_pickle_append(mt_pickle *p, mt_pickle_value *container, mt_pickle_value **items, guint n, GError **error)
{
    if (n > MT_LIMIT_PICKLE_VALUES - p->n_items) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "its containers hold more than %d values", MT_LIMIT_PICKLE_VALUES);
        return false;
    }
    if (container->n + n > container->reserved) {
        container->reserved = MAX(container->n + n, 2 * container->reserved);
        container->items = g_renew(mt_pickle_value *, container->items, container->reserved);
    }
    for (guint i = 0; i < n; i++) {
        if (items[i]->depth >= MT_LIMIT_PICKLE_DEPTH) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "its containers nest deeper than %d", MT_LIMIT_PICKLE_DEPTH);
            return false;
        }
        container->depth = MAX(container->depth, items[i]->depth + 1);
        container->items[container->n++] = items[i];
    }
    p->n_items += n;
    return true;
}

bool mt_pickle_memo_put(mt_pickle *p, uint64_t key, GError **error)
{
    mt_pickle_value *top = mt_pickle_top(p, error);

    if (top == NULL)
        return false;
    if (key > UINT32_MAX || g_hash_table_size(p->memo) >= MT_LIMIT_PICKLE_VALUES) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "more than %d values in the memo", MT_LIMIT_PICKLE_VALUES);
        return false;
    }
    g_hash_table_insert(p->memo, GUINT_TO_POINTER((guint)key), top);
    return true;
}

bool mt_pickle_memo_get(mt_pickle *p, uint64_t key, GError **error)
{
    mt_pickle_value *value = key <= UINT32_MAX ? g_hash_table_lookup(p->memo, GUINT_TO_POINTER((guint)key)) : NULL;

    if (value == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the memo has no value %" G_GUINT64_FORMAT, key);
        return false;
    }
    return mt_pickle_push(p, value, error);
}

uint32_t mt_pickle_n(const mt_pickle *pickle)
{
    return pickle->n_values;
}

const mt_pickle_value *mt_pickle_get(const mt_pickle *pickle, uint32_t i)
{
    return value_at(pickle, i);
}
