/* Files are made here by hand from the format's description, so that each breaks one rule. */
#include "mil/safetensors.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

static char *folder;

static char *write_bytes(const char *name, const void *bytes, size_t size)
{
    char *path = g_build_filename(folder, name, NULL);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, bytes, (gssize)size, &error);
    g_assert_no_error(error);
    return path;
}

/* A file with this header, the length field as given (-1: true), and `payload` bytes 0, 1, 2, .. behind it. */
static char *write_file(const char *header, int64_t length, size_t payload)
{
    g_autoptr(GByteArray) file = g_byte_array_new();
    uint64_t field = GUINT64_TO_LE(length < 0 ? (uint64_t)strlen(header) : (uint64_t)length);

    g_byte_array_append(file, (const guint8 *)&field, 8);
    g_byte_array_append(file, (const guint8 *)header, (guint)strlen(header));
    for (size_t i = 0; i < payload; i++) {
        guint8 byte = (guint8)i;
        g_byte_array_append(file, &byte, 1);
    }
    return write_bytes("x.safetensors", file->data, file->len);
}

/* `message` after "read PATH: "; one that ends in '*' is compared up to there. */
static void assert_refused(const char *path, int code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_safetensors) file = mt_safetensors_open(path, &error);
    g_autofree char *whole = g_strdup_printf("read %s: %s", path, message);

    g_assert_null(file);
    g_assert_error(error, MT_ERROR, code);
    if (g_str_has_suffix(message, "*")) {
        whole[strlen(whole) - 1] = '\0';
        g_assert_true(g_str_has_prefix(error->message, whole));
    } else {
        g_assert_cmpstr(error->message, ==, whole);
    }
}

typedef struct hostile {
    const char *name, *header;
    int64_t     length; /* -1: true */
    size_t      payload;
    const char *message;
} hostile;

#define ONE(fields) "{\"a\":{" fields "}}"
#define F32(shape, begin, end) "\"dtype\":\"F32\",\"shape\":[" shape "],\"data_offsets\":[" begin "," end "]"

static const hostile table[] = {
    {"header-longer-than-file", ONE(F32("2", "0", "8")), 4096, 8, "truncated: the header claims 4096 bytes, 62 are there"},
    {"header-beyond-the-limit", "{}", 104857601, 0, "the header claims 104857601 bytes, the format allows 104857600"},
    {"header-negative", "{}", INT64_MAX, 0, "the header claims 9223372036854775807 bytes, the format allows 104857600"},
    {"header-empty", "", 0, 0, "not a safetensors file: the header does not begin with '{'"},
    {"header-a-list", "[]", -1, 0, "not a safetensors file: the header does not begin with '{'"},
    {"header-indented", " {}", -1, 0, "not a safetensors file: the header does not begin with '{'"},
    {"not-json", "{\"a\":", -1, 0, "the header is not valid JSON: *"},
    {"trailing-text", "{}x", -1, 0, "the header is not valid JSON: *"},
    {"not-utf8", "{\"\xff\":{}}", -1, 0, "the header is not valid JSON: *"},
    {"cut-in-the-header", ONE(F32("2", "0", "8")), 20, 8, "the header is not valid JSON: *"},
    {"duplicate-tensor", "{\"a\":{" F32("2", "0", "8") "},\"a\":{" F32("2", "0", "8") "}}", -1, 8,
     "the header is not valid JSON: duplicate object key*"},
    {"duplicate-field", ONE("\"dtype\":\"F32\"," F32("2", "0", "8")), -1, 8, "the header is not valid JSON: duplicate object key*"},
    {"payload-truncated", ONE(F32("2", "0", "8")), -1, 7, "tensor 'a' ends at byte 8 of a buffer of 7 bytes: truncated?"},
    {"offsets-beyond", ONE(F32("2", "8", "16")), -1, 8, "tensor 'a' ends at byte 16 of a buffer of 8 bytes: truncated?"},
    {"offsets-huge", ONE(F32("2", "9223372036854775799", "9223372036854775807")), -1, 8,
     "tensor 'a' ends at byte 9223372036854775807 of a buffer of 8 bytes: truncated?"},
    {"offsets-beyond-64-bit", ONE(F32("2", "0", "99999999999999999999")), -1, 8, "the header is not valid JSON: *"},
    {"offsets-negative", ONE(F32("2", "-8", "0")), -1, 8, "tensor 'a': data_offsets are negative or out of order"},
    {"offsets-reversed", ONE(F32("2", "8", "0")), -1, 8, "tensor 'a': data_offsets are negative or out of order"},
    {"offsets-fraction", ONE(F32("2", "0", "8.0")), -1, 8, "tensor 'a': data_offsets is missing or not two whole numbers"},
    {"offsets-three", ONE("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4,8]"), -1, 8,
     "tensor 'a': data_offsets is missing or not two whole numbers"},
    {"offsets-missing", ONE("\"dtype\":\"F32\",\"shape\":[2]"), -1, 8, "tensor 'a': data_offsets is missing or not two whole numbers"},
    {"overlap", "{\"a\":{" F32("2", "0", "8") "},\"b\":{" F32("2", "4", "12") "}}", -1, 12, "tensors 'a' and 'b' overlap"},
    {"same-bytes-twice", "{\"a\":{" F32("2", "0", "8") "},\"b\":{" F32("2", "0", "8") "}}", -1, 8, "tensors 'a' and 'b' overlap"},
    {"hidden-bytes-before", ONE(F32("2", "4", "12")), -1, 12, "4 bytes before tensor 'a' belong to no tensor"},
    {"hidden-bytes-behind", ONE(F32("2", "0", "8")), -1, 11, "3 bytes after the last tensor belong to no tensor"},
    {"bytes-of-nobody", "{}", -1, 1, "1 bytes after the last tensor belong to no tensor"},
    {"size-does-not-match", ONE(F32("3", "0", "8")), -1, 8, "tensor 'a': 3 of F32 do not fill its 8 bytes"},
    {"shape-overflows", ONE(F32("4294967296,4294967296,4294967296", "0", "8")), -1, 8, "tensor 'a': the product of its shape overflows"},
    {"bytes-overflow", ONE(F32("4611686018427387904", "0", "0")), -1, 0, "tensor 'a': 4611686018427387904 of F32 do not fill its 0 bytes"},
    {"shape-negative", ONE(F32("-2", "0", "8")), -1, 8, "tensor 'a': shape holds something else than whole numbers >= 0"},
    {"shape-of-text", ONE(F32("\"2\"", "0", "8")), -1, 8, "tensor 'a': shape holds something else than whole numbers >= 0"},
    {"shape-nine-dimensions", ONE(F32("1,1,1,1,1,1,1,1,2", "0", "8")), -1, 8, "tensor 'a': shape has more than 8 dimensions"},
    {"shape-missing", ONE("\"dtype\":\"F32\",\"data_offsets\":[0,8]"), -1, 8, "tensor 'a': shape is missing or not a list"},
    {"dtype-unknown", ONE("\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]"), -1, 8, "tensor 'a': unknown dtype 'F33'"},
    {"dtype-a-number", ONE("\"dtype\":32,\"shape\":[2],\"data_offsets\":[0,8]"), -1, 8, "tensor 'a': dtype is missing or not a string"},
    {"field-unknown", ONE(F32("2", "0", "8") ",\"device\":\"cuda\""), -1, 8, "tensor 'a': unknown field 'device'"},
    {"tensor-a-number", "{\"a\":1}", -1, 0, "tensor 'a': its description is not an object"},
    {"metadata-a-list", "{\"__metadata__\":[]}", -1, 0, "__metadata__ is not an object"},
    {"metadata-a-number", "{\"__metadata__\":{\"epoch\":3}}", -1, 0, "__metadata__: the value of 'epoch' is not a string"},
};

static void test_hostile(gconstpointer data)
{
    const hostile   *row = data;
    g_autofree char *path = write_file(row->header, row->length, row->payload);

    assert_refused(path, MT_ERROR_MODEL, row->message);
}

static void test_short_files(void)
{
    for (size_t size = 0; size < 8; size++) {
        g_autofree char *path = write_bytes("short.safetensors", "\2\0\0\0\0\0\0\0{}", size);
        g_autofree char *message = g_strdup_printf("not a safetensors file: %zu bytes, shorter than its length field", size);
        assert_refused(path, MT_ERROR_MODEL, message);
    }
}

/* Every prefix of a good file is refused. */
static void test_truncated_anywhere(void)
{
    g_autofree char *path = write_file("{\"a\":{" F32("2", "0", "8") "}}", -1, 8), *bytes = NULL;
    gsize            size;

    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    for (gsize cut = 0; cut < size; cut++) {
        g_autofree char *part = write_bytes("part.safetensors", bytes, cut);
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_safetensors) file = mt_safetensors_open(part, &error);
        g_assert_null(file);
        g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    }
}

static void assert_repeated_refused(const char *text, int times, const char *message)
{
    g_autoptr(GString) header = g_string_new("{\"a\":");

    for (int i = 0; i < times; i++)
        g_string_append(header, text);
    g_autofree char *path = write_file(header->str, -1, 0);
    assert_refused(path, MT_ERROR_MODEL, message);
}

static void test_bombs(void)
{
    assert_repeated_refused("[", 100000, "the header nests too deep: refused before parsing");
    assert_repeated_refused("{\"a\":", 100000, "the header nests too deep: refused before parsing");
    assert_repeated_refused("0,", (1 << 20) + 1, "the header has too many values: refused before parsing");
}

static void test_long_name(void)
{
    g_autofree char *name = g_strnfill(600, 'n');
    g_autofree char *header = g_strdup_printf("{\"%s\":{" F32("2", "0", "8") "}}", name);
    g_autofree char *path = write_file(header, -1, 8);

    assert_refused(path, MT_ERROR_MODEL, "tensor 'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn...': a name of more than 512 bytes");
}

/* Every byte of a good file replaced by a few others: a clear refusal, or a file that reads. */
static void test_damaged_anywhere(void)
{
    static const guint8 replacements[] = {0, ' ', '"', '0', '9', '[', '{', '}', 0xff};
    g_autofree char    *path = write_file("{\"a\":{" F32("1,2", "0", "8") "},\"__metadata__\":{\"k\":\"v\"}}", -1, 8), *bytes = NULL;
    gsize               size;

    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    for (gsize at = 0; at < size - 8; at++)
        for (guint i = 0; i < G_N_ELEMENTS(replacements); i++) {
            char kept = bytes[at];
            bytes[at] = (char)replacements[i];
            g_autofree char *part = write_bytes("part.safetensors", bytes, size);
            g_autoptr(GError) error = NULL;
            g_autoptr(mt_safetensors) file = mt_safetensors_open(part, &error);
            bytes[at] = kept;
            if (file == NULL) {
                g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
                continue;
            }
            for (int t = 0; t < mt_safetensors_n(file); t++) {
                g_autoptr(mt_tensor) tensor = mt_safetensors_read(file, mt_safetensors_get(file, t), NULL);
                (void)tensor;
            }
        }
}

static void test_not_there(void)
{
    g_autofree char *path = g_build_filename(folder, "absent.safetensors", NULL);

    assert_refused(path, MT_ERROR_MISSING, "no such file");
    assert_refused(folder, MT_ERROR_MODEL, "not a plain file");
    g_autofree char *pipe = g_build_filename(folder, "pipe.safetensors", NULL);
    g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
    assert_refused(pipe, MT_ERROR_MODEL, "not a plain file");
    g_unlink(pipe);
}

static mt_safetensors *open_good(const char *header, const void *payload, size_t size)
{
    g_autoptr(GByteArray) file = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    uint64_t field = GUINT64_TO_LE((uint64_t)strlen(header));

    g_byte_array_append(file, (const guint8 *)&field, 8);
    g_byte_array_append(file, (const guint8 *)header, (guint)strlen(header));
    g_byte_array_append(file, payload, (guint)size);
    g_autofree char *path = write_bytes("good.safetensors", file->data, file->len);
    mt_safetensors  *opened = mt_safetensors_open(path, &error);
    g_assert_no_error(error);
    return opened;
}

/* Bits and values from IEEE 754; bfloat16 is the upper half of a float32. */
static void test_types(void)
{
    struct __attribute__((packed)) {
        float    f32[2];
        double   f64[1];
        uint16_t f16[8];
        uint16_t bf16[2];
        int64_t  i64[1];
        uint8_t  odd[1];
    } data = {{1.5F, -0.0F}, {0.1}, {0x3c00, 0xc000, 0x0001, 0x03ff, 0x0400, 0x7bff, 0x8000, 0x3555}, {0x3f80, 0xc049}, {-1}, {7}};
    g_autoptr(mt_safetensors) file = open_good("{\"__metadata__\":{\"format\":\"pt\",\"kind\":\"abmil\"},"
                                               "\"f32\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
                                               "\"f64\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[8,16]},"
                                               "\"f16\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[16,32]},"
                                               "\"bf16\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[32,36]},"
                                               "\"none\":{\"dtype\":\"F32\",\"shape\":[0,4],\"data_offsets\":[36,36]},"
                                               "\"i64\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[36,44]},"
                                               "\"odd\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[44,45]}}   ",
                                               &data, sizeof(data));
    const float half[] = {1, -2, ldexpf(1, -24), ldexpf(1023, -24), ldexpf(1, -14), 65504, -0.0F, 0.333251953125F};
    const float bfloat[] = {1, -3.140625F};
    GError     *error = NULL;

    g_assert_cmpint(mt_safetensors_n(file), ==, 7);
    g_assert_cmpstr(mt_safetensors_get(file, 1)->name, ==, "f64");
    g_assert_cmpstr(g_hash_table_lookup(mt_safetensors_metadata(file), "kind"), ==, "abmil");
    g_autoptr(mt_tensor) f32 = mt_safetensors_read(file, mt_safetensors_find(file, "f32"), &error);
    g_autoptr(mt_tensor) f64 = mt_safetensors_read(file, mt_safetensors_find(file, "f64"), &error);
    g_autoptr(mt_tensor) f16 = mt_safetensors_read(file, mt_safetensors_find(file, "f16"), &error);
    g_autoptr(mt_tensor) bf16 = mt_safetensors_read(file, mt_safetensors_find(file, "bf16"), &error);
    g_autoptr(mt_tensor) none = mt_safetensors_read(file, mt_safetensors_find(file, "none"), &error);
    g_assert_no_error(error);
    g_assert_cmpint(f32->rank, ==, 2);
    g_assert_cmpmem(f32->data, 8, data.f32, 8);
    g_assert_cmpfloat(((float *)f64->data)[0], ==, 0.1F);
    g_assert_cmpmem(f16->data, sizeof(half), half, sizeof(half));
    g_assert_cmpmem(bf16->data, sizeof(bfloat), bfloat, sizeof(bfloat));
    g_assert_cmpint(mt_tensor_count(none), ==, 0);
    g_assert_null(mt_safetensors_find(file, "absent"));
    g_assert_null(mt_safetensors_read(file, mt_safetensors_find(file, "i64"), &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, "tensor 'i64' is I64: F32, F16, BF16 or F64 is wanted");
    g_clear_error(&error);
}

static void test_not_finite(void)
{
    const float    values[] = {0, NAN};
    const uint16_t halves[] = {0, 0x7c00};
    g_autoptr(mt_safetensors) nan = open_good("{\"w\":{" F32("2", "0", "8") "}}", values, 8);
    GError *error = NULL;

    g_assert_null(mt_safetensors_read(nan, mt_safetensors_find(nan, "w"), &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, "tensor 'w' holds a value that is not finite (element 1)");
    g_clear_error(&error);
    g_autoptr(mt_safetensors) inf = open_good("{\"w\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", halves, 4);
    g_assert_null(mt_safetensors_read(inf, mt_safetensors_find(inf, "w"), &error));
    g_assert_cmpstr(error->message, ==, "tensor 'w' holds a value that is not finite (element 1)");
    g_clear_error(&error);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("mt-safetensors-XXXXXX", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *path = g_strdup_printf("/safetensors/hostile/%s", table[i].name);
        g_test_add_data_func(path, &table[i], test_hostile);
    }
    g_test_add_func("/safetensors/short", test_short_files);
    g_test_add_func("/safetensors/truncated-anywhere", test_truncated_anywhere);
    g_test_add_func("/safetensors/damaged-anywhere", test_damaged_anywhere);
    g_test_add_func("/safetensors/bombs", test_bombs);
    g_test_add_func("/safetensors/long-name", test_long_name);
    g_test_add_func("/safetensors/not-there", test_not_there);
    g_test_add_func("/safetensors/types", test_types);
    g_test_add_func("/safetensors/not-finite", test_not_finite);
    int result = g_test_run();
    for (const char *const *name = (const char *const[]){"x", "short", "part", "good", NULL}; *name != NULL; name++) {
        g_autofree char *file = g_strdup_printf("%s/%s.safetensors", folder, *name);
        g_unlink(file);
    }
    g_rmdir(folder);
    g_free(folder);
    return result;
}
