/* Damaged DICOM, NIfTI, MetaImage and NRRD: bytes changed, put in, cut off, of files alone and of one file in a series.  A named error or
 * pixels, never a crash, within 2 GB of addresses.  MICROTOME_MUTATIONS sets how many of each file (1000 by hand; a few here); the
 * seeds are fixed. */
#include <microtome/case.h>
#include <microtome/error.h>

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FEW 8
#define HEADER_BYTES 3000
#define MAX_FILE_BYTES (4 << 20)
#define MAX_READ_PX (INT64_C(4) << 20)
#define ADDRESS_BYTES (UINT64_C(2) << 30)
#define OF_A_SERIES 2 /* its files are alike */

static char *scratch; /* a folder in memory where the system has one */

static int wanted(void)
{
    const char *text = g_getenv("MICROTOME_MUTATIONS");

    return text != NULL ? (int)g_ascii_strtoll(text, NULL, 10) : FEW;
}

/* One to eight changes; most in the header, where they matter. */
static gsize mutate(GRand *random, uint8_t *bytes, gsize n)
{
    int changes = g_rand_int_range(random, 1, 9);

    for (int i = 0; i < changes; i++) {
        gsize range = g_rand_boolean(random) ? MIN(n, HEADER_BYTES) : n;
        gsize at = (gsize)g_rand_int_range(random, 0, (gint32)range);

        switch (g_rand_int_range(random, 0, 4)) {
        case 0:
            bytes[at] ^= (uint8_t)(1 << g_rand_int_range(random, 0, 8));
            break;
        case 1:
            bytes[at] = (uint8_t)g_rand_int_range(random, 0, 256);
            break;
        case 2:
            memset(bytes + at, g_rand_boolean(random) ? 0xff : 0, MIN(4, n - at));
            break;
        default:
            memmove(bytes + at, bytes + (gsize)g_rand_int_range(random, 0, (gint32)range), 1);
        }
    }
    return g_rand_int_range(random, 0, 8) == 0 ? (gsize)g_rand_int_range(random, 1, (gint32)n + 1) : n;
}

static void expect_named(const GError *error)
{
    g_assert_nonnull(error);
    g_assert_true(error->domain == MT_ERROR);
    g_assert_cmpuint(strlen(error->message), >, 10);
}

static void read_last(mt_case *c)
{
    const mt_level *l = mt_case_level(c, 0);
    g_autoptr(GError) error = NULL;

    if (l->width > MAX_READ_PX / l->height)
        return;
    g_autofree void *plane = g_malloc((gsize)(l->width * l->height * mt_case_channels(c)) * 4);
    if (!mt_case_read(c, mt_case_planes(c) - 1, 0, 0, 0, l->width, l->height, plane, &error))
        expect_named(error);
}

static void try_case(const char *path, const char *backend)
{
    const mt_case_options options = {.backend = backend};
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_case) c = mt_case_open(path, &options, &error);

    if (c == NULL)
        expect_named(error);
    else
        read_last(c);
}

static void write_bytes(const char *path, const void *bytes, gsize n)
{
    g_assert_true(g_file_set_contents_full(path, bytes, (gssize)n, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

/* What a gzip file holds; NULL for another kind. */
static char *inflated(const char *bytes, gsize n, gsize *out_n)
{
    g_autoptr(GInputStream) raw = g_memory_input_stream_new_from_data(bytes, (gssize)n, NULL);
    g_autoptr(GConverter) zlib = G_CONVERTER(g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP));
    g_autoptr(GInputStream) in = g_converter_input_stream_new(raw, zlib);
    g_autofree char *out = g_malloc(MAX_FILE_BYTES);

    if (n < 2 || bytes[0] != '\x1f' || !g_input_stream_read_all(in, out, MAX_FILE_BYTES, out_n, NULL, NULL))
        return NULL;
    return g_steal_pointer(&out);
}

/* `name` in the scratch folder holds the mutated bytes; `opened` is what is opened, it or its folder. */
static void mutate_bytes(const char *bytes, gsize n, const char *seed, const char *name, const char *opened, const char *backend)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(g_str_hash(seed));

    if (n < 2 || n > MAX_FILE_BYTES)
        return;
    for (int i = wanted(); i > 0; i--) {
        g_autofree uint8_t *copy = g_memdup2(bytes, n);

        write_bytes(name, copy, mutate(random, copy, n));
        try_case(opened, backend);
    }
}

static void mutate_file(const char *path, const char *backend)
{
    g_autofree char *bytes = NULL, *whole = g_build_filename(scratch, "mutated", NULL);
    const char      *seed = strrchr(path, '/');
    gsize            n = 0, inner_n = 0;

    g_assert_true(g_file_get_contents(path, &bytes, &n, NULL));
    g_test_message("%s", seed + 1);
    mutate_bytes(bytes, n, seed, whole, whole, backend);
    g_autofree char *inner = inflated(bytes, n, &inner_n);
    if (inner != NULL)
        mutate_bytes(inner, inner_n, seed, whole, whole, backend);
    g_unlink(whole);
}

static bool belongs(const char *name, const char *backend)
{
    bool nrrd = g_str_has_suffix(name, ".nrrd") || g_str_has_prefix(name, "nrrd"), meta = g_str_has_prefix(name, "meta-");

    if (strcmp(backend, "nrrd") == 0)
        return nrrd;
    return strcmp(backend, "metaimage") == 0 ? meta : !nrrd && !meta;
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void mutate_folder(const char *folder, const char *backend, int most)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        if (belongs(name, backend) && strstr(name, "-cut") == NULL && strstr(name, "-byte") == NULL)
            g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len && most > 0; i++, most--) {
        g_autofree char *path = g_build_filename(folder, names->pdata[i], NULL);
        if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
            mutate_file(path, backend);
    }
}

static void test_made(const void *backend)
{
    const char      *corpus = strcmp(backend, "dicom") == 0 ? "dicom" : strcmp(backend, "nifti") == 0 ? "nifti" : "text_volume";
    g_autofree char *folder = g_test_build_filename(G_TEST_DIST, "fuzz", "corpus", corpus, NULL);

    mutate_folder(folder, backend, G_MAXINT);
}

typedef struct sample {
    const char *folder, *backend;
    int         most;
} sample;

static char *sample_folder(const char *folder)
{
    const char *data = g_getenv("MICROTOME_TEST_DATA");

    if (data == NULL)
        g_test_skip("MICROTOME_TEST_DATA is not set");
    return data != NULL ? g_build_filename(data, folder, NULL) : NULL;
}

static void test_real(const void *data)
{
    const sample    *s = data;
    g_autofree char *path = sample_folder(s->folder);

    if (path != NULL)
        mutate_folder(path, s->backend, s->most);
}

/* A series of which one file is damaged: it may be refused, never be short of a slice without a word. */
static void test_series(const void *folder)
{
    g_autofree char *from = sample_folder(folder), *to = g_build_filename(scratch, "series", NULL), *bytes = NULL, *last = NULL;
    gsize            n = 0;
    const char      *name;

    if (from == NULL)
        return;
    g_autoptr(GDir) dir = g_dir_open(from, 0, NULL);
    g_assert_cmpint(g_mkdir(to, 0700), ==, 0);
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(from, name, NULL);

        g_free(bytes);
        g_free(last);
        last = g_build_filename(to, name, NULL);
        g_assert_true(g_file_get_contents(path, &bytes, &n, NULL));
        write_bytes(last, bytes, n);
    }
    mutate_bytes(bytes, n, folder, last, to, "dicom");
    g_dir_rewind(dir);
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(to, name, NULL);
        g_unlink(path);
    }
    g_rmdir(to);
}

/* The sanitizers' shadow takes terabytes of addresses. */
static void limit_addresses(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    const struct rlimit limit = {ADDRESS_BYTES, ADDRESS_BYTES};

    setrlimit(RLIMIT_AS, &limit);
#endif
}

int main(int argc, char **argv)
{
    static const sample      samples[] = {{"radiology/dicom", "dicom", G_MAXINT},
                                          {"wsi/dicom", "dicom", G_MAXINT},
                                          {"malformed/dicom", "dicom", G_MAXINT},
                                          {"radiology/ct-head-phantom-philips", "dicom", OF_A_SERIES},
                                          {"radiology/mr-t1-structural", "dicom", OF_A_SERIES},
                                          {"radiology/d2n-siemens_multiframe-anatomical/dicom", "dicom", OF_A_SERIES},
                                          {"radiology/d2n-failing-gantrytilting-001", "dicom", OF_A_SERIES},
                                          {"radiology/dicomdir/98892003/MR700", "dicom", OF_A_SERIES},
                                          {"radiology/nifti", "nifti", G_MAXINT},
                                          {"malformed/nifti", "nifti", G_MAXINT},
                                          {"radiology/d2s-ct-3slice", "nrrd", G_MAXINT}};
    static const char *const backends[] = {"dicom", "nifti", "nrrd", "metaimage"};
    static const char *const series[] = {"radiology/dicomdir/98892001/CT5N", "radiology/d2n-generic-compressed_rle/dicom"};
    const char              *memory = g_file_test("/dev/shm", G_FILE_TEST_IS_DIR) ? "/dev/shm" : g_get_tmp_dir();
    struct rusage            usage;

    g_test_init(&argc, &argv, NULL);
    limit_addresses();
    scratch = g_mkdtemp(g_build_filename(memory, "microtome-mutations-XXXXXX", NULL));
    g_assert_nonnull(scratch);
    for (size_t i = 0; i < G_N_ELEMENTS(backends); i++) {
        g_autofree char *name = g_strdup_printf("/case/mutations/made/%s", backends[i]);
        g_test_add_data_func(name, backends[i], test_made);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
        g_autofree char *name = g_strdup_printf("/case/mutations/%s/%s", samples[i].backend, samples[i].folder);
        g_test_add_data_func(name, &samples[i], test_real);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(series); i++) {
        g_autofree char *name = g_strdup_printf("/case/mutations/series/%s", series[i]);
        g_test_add_data_func(name, series[i], test_series);
    }
    int failed = g_test_run();
    getrusage(RUSAGE_SELF, &usage);
    g_printerr("# peak %ld kB\n", usage.ru_maxrss);
    g_rmdir(scratch);
    g_free(scratch);
    return failed;
}
