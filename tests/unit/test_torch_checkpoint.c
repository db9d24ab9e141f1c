/* Checkpoints that torch 1.13 saved (tests/golden/make_torch_checkpoints.py) against their safetensors twins, and hostile ones,
 * made here by hand so that each breaks one rule.  Nothing in them may ever run: those that would, would leave a file. */
#include "mil/safetensors.h"
#include "mil/torch_checkpoint.h"

#include <microtome/head.h>

#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <zlib.h>

static char *folder;

static char *golden(const char *name)
{
    return g_test_build_filename(G_TEST_DIST, "golden", "mil", name, NULL);
}

static mt_head *load(const char *path)
{
    g_autoptr(GError) error = NULL;
    mt_head *head = mt_head_load(path, &error);

    g_assert_no_error(error);
    return head;
}

/* ---- twins ---- */

static const char *const twins[] = {
    "clam_sb.module.pt",
    "clam_sb.module.legacy.pt",
    "clam_sb.strided.pt",
    "clam_sb.strided.legacy.pt",
    "clam_sb.shared.pt",
    "clam_sb.shared.legacy.pt",
    "clam_sb.trained.pt",
    "clam_sb.trained.legacy.pt",
    "clam_sb.lightning.pt",
    "clam_sb.lightning.legacy.pt",
    "clam_sb.nested.pt",
    "clam_sb.nested.legacy.pt",
    "clam_sb.parameters.pt",
    "clam_sb.parameters.legacy.pt",
    "clam_sb.protocol5.pt",
    "clam_sb.protocol3.legacy.pt",
    "clam_mb.module.pt",
    "clam_mb.module.legacy.pt",
    "clam_mb.strided.pt",
    "clam_mb.strided.legacy.pt",
    "millab_gated.shared.pt",
    "ilse_gated.trained.pt",
    "millab_f64.strided.pt",
    "clam_sb_no_dropout.module.pt",
    "clam_sb_no_dropout.module.legacy.pt",
};

/* The same scores, bit for bit, as from safetensors. */
static void test_twin(gconstpointer data)
{
    const char *name = data;
    g_auto(GStrv) parts = g_strsplit(name, ".", 2);
    g_autofree char *plain_name = g_strconcat(parts[0], ".safetensors", NULL), *plain_path = golden(plain_name);
    g_autofree char *torch_name = g_build_filename("torch", name, NULL), *torch_path = golden(torch_name);
    g_autoptr(mt_head) plain = load(plain_path), torch = load(torch_path);
    float  features[5 * 32];
    mt_bag bag = mt_bag_from_memory(features, 5, 32);

    for (int i = 0; i < 5 * 32; i++)
        features[i] = (float)((i * 37) % 101) / 50 - 1;
    g_autoptr(mt_head_output) wanted = mt_head_predict(plain, &bag, NULL, NULL), found = mt_head_predict(torch, &bag, NULL, NULL);
    g_assert_nonnull(wanted);
    g_assert_nonnull(found);
    g_assert_cmpstr(mt_head_kind(torch), ==, mt_head_kind(plain));
    g_assert_cmpint(found->n_classes, ==, wanted->n_classes);
    g_assert_cmpmem(found->logits, (size_t)found->n_classes * sizeof(float), wanted->logits, (size_t)wanted->n_classes * sizeof(float));
    g_assert_cmpmem(found->attention, 5 * sizeof(float), wanted->attention, 5 * sizeof(float));
    g_assert_cmpuint(strlen(mt_head_sha256(torch)), ==, 64);
}

/* ---- values ---- */

static void check_values(const mt_torch_checkpoint *file, const char *name, const char *dtype, const char *shape, const float *values)
{
    for (int i = 0; i < mt_torch_checkpoint_n(file); i++) {
        const mt_weight *weight = mt_torch_checkpoint_get(file, i);
        if (strcmp(weight->name, name) != 0)
            continue;
        g_autoptr(GError) error = NULL;
        g_autofree char *found = mt_shape_to_string(weight->rank, weight->shape);
        g_assert_cmpstr(weight->dtype, ==, dtype);
        g_assert_cmpstr(found, ==, shape);
        g_autoptr(mt_tensor) tensor = mt_torch_checkpoint_read(file, weight, &error);
        if (values == NULL) {
            g_autofree char *message = g_strdup_printf("tensor '%s' is %s: F32, F16, BF16 or F64 is wanted", name, dtype);
            g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
            g_assert_cmpstr(error->message, ==, message);
            return;
        }
        g_assert_no_error(error);
        g_assert_cmpmem(tensor->data, (size_t)weight->count * sizeof(float), values, (size_t)weight->count * sizeof(float));
        return;
    }
    g_error("no tensor '%s'", name);
}

static void test_values(gconstpointer data)
{
    g_autofree char *name = g_build_filename("torch", data, NULL), *path = golden(name);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_torch_checkpoint) file = mt_torch_checkpoint_open(path, &error);
    const float count[] = {-3, -2, -1, 0, 1, 2}, offset[] = {2, 3, 4, 5}, scalar[] = {7};
    float       transposed[24], steps[12];

    for (int i = 0; i < 24; i++)
        transposed[i] = (float)(i % 4 * 6 + i / 4 - 3);
    for (int i = 0; i < 12; i++)
        steps[i] = (float)(i / 6 * 12 + i / 3 % 2 * 8 + i % 3 + 1 - 3);
    g_assert_no_error(error);
    g_assert_cmpint(mt_torch_checkpoint_n(file), ==, 15);
    g_assert_null(mt_torch_checkpoint_skipped(file));
    check_values(file, "f32", "F32", "2x3", count);
    check_values(file, "f64", "F64", "5", count);
    check_values(file, "f16", "F16", "5", count);
    check_values(file, "bf16", "BF16", "5", count);
    check_values(file, "i64", "I64", "5", NULL);
    check_values(file, "i32", "I32", "5", NULL);
    check_values(file, "i16", "I16", "5", NULL);
    check_values(file, "i8", "I8", "5", NULL);
    check_values(file, "u8", "U8", "5", NULL);
    check_values(file, "bool", "BOOL", "3", NULL);
    check_values(file, "scalar", "F32", "scalar", scalar);
    check_values(file, "empty", "F32", "0x4", count);
    check_values(file, "offset", "F32", "4", offset);
    check_values(file, "transposed", "F32", "6x4", transposed);
    check_values(file, "steps", "F32", "2x2x3", steps);
}

static void assert_skipped(const char *name, const char *skipped)
{
    g_autofree char *file_name = g_build_filename("torch", name, NULL), *path = golden(file_name);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_torch_checkpoint) file = mt_torch_checkpoint_open(path, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(mt_torch_checkpoint_skipped(file), ==, skipped);
}

static void test_skipped(void)
{
    assert_skipped("clam_sb.module.pt", NULL);
    assert_skipped("clam_sb.trained.pt", "epoch, optimizer_state_dict, best_auc, lr, device, dtype, done, name and 2 more");
    assert_skipped("clam_sb.lightning.pt", "epoch, global_step, pytorch-lightning_version, loops, hyper_parameters, optimizer_states");
}

/* ---- archives made here ---- */

typedef struct part {
    const char *name;
    const void *bytes;
    size_t      size;
} part;

static void put(GByteArray *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        guint8 byte = i < 8 ? (guint8)(value >> (8 * i)) : 0;
        g_byte_array_append(out, &byte, 1);
    }
}

static bool without_checksums; /* as torch.save writes them when it is told not to compute any */

static uint32_t checksum(const part *p)
{
    return without_checksums ? 0 : (uint32_t)crc32(0, p->bytes, (uInt)p->size);
}

static void put_local(GByteArray *out, const part *p)
{
    put(out, 0x04034b50, 4);
    put(out, 0, 2 + 2 + 2 + 4); /* version, flags, stored, time */
    put(out, checksum(p), 4);
    put(out, p->size, 4);
    put(out, p->size, 4);
    put(out, strlen(p->name), 2);
    put(out, 0, 2);
    g_byte_array_append(out, (const guint8 *)p->name, (guint)strlen(p->name));
    g_byte_array_append(out, p->bytes, (guint)p->size);
}

static void put_central(GByteArray *out, const part *p, size_t at)
{
    put(out, 0x02014b50, 4);
    put(out, 0, 2 + 2);
    put(out, 0, 2 + 2 + 4);
    put(out, checksum(p), 4);
    put(out, p->size, 4);
    put(out, p->size, 4);
    put(out, strlen(p->name), 2);
    put(out, 0, 2 + 2 + 2 + 2 + 4);
    put(out, at, 4);
    g_byte_array_append(out, (const guint8 *)p->name, (guint)strlen(p->name));
}

static GByteArray *make_zip(const part *parts, int n)
{
    GByteArray *out = g_byte_array_new();
    size_t      at[16];

    for (int i = 0; i < n; i++) {
        at[i] = out->len;
        put_local(out, &parts[i]);
    }
    size_t central = out->len;
    for (int i = 0; i < n; i++)
        put_central(out, &parts[i], at[i]);
    size_t bytes = out->len - central;
    put(out, 0x06054b50, 4);
    put(out, 0, 2 + 2);
    put(out, (uint64_t)n, 2);
    put(out, (uint64_t)n, 2);
    put(out, bytes, 4);
    put(out, central, 4);
    put(out, 0, 2);
    return out;
}

static char *write_bytes(const void *bytes, size_t size)
{
    char *path = g_build_filename(folder, "x.pt", NULL);
    g_autoptr(GError) error = NULL;

    /* No fsync: thousands are written.  It writes over a file that is there, so that one goes first. */
    g_unlink(path);
    g_file_set_contents_full(path, bytes, (gssize)size, G_FILE_SET_CONTENTS_NONE, 0600, &error);
    g_assert_no_error(error);
    return path;
}

static const float four[4] = {1, 2, 3, 4};

static char *write_pickle(const void *bytes, size_t size)
{
    const part parts[] = {{"a/data.pkl", bytes, size}, {"a/data/0", four, sizeof(four)}};
    g_autoptr(GByteArray) zip = make_zip(parts, 2);

    return write_bytes(zip->data, zip->len);
}

/* `message` after "read PATH: "; one that ends in '*' is compared up to there. */
static void assert_refused(const char *path, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_torch_checkpoint) file = mt_torch_checkpoint_open(path, &error);
    g_autofree char *whole = g_strdup_printf("read %s: %s", path, message), *owned = g_build_filename(folder, "owned", NULL);

    g_assert_null(file);
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    if (g_str_has_suffix(message, "*")) {
        whole[strlen(whole) - 1] = '\0';
        error->message[MIN(strlen(error->message), strlen(whole))] = '\0';
    }
    g_assert_cmpstr(error->message, ==, whole);
    g_assert_false(g_file_test(owned, G_FILE_TEST_EXISTS));
}

/* ---- hostile pickles ---- */

#define ONLY "only tensors and plain containers are read; save the state_dict alone"
#define TEXT1(letter) "X\1\0\0\0" letter
#define STORAGE_OF(class, key, numel) "(X\7\0\0\0storagectorch\n" class "\n" TEXT1(key) "X\3\0\0\0cpu" numel "tQ"
#define STORAGE STORAGE_OF("FloatStorage", "0", "K\4")
#define TENSOR_OF(storage, view) "ctorch._utils\n_rebuild_tensor_v2\n(" storage view "\x89}tR"
#define TENSOR TENSOR_OF(STORAGE, "K\0K\4\x85K\1\x85")
#define HOLDS(value) "\x80\2}" TEXT1("w") value "s."
#define VIEW(view) HOLDS(TENSOR_OF(STORAGE, view))
#define BYTES(text) text, sizeof(text) - 1

static const struct hostile {
    const char *name, *bytes;
    size_t      size;
    const char *message;
} hostile[] = {
    {"os-system", BYTES("cos\nsystem\n(X\x0c\0\0\0touch owned.tR."), "pickle, GLOBAL at byte 0: refers to 'os.system': " ONLY},
    {"posix-system",
     BYTES("\x80\2"
           "cposix\nsystem\nX\1\0\0\0a\x85R."),
     "pickle, GLOBAL at byte 2: refers to 'posix.system': " ONLY},
    {"eval", BYTES("c__builtin__\neval\n(S'1'\ntR."), "pickle, GLOBAL at byte 0: refers to '__builtin__.eval': " ONLY},
    {"exec-protocol-4",
     BYTES("\x80\4\x8c\x08"
           "builtins\x8c\4exec\x93."),
     "pickle, STACK_GLOBAL at byte 18: refers to 'builtins.exec': " ONLY},
    {"getattr-chain", BYTES("cbuiltins\ngetattr\n(ctorch\nSize\nX\3\0\0\0hubtR."),
     "pickle, GLOBAL at byte 0: refers to 'builtins.getattr': " ONLY},
    {"dotted-name", BYTES("ctorch\nSize.__class__\n."), "pickle, GLOBAL at byte 0: refers to 'torch.Size.__class__': " ONLY},
    {"torch-load-from-bytes", BYTES("ctorch.storage\n_load_from_bytes\n."),
     "pickle, GLOBAL at byte 0: refers to 'torch.storage._load_from_bytes': " ONLY},
    {"runpy", BYTES("crunpy\n_run_code\n."), "pickle, GLOBAL at byte 0: refers to 'runpy._run_code': " ONLY},
    {"whole-module", BYTES("ctorch.nn.modules.linear\nLinear\n."),
     "pickle, GLOBAL at byte 0: refers to 'torch.nn.modules.linear.Linear': " ONLY},
    {"namespace", BYTES(HOLDS("cargparse\nNamespace\n)\x81")), "pickle, GLOBAL at byte 9: refers to 'argparse.Namespace': " ONLY},
    {"control-characters", BYTES("ca\33[2J\nb\7\n."), "pickle, GLOBAL at byte 0: refers to 'a?[2J.b?': " ONLY},
    {"inst", BYTES("(X\1\0\0\0aios\nsystem\n."), "pickle, INST at byte 7: refers to 'os.system': " ONLY},
    {"inst-known", BYTES("(icollections\nOrderedDict\n."), "pickle, INST at byte 1: refers to 'collections.OrderedDict': " ONLY},
    {"obj", BYTES("(ccollections\nOrderedDict\no."), "pickle, OBJ at byte 26: makes an object: " ONLY},
    {"newobj",
     BYTES("\x80\2"
           "ccollections\nOrderedDict\n)\x81."),
     "pickle, NEWOBJ at byte 28: makes an object: " ONLY},
    {"newobj-ex",
     BYTES("\x80\4"
           "ccollections\nOrderedDict\n)}\x92."),
     "pickle, NEWOBJ_EX at byte 29: makes an object: " ONLY},
    {"ext1", BYTES("\x80\2\x82\1."), "pickle, EXT1 at byte 2: makes an object: " ONLY},
    {"ext2", BYTES("\x80\2\x83\1\0."), "pickle, EXT2 at byte 2: makes an object: " ONLY},
    {"ext4", BYTES("\x80\2\x84\1\0\0\0."), "pickle, EXT4 at byte 2: makes an object: " ONLY},
    {"persid", BYTES("Pos.system\n."), "pickle, PERSID at byte 0: makes an object: " ONLY},
    {"next-buffer", BYTES("\x80\5\x97."), "pickle, NEXT_BUFFER at byte 2: makes an object: " ONLY},
    {"build-tensor", BYTES(HOLDS(TENSOR "}b")), "pickle, BUILD at byte 107: sets the state of an object: " ONLY},
    {"build-class", BYTES("ctorch\nSize\n}b."), "pickle, BUILD at byte 13: sets the state of an object: " ONLY},
    {"reduce-text", BYTES("X\2\0\0\0os)R."), "pickle, REDUCE at byte 8: calls what is no function: " ONLY},
    {"reduce-result", BYTES("ccollections\nOrderedDict\n)R)R."), "pickle, REDUCE at byte 28: calls what is no function: " ONLY},
    {"reduce-list", BYTES("ctorch\nSize\n]R."), "pickle, REDUCE at byte 13: calls what is no function: " ONLY},
    {"reduce-storage", BYTES("ctorch\nFloatStorage\nK\4\x85R."),
     "pickle, REDUCE at byte 23: calls torch.FloatStorage with other values than torch.save writes"},
    {"tensor-of-text", BYTES("ctorch._utils\n_rebuild_tensor_v2\n(" TEXT1("s") "K\0))tR."),
     "pickle, REDUCE at byte 45: calls torch._utils._rebuild_tensor_v2 with other values than torch.save writes"},
    {"parameter-of-none", BYTES("ctorch._utils\n_rebuild_parameter\nN\x85R."),
     "pickle, REDUCE at byte 35: calls torch._utils._rebuild_parameter with other values than torch.save writes"},
    {"ordered-dict-of-lies", BYTES("ccollections\nOrderedDict\n]K\1a\x85R."),
     "pickle, REDUCE at byte 30: makes an OrderedDict of what are no pairs"},
    {"long4-huge", BYTES("\x80\2\x8b\xff\xff\xff\x7f."), "pickle, LONG4 at byte 2: 2147483647 bytes are wanted, 1 are there: truncated?"},
    {"long4-negative", BYTES("\x80\2\x8b\0\0\0\x80."), "pickle, LONG4 at byte 2: 2147483648 bytes are wanted, 1 are there: truncated?"},
    {"binbytes8-huge", BYTES("\x80\4\x8e\xff\xff\xff\xff\xff\xff\xff\x7f."),
     "pickle, BINBYTES8 at byte 2: 9223372036854775807 bytes are wanted, 1 are there: truncated?"},
    {"binunicode8-huge", BYTES("\x80\4\x8d\xff\xff\xff\xff\xff\xff\xff\xff."),
     "pickle, BINUNICODE8 at byte 2: 18446744073709551615 bytes are wanted, 1 are there: truncated?"},
    {"bytearray8-huge", BYTES("\x80\5\x96\0\0\0\0\1\0\0\0."),
     "pickle, BYTEARRAY8 at byte 2: 4294967296 bytes are wanted, 1 are there: truncated?"},
    {"frame-lies", BYTES("\x80\4\x95\xff\xff\0\0\0\0\0\0}."), "pickle, FRAME at byte 2: a frame is larger than the pickle: truncated?"},
    {"unknown-opcode", BYTES("\x80\2\xfe."), "pickle: unknown opcode 0xfe at byte 2"},
    {"protocol-6", BYTES("\x80\6}."), "pickle, PROTO at byte 0: protocol 6 is unknown"},
    {"empty", BYTES(""), "the pickle does not end: truncated?"},
    {"stop-alone", BYTES("."), "pickle, STOP at byte 0: the stack is empty"},
    {"mark-left", BYTES("(}."), "pickle, STOP at byte 2: a mark is left on the stack"},
    {"no-mark", BYTES("}t."), "pickle, TUPLE at byte 1: there is no mark on the stack"},
    {"below-the-mark", BYTES("](0a."), "pickle, APPEND at byte 3: the stack is empty"},
    {"through-the-mark", BYTES("](K\1a."), "pickle, APPEND at byte 4: the stack is empty"},
    {"appends-to-nothing", BYTES("(K\1e."), "pickle, APPENDS at byte 3: the stack is empty"},
    {"appends-to-tuple", BYTES(")(K\1e."), "pickle, APPENDS at byte 4: adds an item to what is no container"},
    {"setitem-of-list", BYTES("]K\1K\2s."), "pickle, SETITEM at byte 5: adds an item to what is no container"},
    {"odd-dictionary", BYTES("}(K\1u."), "pickle, SETITEMS at byte 4: a dictionary has a key without a value"},
    {"memo-missing", BYTES("h\5."), "pickle, BINGET at byte 0: the memo has no value 5"},
    {"memo-far", BYTES("}r\xff\xff\xff\xffj\xfe\xff\xff\xff."), "pickle, LONG_BINGET at byte 6: the memo has no value 4294967294"},
    {"memo-text", BYTES("}p99999999999999999999\n."), "pickle, PUT at byte 1: a number of the memo is not one"},
    {"number-text", BYTES("I12x\n."), "pickle, INT at byte 0: a number in text is not one"},
    {"line-open", BYTES("cos"), "pickle, GLOBAL at byte 0: a line does not end: truncated?"},
    {"one-tensor", BYTES("\x80\2" TENSOR "."), "holds one tensor, no dictionary of weights: save the model's state_dict"},
    {"a-list", BYTES("\x80\2](" TENSOR "e."), "holds no tensors by name, no dictionary of weights: save the model's state_dict"},
    {"no-tensors", BYTES(HOLDS("K\3")), "holds no tensors, but w"},
    {"nothing", BYTES("}."), "holds no tensors"},
    {"list-of-tensors", BYTES(HOLDS("](" TENSOR "e")), "'w' is a list of tensors: a state dict has a name for each"},
    {"itself", BYTES("\x80\2}q\0" TEXT1("w") "h\0s."), "holds no tensors, but *"},
    {"key-no-text", BYTES("\x80\2}(" TENSOR "K\1u."), "a key of 'the top' is no text of at most 1000 bytes"},
    {"key-nul", BYTES("\x80\2}X\3\0\0\0a\0b" TENSOR "s."), "a key of 'the top' is no text of at most 1000 bytes"},
    {"offset-negative", BYTES(VIEW("J\xff\xff\xff\xffK\1\x85K\1\x85")), "tensor 'w' has an offset that is no count"},
    {"offset-beyond", BYTES(VIEW("K\1K\4\x85K\1\x85")), "tensor 'w' of shape 4 does not fit its storage of 4 values"},
    {"offset-huge", BYTES(VIEW("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\4\x85K\1\x85")),
     "tensor 'w' of shape 4 does not fit its storage of 4 values"},
    {"offset-bigger", BYTES(VIEW("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x7fK\4\x85K\1\x85")),
     "tensor 'w' has an offset that is no count"},
    {"size-negative", BYTES(VIEW("K\0J\xff\xff\xff\xff\x85K\1\x85")), "tensor 'w' has a size or a stride that is no count"},
    {"size-huge", BYTES(VIEW("K\0\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85K\1\x85")),
     "tensor 'w' of shape 9223372036854775807 does not fit its storage of 4 values"},
    {"sizes-overflow", BYTES(VIEW("K\0\x8a\5\0\0\0\0\1\x8a\5\0\0\0\0\1\x86K\0K\0\x86")), "tensor 'w' has more values than can be counted"},
    {"stride-negative", BYTES(VIEW("K\3K\4\x85J\xff\xff\xff\xff\x85")), "tensor 'w' has a size or a stride that is no count"},
    {"stride-huge", BYTES(VIEW("K\0K\2\x85\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85")),
     "tensor 'w' of shape 2 does not fit its storage of 4 values"},
    {"stride-overflow", BYTES(VIEW("K\1K\3\x85\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85")),
     "tensor 'w' of shape 3 does not fit its storage of 4 values"},
    {"repeated-without-end", BYTES(VIEW("K\0J\0\0\0\x40\x85K\0\x85")),
     "tensor 'w' of shape 1073741824 does not fit its storage of 4 values"},
    {"strides-too-few", BYTES(VIEW("K\0K\2K\2\x86K\1\x85")), "tensor 'w' has no tuple of sizes and of as many strides"},
    {"size-a-list", BYTES(VIEW("K\0]K\1\x85")), "tensor 'w' has no tuple of sizes and of as many strides"},
    {"nine-axes", BYTES(VIEW("K\0(K\1K\1K\1K\1K\1K\1K\1K\1K\1t(K\1K\1K\1K\1K\1K\1K\1K\1K\1t")), "tensor 'w' has more than 8 axes"},
    {"size-of-text", BYTES(VIEW("K\0" TEXT1("a") "\x85K\1\x85")), "tensor 'w' has a size or a stride that is no count"},
    {"storage-lies", BYTES(HOLDS(TENSOR_OF(STORAGE_OF("FloatStorage", "0", "J\0\0\0\x40"), "K\0K\4\x85K\1\x85"))),
     "storage '0' claims 1073741824 values of F32, the file keeps 16 bytes for it"},
    {"storage-too-small", BYTES(HOLDS(TENSOR_OF(STORAGE_OF("FloatStorage", "0", "K\2"), "K\0K\2\x85K\1\x85"))),
     "storage '0' claims 2 values of F32, the file keeps 16 bytes for it"},
    {"storage-type-lies", BYTES(HOLDS(TENSOR_OF(STORAGE_OF("DoubleStorage", "0", "K\4"), "K\0K\4\x85K\1\x85"))),
     "storage '0' claims 4 values of F64, the file keeps 16 bytes for it"},
    {"storage-missing", BYTES(HOLDS(TENSOR_OF(STORAGE_OF("FloatStorage", "1", "K\4"), "K\0K\4\x85K\1\x85"))),
     "storage '1' is missing in the archive"},
    {"storage-negative", BYTES(HOLDS(TENSOR_OF(STORAGE_OF("FloatStorage", "0", "J\xff\xff\xff\xff"), "K\0K\4\x85K\1\x85"))),
     "refers to a storage in an unknown way"},
    {"storage-of-no-class",
     BYTES(HOLDS("(X\7\0\0\0storageNX\1\0\0\0"
                 "0NK\4tQ")),
     "refers to a storage in an unknown way"},
    {"storage-unknown", BYTES(HOLDS(TENSOR_OF(STORAGE_OF("ComplexFloatStorage", "0", "K\4"), "K\0K\4\x85K\1\x85"))),
     "pickle, GLOBAL at byte 56: refers to 'torch.ComplexFloatStorage': " ONLY},
    {"storage-two-types",
     BYTES("\x80\2}(" TEXT1("a") TENSOR TEXT1("b") TENSOR_OF(STORAGE_OF("IntStorage", "0", "K\4"), "K\0K\4\x85K\1\x85") "u."),
     "storage '0' has two types or sizes"},
    {"persistent-text", BYTES("X\1\0\0\0aQ."), "pickle, BINPERSID at byte 6: refers to a storage in an unknown way"},
};

static void test_hostile(gconstpointer data)
{
    const struct hostile *h = data;
    g_autofree char      *path = write_pickle(h->bytes, h->size);

    assert_refused(path, h->message);
}

/* The limits of memory hold while the worst is read: nothing is allocated beyond what the file could justify. */
static void test_bombs(void)
{
    static const struct {
        const char *first, *again;
        size_t      first_size, again_size;
        int         times;
        const char *last, *message;
    } bombs[] = {
        {"", "]", 0, 1, 100000, ".", "holds no tensors by name, *"},
        {"", "(", 0, 1, 3000000, ".", "pickle, MARK at byte 2000000: more than 2000000 marks on the stack"},
        {"", "]", 0, 1, 3000000, ".", "pickle, EMPTY_LIST at byte 2000000: more than 2000000 values"},
        {"]", "\x85", 1, 1, 100000, ".", "pickle, TUPLE1 at byte 65: its containers nest deeper than 64"},
        {"]", "2", 1, 1, 3000000, ".", "pickle, DUP at byte 2000000: more than 2000000 values on the stack"},
        {"(", "NNNNNNNN", 1, 8, 200000, "l.", "holds no tensors by name, *"},
        {"]q\0(", "h\0h\0h\0h\0h\0h\0h\0h\0", 4, 16, 10000, "e.", "pickle, APPENDS at byte 160004: its containers nest deeper than 64"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(bombs); i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_byte_array_append(bytes, (const guint8 *)bombs[i].first, (guint)bombs[i].first_size);
        for (int k = 0; k < bombs[i].times; k++)
            g_byte_array_append(bytes, (const guint8 *)bombs[i].again, (guint)bombs[i].again_size);
        g_byte_array_append(bytes, (const guint8 *)bombs[i].last, (guint)strlen(bombs[i].last));
        g_autofree char *path = write_pickle(bytes->data, bytes->len);
        assert_refused(path, bombs[i].message);
    }
}

/* Ten dictionaries a level, each the one below ten times: 10^20 tensors by name, one in the file. */
static void test_laughs(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    char put_text[] = "}q?(", get_text[] = "X\1\0\0\0kh?";

    g_byte_array_append(bytes, (const guint8 *)BYTES("\x80\2}X\1\0\0\0w" TENSOR "sq\0"));
    for (char level = 1; level <= 20; level++) {
        put_text[2] = level;
        get_text[7] = (char)(level - 1);
        g_byte_array_append(bytes, (const guint8 *)put_text, 4);
        for (char k = 0; k < 10; k++) {
            get_text[5] = (char)('a' + k);
            g_byte_array_append(bytes, (const guint8 *)get_text, 8);
        }
        g_byte_array_append(bytes, (const guint8 *)"u", 1);
    }
    g_byte_array_append(bytes, (const guint8 *)".", 1);
    g_autofree char *path = write_pickle(bytes->data, bytes->len);
    assert_refused(path, "more than 65536 tensors");
}

/* ---- hostile archives ---- */

static const char good[] = HOLDS(TENSOR);

static void assert_zip_refused(const part *parts, int n, const char *message)
{
    g_autoptr(GByteArray) zip = make_zip(parts, n);
    g_autofree char *path = write_bytes(zip->data, zip->len);

    assert_refused(path, message);
}

/* The good archive with bytes changed: at `at` from its start, or from its end when negative. */
static void assert_changed(int at, const char *bytes, size_t size, const char *message)
{
    const part parts[] = {{"a/data.pkl", good, sizeof(good) - 1}, {"a/data/0", four, sizeof(four)}};
    g_autoptr(GByteArray) zip = make_zip(parts, 2);
    memcpy(zip->data + (at < 0 ? (int)zip->len + at : at), bytes, size);
    g_autofree char *path = write_bytes(zip->data, zip->len);

    assert_refused(path, message);
}

static void test_good(void)
{
    const part parts[] = {{"a/data.pkl", good, sizeof(good) - 1}, {"a/data/0", four, sizeof(four)}, {"a/byteorder", "big", 3}};
    g_autoptr(GError) error = NULL;

    for (int n = 2; n <= 3; n++) {
        float values[4];
        memcpy(values, four, sizeof(four));
        for (int i = 0; n == 3 && i < 4; i++) {
            uint32_t word;
            memcpy(&word, &values[i], 4);
            word = GUINT32_SWAP_LE_BE(word);
            memcpy(&values[i], &word, 4);
        }
        part changed[3] = {parts[0], {"a/data/0", values, sizeof(values)}, parts[2]};
        g_autoptr(GByteArray) zip = make_zip(changed, n);
        g_autofree char *path = write_bytes(zip->data, zip->len);
        g_autoptr(mt_torch_checkpoint) file = mt_torch_checkpoint_open(path, &error);
        g_assert_no_error(error);
        check_values(file, "w", "F32", "4", four);
    }
}

/* Checksums that are all 0 were not computed; one alone that is 0 is damage. */
static void test_no_checksums(void)
{
    const part parts[] = {{"a/data.pkl", good, sizeof(good) - 1}, {"a/data/0", four, sizeof(four)}};
    g_autoptr(GError) error = NULL;

    without_checksums = true;
    g_autoptr(GByteArray) zip = make_zip(parts, 2);
    without_checksums = false;
    g_autofree char *path = write_bytes(zip->data, zip->len);
    g_autoptr(mt_torch_checkpoint) file = mt_torch_checkpoint_open(path, &error);
    g_assert_no_error(error);
    check_values(file, "w", "F32", "4", four);
    assert_changed(-(22 + 46 + 8) + 16, "\0\0\0\0", 4, "zip entry 'data/0' is damaged: its checksum differs");
}

static void test_archives(void)
{
    const part pickle = {"a/data.pkl", good, sizeof(good) - 1}, storage = {"a/data/0", four, sizeof(four)};
    const part absolute = {"/data/0", four, sizeof(four)}, up = {"a/../../0", four, sizeof(four)},
               windows = {"a\\..\\0", four, sizeof(four)};
    const part outside = {"version", "3", 1}, twice = {"b/data/0", four, sizeof(four)}, script = {"a/constants.pkl", ")", 1};
    const part order = {"a/byteorder", "middle", 6};

    assert_zip_refused((const part[]){pickle, storage, storage}, 3, "zip entry 'a/data/0' stands twice in the archive");
    assert_zip_refused((const part[]){pickle, storage, twice}, 3, "zip entry 'b/data/0' stands twice in the archive");
    assert_zip_refused((const part[]){pickle, absolute}, 2, "zip entry '/data/0' leaves the archive");
    assert_zip_refused((const part[]){pickle, up}, 2, "zip entry 'a/../../0' leaves the archive");
    assert_zip_refused((const part[]){pickle, windows}, 2, "zip entry 'a\\\\..\\\\0' leaves the archive");
    assert_zip_refused((const part[]){pickle, storage, outside}, 3,
                       "zip entry 'version' stands outside the archive's folder: not what torch.save writes");
    assert_zip_refused((const part[]){pickle, storage, script}, 3,
                       "is a TorchScript program: save the model's state_dict, or export it to ONNX");
    assert_zip_refused((const part[]){pickle, storage, order}, 3, "entry 'byteorder' says neither 'little' nor 'big'");
    assert_zip_refused((const part[]){storage}, 1, "no PyTorch checkpoint: the archive holds no data.pkl");
    assert_zip_refused((const part[]){pickle}, 1, "storage '0' is missing in the archive");
}

/* The directory of the good archive: two records of 46 bytes and their names, then the end record of 22. */
static void test_directory(void)
{
    enum { PICKLE = -(22 + 46 + 8 + 46 + 10), STORED = -(22 + 46 + 8) };

    assert_changed(30 + 10 + 5, "X", 1, "zip entry 'data.pkl' is damaged: its checksum differs");
    assert_changed(STORED - (46 + 10) - 3, "X", 1, "zip entry 'data/0' is damaged: its checksum differs");
    assert_changed(STORED + 10, "\x08", 1,
                   "zip entry 'a/data/0' is compressed: torch.save stores its entries; save the checkpoint again with torch");
    assert_changed(STORED + 8, "\1", 1, "zip entry 'a/data/0' is encrypted");
    assert_changed(STORED + 24, "\xff\xff\xff\x7f", 4, "zip entry 'a/data/0' claims two sizes for stored bytes");
    assert_changed(STORED + 20, "\xff\xff\xff\x7f\xff\xff\xff\x7f", 8, "zip entry 'a/data/0' is larger than the file: truncated?");
    assert_changed(STORED + 42, "\xff\xff\xff\x7f", 4, "zip entry 'a/data/0' has no header where the directory says");
    assert_changed(STORED + 42, "\0\0\0\0", 4, "zip entry 'a/data/0' has another name in its header");
    char longer = (char)(sizeof(good) - 1 + 30 + 8 + 4), overlapping[] = {longer, 0, 0, 0, longer, 0, 0, 0};
    assert_changed(PICKLE + 20, overlapping, 8, "zip entry 'data/0' overlaps another");
    assert_changed(STORED + 28, "\xff", 1, "damaged zip archive: a record of its directory is cut short");
    assert_changed(STORED, "X", 1, "damaged zip archive: a record of its directory is not one");
    assert_changed(STORED + 46, "\xff", 1, "zip entry '*");
    assert_changed(-22, "X", 1, "damaged zip archive: its end record is missing: truncated?");
    assert_changed(-22 + 4, "\1", 1, "damaged zip archive: it is one part of several");
    assert_changed(-22 + 8, "\xff\xff\xff\xff", 4, "damaged zip archive: its directory is too short for its entries");
    assert_changed(-22 + 8, "\1\0\1\0", 4, "damaged zip archive: its directory holds more than its entries");
    assert_changed(-22 + 16, "\xff\xff\xff\xff", 4, "damaged zip archive: its directory is not where it should be");
    assert_changed(-22 + 12, "\xff\xff\xff\xff", 4, "damaged zip archive: its directory is not where it should be");
}

/* ---- other files ---- */

static void assert_bytes_refused(const void *bytes, size_t size, const char *message)
{
    g_autofree char *path = write_bytes(bytes, size);

    assert_refused(path, message);
}

#define MAGIC                                                                                                                              \
    "\x80\2\x8a\x0al\xfc\x9c"                                                                                                              \
    "F\xf9 j\xa8P\x19."
#define VERSION "\x80\2M\xe9\3."
#define MACHINE "\x80\2}."
#define LEGACY(object, rest) MAGIC VERSION MACHINE object "\x80\2](" rest
#define ONE_KEY                                                                                                                            \
    "X\1\0\0\0"                                                                                                                            \
    "0e."

static void test_legacy(void)
{
    static const char other[] = "no PyTorch checkpoint: neither a zip archive nor a legacy stream of torch.save";
    static const char strangers[] = "legacy stream: its storages are not those that its object refers to";
    char              tar[1024] = "pickle";

    memcpy(tar + 257, "ustar", 5);
    assert_bytes_refused(tar, sizeof(tar), "is a tar archive of PyTorch before 0.1.10: load and save it again with torch");
    assert_bytes_refused("", 0, "no PyTorch checkpoint: the file is empty");
    assert_bytes_refused("\x89HDF\r\n\x1a\n", 8, other);
    assert_bytes_refused(BYTES("\x80\2}."), other);
    assert_bytes_refused(BYTES("cos\nsystem\n(S'touch owned'\ntR."), other);
    assert_bytes_refused(BYTES(MAGIC), "protocol version: the pickle does not end: truncated?");
    assert_bytes_refused(BYTES(MAGIC "K\7."), "legacy stream of another protocol version than 1001");
    assert_bytes_refused(BYTES(MAGIC VERSION "cos\nsystem\n."),
                         "facts about the machine: pickle, GLOBAL at byte 0: refers to 'os.system': " ONLY);
    assert_bytes_refused(BYTES(MAGIC VERSION MACHINE "cos\nsystem\n."), "object: pickle, GLOBAL at byte 0: refers to 'os.system': " ONLY);
    assert_bytes_refused(BYTES(LEGACY(HOLDS(TENSOR), "e.")), strangers);
    assert_bytes_refused(BYTES(LEGACY(HOLDS(TENSOR), "X\1\0\0\0"
                                                     "1e.")),
                         strangers);
    assert_bytes_refused(BYTES(LEGACY(HOLDS(TENSOR), ONE_KEY)), "storage '0' is missing: truncated?");
    assert_bytes_refused(BYTES(LEGACY(HOLDS(TENSOR), ONE_KEY "\4\0\0\0\0\0\0\0"
                                                             "123456789012345")),
                         "storage '0' claims 4 values of F32, 15 bytes are there: truncated?");
    assert_bytes_refused(BYTES(LEGACY(HOLDS(TENSOR), ONE_KEY "\xff\xff\xff\xff\xff\xff\xff\xff"
                                                             "1234")),
                         "storage '0' claims 18446744073709551615 values of F32, 4 bytes are there: truncated?");
    assert_bytes_refused(BYTES(LEGACY(HOLDS(TENSOR), ONE_KEY "\3\0\0\0\0\0\0\0"
                                                             "1234567890123456")),
                         "storage '0' claims 4 values of F32, the file keeps 12 bytes for it");
    assert_bytes_refused(BYTES(LEGACY(HOLDS(TENSOR), ONE_KEY "\4\0\0\0\0\0\0\0"
                                                             "12345678901234567")),
                         "1 bytes after the last storage belong to nothing");
}

/* Cut short at each byte, and each byte changed: refused, or read with all its values inside the file. */
static void test_damaged(gconstpointer data)
{
    g_autofree char *name = g_build_filename("torch", data, NULL), *path = golden(name), *bytes = NULL, *part_path = NULL;
    gsize            size;

    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    for (gsize i = 0; i < 2 * size; i += 3) {
        g_autofree char *changed = g_memdup2(bytes, size);
        changed[i % size] = (char)(changed[i % size] ^ (i < size ? 0 : 1 << (i % 8)));
        g_free(part_path);
        part_path = write_bytes(changed, i < size ? i : size);
        g_autoptr(mt_torch_checkpoint) file = mt_torch_checkpoint_open(part_path, NULL);
        g_assert_true(i >= size || file == NULL);
        for (int t = 0; file != NULL && t < mt_torch_checkpoint_n(file); t++) {
            g_autoptr(mt_tensor) tensor = mt_torch_checkpoint_read(file, mt_torch_checkpoint_get(file, t), NULL);
            g_assert_true(tensor == NULL || mt_weight_is_float(mt_torch_checkpoint_get(file, t)));
        }
    }
}

static void test_card_beside(void)
{
    g_autofree char *from = golden("torch/clam_sb.module.pt"), *bytes = NULL, *path = g_build_filename(folder, "h.pth", NULL);
    g_autofree char *card = g_build_filename(folder, "h.card", NULL);
    gsize            size;

    g_assert_true(g_file_get_contents(from, &bytes, &size, NULL));
    g_assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
    g_assert_true(g_file_set_contents(card, "[head]\nlabels=a;b;c\npositive=b\nactivation=softmax\nthreshold=0.5\n", -1, NULL));
    g_autoptr(mt_head) head = load(path);
    g_assert_cmpstr(mt_head_get_card(head)->labels[1], ==, "b");
    g_assert_cmpstr(mt_head_kind(head), ==, "clam_sb");
    g_unlink(card);
    g_unlink(path);
}

static void test_no_head(void)
{
    g_autofree char *path = write_bytes("", 0), *skips = golden("torch/values.pt");
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_head_load(path, &error));
    g_autofree char *message = g_strdup_printf("read %s: no PyTorch checkpoint: the file is empty", path);
    g_assert_cmpstr(error->message, ==, message);
    g_clear_error(&error);
    g_assert_null(mt_head_load(skips, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_nonnull(strstr(error->message, "no aggregator knows its keys (f32, f64, f16, bf16 and 11 more); known are: "));
    g_clear_error(&error);
    const part beside[] = {{"a/data.pkl", BYTES("\x80\2}(" TEXT1("e") "K\3X\x0a\0\0\0state_dict}" TEXT1("w") TENSOR "su.")},
                           {"a/data/0", four, sizeof(four)}};
    g_autoptr(GByteArray) zip = make_zip(beside, 2);
    g_free(path);
    path = write_bytes(zip->data, zip->len);
    g_assert_null(mt_head_load(path, &error));
    g_assert_true(g_str_has_suffix(error->message, " (not looked at: e)"));
    g_clear_error(&error);
    g_autofree char *missing = g_build_filename(folder, "absent.pt", NULL);
    g_assert_null(mt_torch_checkpoint_open(missing, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MISSING);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("torch-XXXXXX", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(twins); i++) {
        g_autofree char *name = g_strconcat("/torch/twin/", twins[i], NULL);
        g_test_add_data_func(name, twins[i], test_twin);
    }
    g_test_add_data_func("/torch/values/zip", "values.pt", test_values);
    g_test_add_data_func("/torch/values/legacy", "values.legacy.pt", test_values);
    g_test_add_func("/torch/skipped", test_skipped);
    g_test_add_func("/torch/good", test_good);
    g_test_add_func("/torch/no-checksums", test_no_checksums);
    for (guint i = 0; i < G_N_ELEMENTS(hostile); i++) {
        g_autofree char *name = g_strconcat("/torch/hostile/", hostile[i].name, NULL);
        g_test_add_data_func(name, &hostile[i], test_hostile);
    }
    g_test_add_func("/torch/bombs", test_bombs);
    g_test_add_func("/torch/laughs", test_laughs);
    g_test_add_func("/torch/archives", test_archives);
    g_test_add_func("/torch/directory", test_directory);
    g_test_add_func("/torch/legacy", test_legacy);
    g_test_add_data_func("/torch/damaged/zip", "values.pt", test_damaged);
    g_test_add_data_func("/torch/damaged/legacy", "values.legacy.pt", test_damaged);
    g_test_add_func("/torch/card-beside", test_card_beside);
    g_test_add_func("/torch/no-head", test_no_head);
    int              result = g_test_run();
    g_autofree char *path = g_build_filename(folder, "x.pt", NULL);
    g_unlink(path);
    g_rmdir(folder);
    g_free(folder);
    return result;
}
