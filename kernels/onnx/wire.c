#include "kernels/onnx/wire.h"

#include "src/base/alloc.h"
#include "src/base/limits.h"

#include <string.h>

/* Raw data below this stays in the message: small constants are read more often than they cost. */
#define CUT_BYTES_MIN 1024

typedef struct {
    const uint8_t *data;
    size_t         end, at;
} cursor;

typedef struct {
    uint32_t number, type;
    size_t   start;   /* of the key */
    size_t   payload; /* of the value; for length-delimited ones behind the length */
    size_t   end;
} field;

static bool read_varint(cursor *c, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && c->at < c->end; shift += 7) {
        uint8_t byte = c->data[c->at++];

        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

/* Bytes of the value behind a key; moves past the length of a length-delimited one. */
static bool read_extent(cursor *c, uint32_t type, uint64_t *bytes)
{
    cursor   probe = *c;
    uint64_t ignored;

    switch (type) {
    case 0:
        if (!read_varint(&probe, &ignored))
            return false;
        *bytes = probe.at - c->at;
        return true;
    case 1:
        *bytes = 8;
        return true;
    case 2:
        return read_varint(c, bytes);
    case 5:
        *bytes = 4;
        return true;
    default:
        return false;
    }
}

/* The next field; false at the end or on broken bytes, which `c->at < c->end` tells apart. */
static bool next_field(cursor *c, field *f)
{
    cursor   probe = *c;
    uint64_t key, bytes;

    if (!read_varint(&probe, &key) || !read_extent(&probe, key & 7, &bytes) || bytes > probe.end - probe.at)
        return false;
    f->number = (uint32_t)(key >> 3);
    f->type = key & 7;
    f->start = c->at;
    f->payload = probe.at;
    f->end = probe.at + (size_t)bytes;
    c->at = f->end;
    return true;
}

/* The messages that can hold themselves, and through which fields. */
enum { MODEL, TRAINING, GRAPH, NODE, ATTRIBUTE, FUNCTION, VALUE_INFO, TYPE, SEQUENCE, MAP };

static const struct {
    uint8_t parent, number, child;
} links[] = {
    {MODEL, 7, GRAPH},         {MODEL, 20, TRAINING},      {MODEL, 25, FUNCTION},   {TRAINING, 1, GRAPH},    {TRAINING, 2, GRAPH},
    {GRAPH, 1, NODE},          {GRAPH, 11, VALUE_INFO},    {GRAPH, 12, VALUE_INFO}, {GRAPH, 13, VALUE_INFO}, {NODE, 5, ATTRIBUTE},
    {ATTRIBUTE, 6, GRAPH},     {ATTRIBUTE, 11, GRAPH},     {ATTRIBUTE, 14, TYPE},   {ATTRIBUTE, 15, TYPE},   {FUNCTION, 7, NODE},
    {FUNCTION, 11, ATTRIBUTE}, {FUNCTION, 12, VALUE_INFO}, {VALUE_INFO, 2, TYPE},   {TYPE, 4, SEQUENCE},     {TYPE, 5, MAP},
    {TYPE, 9, SEQUENCE},       {SEQUENCE, 1, TYPE},        {MAP, 2, TYPE},
};

static int child_of(int parent, uint32_t number)
{
    for (size_t i = 0; i < G_N_ELEMENTS(links); i++)
        if (links[i].parent == parent && links[i].number == number)
            return links[i].child;
    return -1;
}

static bool refuse_broken(GError **error)
{
    g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "the file is not an ONNX model, or it is damaged or cut short");
    return false;
}

/* Walks a message; `depth` counts graphs and types, the two that recurse. */
static bool check_message(cursor c, int kind, int depth, int64_t *n_nodes, GError **error)
{
    field f;

    if (depth > MT_LIMIT_SUBGRAPH_DEPTH) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "graphs or types nest deeper than %d", MT_LIMIT_SUBGRAPH_DEPTH);
        return false;
    }
    while (next_field(&c, &f)) {
        int child = f.type == 2 ? child_of(kind, f.number) : -1;

        if (child < 0)
            continue;
        if (child == NODE && ++*n_nodes > MT_LIMIT_GRAPH_NODES) {
            g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "the model has more than %d nodes", MT_LIMIT_GRAPH_NODES);
            return false;
        }
        cursor inner = {c.data, f.end, f.payload};
        if (!check_message(inner, child, depth + (child == GRAPH || child == TYPE), n_nodes, error))
            return false;
    }
    return c.at == c.end || refuse_broken(error);
}

static void put_bytes(mt_wire *wire, const void *data, size_t bytes)
{
    memcpy(wire->reduced + wire->reduced_bytes, data, bytes);
    wire->reduced_bytes += bytes;
}

/* Lengths of rewritten messages are patched in afterwards, as varints padded to five bytes; sizes are below 2^31. */
#define LENGTH_BYTES 5

static size_t begin_message(mt_wire *wire, uint8_t key)
{
    static const uint8_t blank[LENGTH_BYTES];

    put_bytes(wire, &key, 1);
    put_bytes(wire, blank, LENGTH_BYTES);
    return wire->reduced_bytes;
}

static void end_message(mt_wire *wire, size_t begin)
{
    size_t length = wire->reduced_bytes - begin;

    for (int i = 0; i < LENGTH_BYTES; i++, length >>= 7)
        wire->reduced[begin - LENGTH_BYTES + i] = (uint8_t)((length & 127) | (i < LENGTH_BYTES - 1 ? 128 : 0));
}

/* TensorProto: everything but a large raw_data (field 9), whose place is noted. */
static void reduce_tensor(mt_wire *wire, cursor c, mt_wire_span *span)
{
    field f;

    while (next_field(&c, &f))
        if (f.number == 9 && f.type == 2 && f.end - f.payload >= CUT_BYTES_MIN) {
            span->offset = f.payload;
            span->bytes = f.end - f.payload;
        } else {
            put_bytes(wire, c.data + f.start, f.end - f.start);
        }
}

static void reduce_graph(mt_wire *wire, cursor c)
{
    size_t i = 0;
    field  f;

    while (next_field(&c, &f))
        if (f.number == 5 && f.type == 2) {
            size_t begin = begin_message(wire, 5 << 3 | 2);
            cursor inner = {c.data, f.end, f.payload};

            reduce_tensor(wire, inner, &wire->spans[i++]);
            end_message(wire, begin);
        } else {
            put_bytes(wire, c.data + f.start, f.end - f.start);
        }
}

static void reduce_model(mt_wire *wire, cursor c)
{
    field f;

    while (next_field(&c, &f))
        if (f.number == 7 && f.type == 2) {
            size_t begin = begin_message(wire, 7 << 3 | 2);
            cursor inner = {c.data, f.end, f.payload};

            reduce_graph(wire, inner);
            end_message(wire, begin);
        } else {
            put_bytes(wire, c.data + f.start, f.end - f.start);
        }
}

/* Raw bytes that will be left out of one initialiser; false when its bytes are broken. */
static bool measure_tensor(cursor c, size_t *cut)
{
    field f;

    while (next_field(&c, &f))
        if (f.number == 9 && f.type == 2 && f.end - f.payload >= CUT_BYTES_MIN)
            *cut += f.end - f.payload;
    return c.at == c.end;
}

/* The one main graph: its initialisers and the bytes that will go. */
static bool measure_model(cursor c, size_t *n_initialisers, size_t *cut, GError **error)
{
    int   n_graphs = 0;
    field f, g;

    while (next_field(&c, &f)) {
        if (f.number != 7 || f.type != 2)
            continue;
        n_graphs++;
        cursor graph = {c.data, f.end, f.payload};
        while (next_field(&graph, &g)) {
            cursor tensor = {c.data, g.end, g.payload};
            if (g.number != 5 || g.type != 2)
                continue;
            ++*n_initialisers;
            if (!measure_tensor(tensor, cut))
                return refuse_broken(error);
        }
    }
    return n_graphs == 1 || refuse_broken(error);
}

mt_wire *mt_wire_read(const uint8_t *data, size_t bytes, GError **error)
{
    cursor  all = {data, bytes, 0};
    int64_t n_nodes = 0;
    size_t  n_initialisers = 0, cut = 0;

    if (!check_message(all, MODEL, 0, &n_nodes, error) || !measure_model(all, &n_initialisers, &cut, error))
        return NULL;
    g_autoptr(mt_wire) wire = g_new0(mt_wire, 1);
    /* A rewritten length may take LENGTH_BYTES - 1 more than the file's: once for the graph and once per initialiser. */
    wire->reduced = mt_alloc((int64_t)(bytes - cut + LENGTH_BYTES * (n_initialisers + 1)), 1, error);
    wire->spans = mt_alloc((int64_t)n_initialisers, sizeof *wire->spans, error != NULL && *error == NULL ? error : NULL);
    if (wire->reduced == NULL || wire->spans == NULL)
        return NULL;
    wire->n_spans = n_initialisers;
    reduce_model(wire, all);
    return g_steal_pointer(&wire);
}

void mt_wire_free(mt_wire *wire)
{
    if (wire == NULL)
        return;
    mt_free(wire->reduced);
    mt_free(wire->spans);
    g_free(wire);
}
