#include "mil/pickle_reader.h"

#include "mil/pickle_classes.h"
#include "mil/pickle_machine.h"
#include "src/base/limits.h"

#include <stdlib.h>
#include <string.h>

#define ONLY "only tensors and plain containers are read; save the state_dict alone"

/* An opcode's work; `arg` is the table's. */
typedef bool (*run_function)(mt_pickle *p, int arg, GError **error);

char *mt_pickle_shown(const char *bytes, size_t size)
{
    g_autofree char *valid = g_utf8_make_valid(bytes, (gssize)MIN(size, 80));
    GString         *shown = g_string_new(NULL);

    for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at))
        if (g_unichar_isprint(g_utf8_get_char(at)))
            g_string_append_unichar(shown, g_utf8_get_char(at));
        else
            g_string_append_c(shown, '?');
    return g_string_free(shown, FALSE);
}

static bool push_constant(mt_pickle *p, int arg, GError **error)
{
    mt_pickle_value *value = mt_pickle_push_new(p, arg < 0 ? MT_PICKLE_NONE : MT_PICKLE_BOOL, error);

    if (value != NULL)
        value->integer = MAX(arg, 0);
    return value != NULL;
}

static bool push_int(mt_pickle *p, int bytes, GError **error)
{
    uint64_t number;

    if (!mt_pickle_take_number(p, bytes, &number, error))
        return false;
    mt_pickle_value *value = mt_pickle_push_new(p, MT_PICKLE_INT, error);
    if (value != NULL)
        value->integer = bytes == 4 ? (int32_t)(uint32_t)number : (int64_t)number; /* BININT alone has a sign */
    return value != NULL;
}

/* What LONG1 and LONG4 hold: two's complement, little-endian, as many bytes as it takes. */
static bool push_long(mt_pickle *p, int length, GError **error)
{
    uint64_t bytes, number = 0;

    if (!mt_pickle_take_number(p, length, &bytes, error))
        return false;
    const char      *at = mt_pickle_take(p, bytes, error);
    mt_pickle_value *value = at != NULL ? mt_pickle_push_new(p, bytes <= 8 ? MT_PICKLE_INT : MT_PICKLE_LONG, error) : NULL;
    if (value == NULL)
        return false;
    if (bytes > 8) {
        value->bytes = at;
        value->n = (uint32_t)bytes;
        return true;
    }
    bool negative = bytes > 0 && (at[bytes - 1] & 0x80) != 0;
    for (uint64_t i = 0; i < 8; i++)
        number |= (uint64_t)(i < bytes ? (guchar)at[i] : negative ? 0xff : 0) << (8 * i);
    value->integer = (int64_t)number;
    return true;
}

static bool push_float(mt_pickle *p, G_GNUC_UNUSED int arg, GError **error)
{
    const char      *at = mt_pickle_take(p, 8, error);
    mt_pickle_value *value = at != NULL ? mt_pickle_push_new(p, MT_PICKLE_FLOAT, error) : NULL;
    uint64_t         bits;

    if (value == NULL)
        return false;
    memcpy(&bits, at, sizeof(bits));
    bits = GUINT64_FROM_BE(bits);
    memcpy(&value->real, &bits, sizeof(bits));
    return true;
}

static bool push_view(mt_pickle *p, mt_pickle_kind kind, const char *at, size_t bytes, GError **error)
{
    mt_pickle_value *value = at != NULL ? mt_pickle_push_new(p, kind, error) : NULL;

    if (value == NULL)
        return false;
    value->bytes = at;
    value->n = (uint32_t)bytes;
    return true;
}

static bool push_text(mt_pickle *p, int length, GError **error)
{
    uint64_t bytes;

    return mt_pickle_take_number(p, length, &bytes, error) && push_view(p, MT_PICKLE_TEXT, mt_pickle_take(p, bytes, error), bytes, error);
}

static bool push_bytes(mt_pickle *p, int length, GError **error)
{
    uint64_t bytes;

    return mt_pickle_take_number(p, length, &bytes, error) && push_view(p, MT_PICKLE_BYTES, mt_pickle_take(p, bytes, error), bytes, error);
}

/* Protocol 0 writes numbers as text, a bool as 00 or 01 and a long with an L behind it. */
static bool push_number_line(mt_pickle *p, int code, GError **error)
{
    size_t      bytes;
    const char *at = mt_pickle_take_line(p, &bytes, error);
    char        text[64], *end;

    if (at == NULL)
        return false;
    if (bytes == 0 || bytes >= sizeof(text))
        return mt_pickle_refuse(error, "a number in text is not one");
    memcpy(text, at, bytes);
    text[bytes] = '\0';
    if (code == 'L' && text[bytes - 1] == 'L')
        text[bytes - 1] = '\0';
    bool             is_bool = code == 'I' && (strcmp(text, "00") == 0 || strcmp(text, "01") == 0);
    mt_pickle_value *value = mt_pickle_push_new(p, code == 'F' ? MT_PICKLE_FLOAT : is_bool ? MT_PICKLE_BOOL : MT_PICKLE_INT, error);
    if (value == NULL)
        return false;
    if (code == 'F')
        value->real = g_ascii_strtod(text, &end);
    else
        value->integer = g_ascii_strtoll(text, &end, 10);
    return (end != text && *end == '\0') || mt_pickle_refuse(error, "a number in text is not one");
}

/* STRING stands in quotes, UNICODE does not; escapes are not needed for names. */
static bool push_text_line(mt_pickle *p, int quoted, GError **error)
{
    size_t      bytes;
    const char *at = mt_pickle_take_line(p, &bytes, error);

    if (at == NULL)
        return false;
    if (memchr(at, '\\', bytes) != NULL)
        return mt_pickle_refuse(error, "a text of protocol 0 has escapes: save the checkpoint again with torch");
    if (quoted == 0)
        return push_view(p, MT_PICKLE_TEXT, at, bytes, error);
    if (bytes < 2 || (at[0] != '\'' && at[0] != '"') || at[bytes - 1] != at[0])
        return mt_pickle_refuse(error, "a string has no quotes");
    return push_view(p, MT_PICKLE_TEXT, at + 1, bytes - 2, error);
}

static bool push_empty(mt_pickle *p, int kind, GError **error)
{
    return mt_pickle_push_new(p, (mt_pickle_kind)kind, error) != NULL;
}

static bool check_pairs(mt_pickle_kind kind, guint n, GError **error)
{
    return kind != MT_PICKLE_DICT || n % 2 == 0 || mt_pickle_refuse(error, "a dictionary has a key without a value");
}

/* TUPLE, LIST, DICT, FROZENSET: what stands above the mark. */
static bool collect(mt_pickle *p, int kind, GError **error)
{
    mt_pickle_value **items;
    guint             n;

    if (!mt_pickle_above_mark(p, &items, &n, error) || !check_pairs((mt_pickle_kind)kind, n, error))
        return false;
    mt_pickle_value *made = mt_pickle_make(p, (mt_pickle_kind)kind, error);
    if (made == NULL || !mt_pickle_append(p, made, items, n, error))
        return false;
    mt_pickle_drop_mark(p);
    return mt_pickle_push(p, made, error);
}

static bool small_tuple(mt_pickle *p, int n, GError **error)
{
    mt_pickle_value *items[3] = {NULL};

    for (int i = n - 1; i >= 0; i--) {
        items[i] = mt_pickle_pop(p, error);
        if (items[i] == NULL)
            return false;
    }
    mt_pickle_value *made = mt_pickle_push_new(p, MT_PICKLE_TUPLE, error);
    return made != NULL && mt_pickle_append(p, made, items, (guint)n, error);
}

/* APPEND, SETITEM: `n` values for the container below them. */
static bool append_few(mt_pickle *p, int n, GError **error)
{
    mt_pickle_value *items[2] = {NULL};
    mt_pickle_kind   wanted = n == 1 ? MT_PICKLE_LIST : MT_PICKLE_DICT;

    for (int i = n - 1; i >= 0; i--) {
        items[i] = mt_pickle_pop(p, error);
        if (items[i] == NULL)
            return false;
    }
    mt_pickle_value *container = mt_pickle_top(p, error);
    if (container == NULL)
        return false;
    if (container->kind != wanted)
        return mt_pickle_refuse(error, "adds an item to what is no container");
    return mt_pickle_append(p, container, items, (guint)n, error);
}

/* APPENDS, SETITEMS, ADDITEMS: what stands above the mark, for the container below it. */
static bool append_many(mt_pickle *p, int kind, GError **error)
{
    mt_pickle_value **items;
    guint             n;

    if (!mt_pickle_above_mark(p, &items, &n, error) || !check_pairs((mt_pickle_kind)kind, n, error))
        return false;
    mt_pickle_value *container = mt_pickle_below_mark(p, error);
    if (container == NULL)
        return false;
    if (container->kind != (mt_pickle_kind)kind)
        return mt_pickle_refuse(error, "adds an item to what is no container");
    if (!mt_pickle_append(p, container, items, n, error))
        return false;
    mt_pickle_drop_mark(p);
    return true;
}

static bool memo_get(mt_pickle *p, int bytes, GError **error)
{
    uint64_t key;

    return mt_pickle_take_number(p, bytes, &key, error) && mt_pickle_memo_get(p, key, error);
}

static bool memo_put(mt_pickle *p, int bytes, GError **error)
{
    uint64_t key;

    return mt_pickle_take_number(p, bytes, &key, error) && mt_pickle_memo_put(p, key, error);
}

static bool memo_line(mt_pickle *p, int put, GError **error)
{
    size_t           bytes;
    const char      *at = mt_pickle_take_line(p, &bytes, error);
    g_autofree char *text = at != NULL ? g_strndup(at, MIN(bytes, 32)) : NULL;
    guint64          key;

    if (at == NULL)
        return false;
    if (!g_ascii_string_to_unsigned(text, 10, 0, UINT32_MAX, &key, NULL))
        return mt_pickle_refuse(error, "a number of the memo is not one");
    return put != 0 ? mt_pickle_memo_put(p, key, error) : mt_pickle_memo_get(p, key, error);
}

static bool memoize(mt_pickle *p, G_GNUC_UNUSED int arg, GError **error)
{
    return mt_pickle_memo_put(p, g_hash_table_size(p->memo), error);
}

static bool mark(mt_pickle *p, G_GNUC_UNUSED int arg, GError **error)
{
    return mt_pickle_mark(p, error);
}

static bool pop_mark(mt_pickle *p, G_GNUC_UNUSED int arg, GError **error)
{
    mt_pickle_value **items;
    guint             n;

    if (!mt_pickle_above_mark(p, &items, &n, error))
        return false;
    mt_pickle_drop_mark(p);
    return true;
}

/* A mark on top is what POP takes off, as Python's own does. */
static bool pop(mt_pickle *p, int arg, GError **error)
{
    mt_pickle_value **items;
    guint             n;

    if (p->marks->len > 0 && mt_pickle_above_mark(p, &items, &n, error) && n == 0)
        return pop_mark(p, arg, error);
    return mt_pickle_pop(p, error) != NULL;
}

static bool duplicate(mt_pickle *p, G_GNUC_UNUSED int arg, GError **error)
{
    mt_pickle_value *top = mt_pickle_top(p, error);

    return top != NULL && mt_pickle_push(p, top, error);
}

static bool protocol(mt_pickle *p, G_GNUC_UNUSED int arg, GError **error)
{
    uint64_t number;

    if (!mt_pickle_take_number(p, 1, &number, error))
        return false;
    if (number > 5)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "protocol %d is unknown", (int)number);
    return number <= 5;
}

static bool frame(mt_pickle *p, G_GNUC_UNUSED int arg, GError **error)
{
    uint64_t bytes;

    if (!mt_pickle_take_number(p, 8, &bytes, error))
        return false;
    return bytes <= (uint64_t)(p->end - p->at) || mt_pickle_refuse(error, "a frame is larger than the pickle: truncated?");
}

static bool refuse_name(const char *module, size_t module_bytes, const char *name, size_t name_bytes, GError **error)
{
    g_autofree char *shown_module = mt_pickle_shown(module, module_bytes), *shown_name = mt_pickle_shown(name, name_bytes);

    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "refers to '%s.%s': " ONLY, shown_module, shown_name);
    return false;
}

static bool push_class(mt_pickle *p, const char *module, size_t module_bytes, const char *name, size_t name_bytes, GError **error)
{
    const mt_pickle_class *class = mt_pickle_class_find(module, module_bytes, name, name_bytes);

    if (class == NULL)
        return refuse_name(module, module_bytes, name, name_bytes, error);
    mt_pickle_value *value = mt_pickle_push_new(p, MT_PICKLE_CLASS, error);
    if (value != NULL)
        value->class = class;
    return value != NULL;
}

/* GLOBAL; INST would also make an object of it, and is refused with the name it has. */
static bool global(mt_pickle *p, int makes_object, GError **error)
{
    size_t      module_bytes, name_bytes;
    const char *module = mt_pickle_take_line(p, &module_bytes, error);
    const char *name = module != NULL ? mt_pickle_take_line(p, &name_bytes, error) : NULL;

    if (name == NULL)
        return false;
    return makes_object != 0 ? refuse_name(module, module_bytes, name, name_bytes, error)
                             : push_class(p, module, module_bytes, name, name_bytes, error);
}

static bool stack_global(mt_pickle *p, G_GNUC_UNUSED int arg, GError **error)
{
    const mt_pickle_value *name = mt_pickle_pop(p, error);
    const mt_pickle_value *module = name != NULL ? mt_pickle_pop(p, error) : NULL;

    if (module == NULL)
        return false;
    if (name->kind != MT_PICKLE_TEXT || module->kind != MT_PICKLE_TEXT)
        return mt_pickle_refuse(error, "refers to a name that is no text");
    return push_class(p, module->bytes, module->n, name->bytes, name->n, error);
}

static bool persistent(mt_pickle *p, G_GNUC_UNUSED int arg, GError **error)
{
    mt_pickle_value *id = mt_pickle_pop(p, error);

    if (id == NULL)
        return false;
    if (id->kind != MT_PICKLE_TUPLE || id->n < 5)
        return mt_pickle_refuse(error, "refers to a storage in an unknown way");
    mt_pickle_value *storage = mt_pickle_push_new(p, MT_PICKLE_STORAGE, error);
    if (storage != NULL) { /* a tuple does not change: its items are shared */
        storage->items = id->items;
        storage->n = id->n;
    }
    return storage != NULL;
}

/* OrderedDict(((key, value), ..)), as Python 2 wrote it. */
static bool fill_dict(mt_pickle *p, mt_pickle_value *dict, const mt_pickle_value *pairs, GError **error)
{
    if (pairs->kind != MT_PICKLE_LIST && pairs->kind != MT_PICKLE_TUPLE)
        return mt_pickle_refuse(error, "makes an OrderedDict of what is no list");
    for (uint32_t i = 0; i < pairs->n; i++) {
        const mt_pickle_value *pair = pairs->items[i];
        if ((pair->kind != MT_PICKLE_LIST && pair->kind != MT_PICKLE_TUPLE) || pair->n != 2)
            return mt_pickle_refuse(error, "makes an OrderedDict of what are no pairs");
        if (!mt_pickle_append(p, dict, pair->items, 2, error))
            return false;
    }
    return true;
}

static bool make_dict(mt_pickle *p, const mt_pickle_value *args, GError **error)
{
    mt_pickle_value *dict = mt_pickle_push_new(p, MT_PICKLE_DICT, error);

    if (dict == NULL || args->n == 0)
        return dict != NULL;
    return args->n == 1 ? fill_dict(p, dict, args->items[0], error) : mt_pickle_refuse(error, "makes an OrderedDict of several values");
}

/* A value that shares the items of a tuple. */
static bool make_view(mt_pickle *p, mt_pickle_kind kind, const mt_pickle_value *tuple, GError **error)
{
    mt_pickle_value *made = mt_pickle_push_new(p, kind, error);

    if (made == NULL)
        return false;
    made->items = tuple->items;
    made->n = tuple->n;
    made->depth = tuple->depth;
    return true;
}

static bool reduce(mt_pickle *p, G_GNUC_UNUSED int arg, GError **error)
{
    const mt_pickle_value *args = mt_pickle_pop(p, error), *callee = args != NULL ? mt_pickle_pop(p, error) : NULL;

    if (callee == NULL)
        return false;
    if (callee->kind != MT_PICKLE_CLASS || args->kind != MT_PICKLE_TUPLE)
        return mt_pickle_refuse(error, "calls what is no function: " ONLY);
    const mt_pickle_class *class = callee->class;
    switch (class->action) {
    case MT_PICKLE_MAKES_DICT:
        return make_dict(p, args, error);
    case MT_PICKLE_MAKES_TUPLE:
        if (args->n != 1 || args->items[0]->kind != MT_PICKLE_TUPLE)
            break;
        return make_view(p, MT_PICKLE_TUPLE, args->items[0], error);
    case MT_PICKLE_MAKES_TENSOR:
        if (args->n < 4 || args->items[0]->kind != MT_PICKLE_STORAGE)
            break;
        return make_view(p, MT_PICKLE_TENSOR, args, error);
    case MT_PICKLE_MAKES_PARAMETER:
        if (args->n < 1 || args->items[0]->kind != MT_PICKLE_TENSOR)
            break;
        return mt_pickle_push(p, args->items[0], error);
    case MT_PICKLE_MAKES_OPAQUE:
        return mt_pickle_push_new(p, MT_PICKLE_OPAQUE, error) != NULL;
    case MT_PICKLE_MAKES_NOTHING:
        break;
    }
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "calls %s.%s with other values than torch.save writes", class->module, class->name);
    return false;
}

/* The state of an OrderedDict (_metadata: versions of modules) and of a numpy.dtype is of no use here. */
static bool build(mt_pickle *p, G_GNUC_UNUSED int arg, GError **error)
{
    const mt_pickle_value *state = mt_pickle_pop(p, error), *target = state != NULL ? mt_pickle_top(p, error) : NULL;

    if (target == NULL)
        return false;
    return target->kind == MT_PICKLE_DICT || target->kind == MT_PICKLE_OPAQUE ||
           mt_pickle_refuse(error, "sets the state of an object: " ONLY);
}

static bool stop(mt_pickle *p, G_GNUC_UNUSED int arg, GError **error)
{
    if (p->marks->len > 0)
        return mt_pickle_refuse(error, "a mark is left on the stack");
    p->root = mt_pickle_pop(p, error);
    return p->root != NULL;
}

static bool refuse_opcode(G_GNUC_UNUSED mt_pickle *p, G_GNUC_UNUSED int arg, GError **error)
{
    return mt_pickle_refuse(error, "makes an object: " ONLY);
}

static const struct opcode {
    const char  *name;
    run_function run;
    int          arg;
} opcodes[256] = {
    ['('] = {"MARK", mark, 0},
    ['.'] = {"STOP", stop, 0},
    ['0'] = {"POP", pop, 0},
    ['1'] = {"POP_MARK", pop_mark, 0},
    ['2'] = {"DUP", duplicate, 0},
    ['F'] = {"FLOAT", push_number_line, 'F'},
    ['I'] = {"INT", push_number_line, 'I'},
    ['L'] = {"LONG", push_number_line, 'L'},
    ['J'] = {"BININT", push_int, 4},
    ['K'] = {"BININT1", push_int, 1},
    ['M'] = {"BININT2", push_int, 2},
    ['N'] = {"NONE", push_constant, -1},
    [0x88] = {"NEWTRUE", push_constant, 1},
    [0x89] = {"NEWFALSE", push_constant, 0},
    [0x8a] = {"LONG1", push_long, 1},
    [0x8b] = {"LONG4", push_long, 4},
    ['G'] = {"BINFLOAT", push_float, 0},
    ['S'] = {"STRING", push_text_line, 1},
    ['V'] = {"UNICODE", push_text_line, 0},
    ['T'] = {"BINSTRING", push_text, 4},
    ['U'] = {"SHORT_BINSTRING", push_text, 1},
    ['X'] = {"BINUNICODE", push_text, 4},
    [0x8c] = {"SHORT_BINUNICODE", push_text, 1},
    [0x8d] = {"BINUNICODE8", push_text, 8},
    ['B'] = {"BINBYTES", push_bytes, 4},
    ['C'] = {"SHORT_BINBYTES", push_bytes, 1},
    [0x8e] = {"BINBYTES8", push_bytes, 8},
    [0x96] = {"BYTEARRAY8", push_bytes, 8},
    [')'] = {"EMPTY_TUPLE", push_empty, MT_PICKLE_TUPLE},
    [']'] = {"EMPTY_LIST", push_empty, MT_PICKLE_LIST},
    ['}'] = {"EMPTY_DICT", push_empty, MT_PICKLE_DICT},
    [0x8f] = {"EMPTY_SET", push_empty, MT_PICKLE_LIST},
    ['t'] = {"TUPLE", collect, MT_PICKLE_TUPLE},
    ['l'] = {"LIST", collect, MT_PICKLE_LIST},
    ['d'] = {"DICT", collect, MT_PICKLE_DICT},
    [0x91] = {"FROZENSET", collect, MT_PICKLE_LIST},
    [0x85] = {"TUPLE1", small_tuple, 1},
    [0x86] = {"TUPLE2", small_tuple, 2},
    [0x87] = {"TUPLE3", small_tuple, 3},
    ['a'] = {"APPEND", append_few, 1},
    ['s'] = {"SETITEM", append_few, 2},
    ['e'] = {"APPENDS", append_many, MT_PICKLE_LIST},
    ['u'] = {"SETITEMS", append_many, MT_PICKLE_DICT},
    [0x90] = {"ADDITEMS", append_many, MT_PICKLE_LIST},
    ['g'] = {"GET", memo_line, 0},
    ['p'] = {"PUT", memo_line, 1},
    ['h'] = {"BINGET", memo_get, 1},
    ['j'] = {"LONG_BINGET", memo_get, 4},
    ['q'] = {"BINPUT", memo_put, 1},
    ['r'] = {"LONG_BINPUT", memo_put, 4},
    [0x94] = {"MEMOIZE", memoize, 0},
    [0x80] = {"PROTO", protocol, 0},
    [0x95] = {"FRAME", frame, 0},
    ['c'] = {"GLOBAL", global, 0},
    [0x93] = {"STACK_GLOBAL", stack_global, 0},
    ['Q'] = {"BINPERSID", persistent, 0},
    ['R'] = {"REDUCE", reduce, 0},
    ['b'] = {"BUILD", build, 0},
    ['i'] = {"INST", global, 1},
    ['o'] = {"OBJ", refuse_opcode, 0},
    ['P'] = {"PERSID", refuse_opcode, 0},
    [0x81] = {"NEWOBJ", refuse_opcode, 0},
    [0x92] = {"NEWOBJ_EX", refuse_opcode, 0},
    [0x82] = {"EXT1", refuse_opcode, 0},
    [0x83] = {"EXT2", refuse_opcode, 0},
    [0x84] = {"EXT4", refuse_opcode, 0},
    [0x97] = {"NEXT_BUFFER", refuse_opcode, 0},
    [0x98] = {"READONLY_BUFFER", refuse_opcode, 0},
};

static bool run(mt_pickle *p, GError **error)
{
    while (p->root == NULL) {
        if (p->at == p->end)
            return mt_pickle_refuse(error, "the pickle does not end: truncated?");
        const struct opcode *op = &opcodes[(guchar)*p->at];
        size_t               at = (size_t)(p->at - p->start);
        if (op->name == NULL) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "pickle: unknown opcode 0x%02x at byte %zu", (guchar)*p->at, at);
            return false;
        }
        p->at++;
        if (!op->run(p, op->arg, error)) {
            g_prefix_error(error, "pickle, %s at byte %zu: ", op->name, at);
            return false;
        }
    }
    return true;
}

mt_pickle *mt_pickle_read(const char *bytes, size_t size, size_t *used, GError **error)
{
    g_autoptr(mt_pickle) p = mt_pickle_new(bytes, MIN(size, (size_t)MT_LIMIT_PICKLE_BYTES));

    if (!run(p, error))
        return NULL;
    if (used != NULL)
        *used = (size_t)(p->at - bytes);
    mt_pickle_drop_stack(p);
    return g_steal_pointer(&p);
}

const mt_pickle_value *mt_pickle_root(const mt_pickle *pickle)
{
    return pickle->root;
}

bool mt_pickle_is_text(const mt_pickle_value *value, const char *text)
{
    return value->kind == MT_PICKLE_TEXT && value->n == strlen(text) && memcmp(value->bytes, text, value->n) == 0;
}

const mt_pickle_value *mt_pickle_find(const mt_pickle_value *dict, const char *key)
{
    for (uint32_t i = dict->n; dict->kind == MT_PICKLE_DICT && i >= 2; i -= 2)
        if (mt_pickle_is_text(dict->items[i - 2], key))
            return dict->items[i - 1];
    return NULL;
}

const char *mt_pickle_storage_type(const mt_pickle_value *value)
{
    return value->kind == MT_PICKLE_CLASS ? ((const mt_pickle_class *)value->class)->storage : NULL;
}
