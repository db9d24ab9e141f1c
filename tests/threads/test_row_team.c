/* Blocks of rows computed by several threads, alone and under the heads that pool a bag: every row once, the first error, the same
 * bits for any number of threads, a bag read by one thread at a time. */
#include "mil/row_team.h"

#include <microtome/head.h>

#include <math.h>
#include <string.h>

#define DIM 32
#define BLOCK 64

static const int teams[] = {1, 2, 5};

/* No lock and no atomics: a row is its block's alone. */
typedef struct visits {
    int64_t n;
    int    *times;
    int64_t fail_from, fail_every; /* blocks from `fail_from` on fail, each `fail_every`-th; 0: none */
} visits;

static bool visit(void *user, mt_session *session, int64_t block, int64_t first, int64_t rows, GError **error)
{
    visits *v = user;

    g_assert_null(session);
    g_assert_cmpint(first, ==, block * BLOCK);
    g_assert_cmpint(rows, ==, MIN(BLOCK, v->n - first));
    for (int64_t i = first; i < first + rows; i++)
        v->times[i]++;
    if (v->fail_every == 0 || block < v->fail_from || (block - v->fail_from) % v->fail_every != 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_IO, "block %d", (int)block);
    return false;
}

static void test_every_row_once(void)
{
    static const int64_t sizes[] = {0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 41 * BLOCK + 5};

    for (size_t t = 0; t < G_N_ELEMENTS(teams); t++) {
        g_autoptr(mt_row_team) team = mt_row_team_new(NULL, NULL, 0, teams[t]);
        for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++) {
            visits v = {.n = sizes[s], .times = g_new0(int, (gsize)sizes[s] + 1)};
            g_autoptr(GError) error = NULL;
            g_assert_true(mt_row_team_run(team, v.n, BLOCK, visit, &v, &error));
            g_assert_no_error(error);
            for (int64_t i = 0; i < v.n; i++)
                g_assert_cmpint(v.times[i], ==, 1);
            g_free(v.times);
        }
    }
}

/* Blocks 5, 7, 9 .. fail: the message is that of block 5, whoever was faster, and no block before it is left out. */
static void test_first_error(void)
{
    for (int round = 0; round < 40; round++) {
        visits v = {.n = 100 * BLOCK, .times = g_new0(int, 100 * BLOCK), .fail_from = 5, .fail_every = 2};
        g_autoptr(mt_row_team) team = mt_row_team_new(NULL, NULL, 0, teams[round % G_N_ELEMENTS(teams)]);
        g_autoptr(GError) error = NULL;
        g_assert_false(mt_row_team_run(team, v.n, BLOCK, visit, &v, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_IO);
        g_assert_cmpstr(error->message, ==, "block 5");
        for (int64_t i = 0; i < 6 * BLOCK; i++)
            g_assert_cmpint(v.times[i], ==, 1);
        g_free(v.times);
    }
}

/* A bag as a file is: its reader has a place of its own, which two threads at once would tear. */
typedef struct stored {
    int64_t at, rows_read, fail_at;
} stored;

static bool read_rows(void *user, int64_t first, int64_t count, float *out, GError **error)
{
    stored *s = user;

    s->at = first;
    if (s->fail_at >= 0 && first + count > s->fail_at) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "rows from %d are gone", (int)s->fail_at);
        return false;
    }
    for (int64_t i = 0; i < count * DIM; i++)
        out[i] = sinf((float)(s->at * DIM + i) * 0.37f);
    s->rows_read += count;
    return true;
}

static mt_head *load_golden(const char *name)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "golden", "mil", name, NULL);
    g_autoptr(GError) error = NULL;
    mt_head *head = mt_head_load(path, &error);

    g_assert_no_error(error);
    return head;
}

static mt_head_output *predict(const mt_head *head, int64_t n, int threads, int64_t fail_at, GError **error)
{
    stored          s = {.fail_at = fail_at};
    const mt_bag    bag = {.n = n, .dim = DIM, .read = read_rows, .user = &s};
    mt_head_output *output = mt_head_predict(head, &bag, &(mt_head_options){.threads = threads}, error);

    if (output != NULL)
        g_assert_cmpint(s.rows_read, >=, n);
    return output;
}

static void assert_same(const mt_head_output *a, const mt_head_output *b)
{
    g_assert_cmpmem(a->scores, (gsize)a->n_classes * sizeof(float), b->scores, (gsize)b->n_classes * sizeof(float));
    g_assert_cmpmem(a->embedding, (gsize)a->dim * sizeof(float), b->embedding, (gsize)b->dim * sizeof(float));
    g_assert_cmpmem(a->attention, (gsize)(a->n * a->n_attention) * sizeof(float), b->attention,
                    (gsize)(b->n * b->n_attention) * sizeof(float));
}

/* One that pools with and one without a projection, one of several branches, one whose layers are teams too. */
static const char *const pools[] = {"clam_mb.safetensors", "ilse_gated.safetensors", "multi_head.safetensors", "transmil.safetensors",
                                    "stamp_vit.safetensors"};

static void test_pool(gconstpointer data)
{
    g_autoptr(mt_head) head = load_golden(data);
    static const int64_t sizes[] = {1, 2105};

    for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_head_output) alone = predict(head, sizes[s], 1, -1, &error);
        g_assert_no_error(error);
        for (size_t t = 1; t < G_N_ELEMENTS(teams); t++) {
            g_autoptr(mt_head_output) together = predict(head, sizes[s], teams[t], -1, &error);
            g_assert_no_error(error);
            assert_same(alone, together);
        }
    }
}

/* Storage that fails half way: one message, whichever thread met it. */
static void test_pool_unread(gconstpointer data)
{
    g_autoptr(mt_head) head = load_golden(data);

    for (size_t t = 0; t < G_N_ELEMENTS(teams); t++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(predict(head, 2105, teams[t], 1500, &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_IO);
        g_assert_true(g_str_has_suffix(error->message, "rows from 1500 are gone"));
    }
}

typedef struct shared {
    const mt_head  *head;
    mt_head_output *output;
} shared;

static gpointer predict_shared(gpointer data)
{
    shared *s = data;

    s->output = predict(s->head, 1100, 2, -1, NULL);
    return NULL;
}

/* A head is one for all cases that run at the same time, each with a team of its own. */
static void test_shared_head(gconstpointer data)
{
    g_autoptr(mt_head) head = load_golden(data);
    g_autoptr(mt_head_output) alone = predict(head, 1100, 1, -1, NULL);
    shared   cases[3] = {{.head = head}, {.head = head}, {.head = head}};
    GThread *threads[3];

    for (int i = 0; i < 3; i++)
        threads[i] = g_thread_new("case", predict_shared, &cases[i]);
    for (int i = 0; i < 3; i++) {
        g_thread_join(threads[i]);
        g_assert_nonnull(cases[i].output);
        assert_same(alone, cases[i].output);
        mt_head_output_free(cases[i].output);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/row_team/every-row-once", test_every_row_once);
    g_test_add_func("/row_team/first-error", test_first_error);
    for (size_t i = 0; i < G_N_ELEMENTS(pools); i++) {
        g_autofree char *same = g_strconcat("/row_team/pool/", pools[i], NULL), *unread = g_strconcat("/row_team/unread/", pools[i], NULL);
        g_autofree char *together = g_strconcat("/row_team/shared/", pools[i], NULL);
        g_test_add_data_func(same, pools[i], test_pool);
        g_test_add_data_func(unread, pools[i], test_pool_unread);
        g_test_add_data_func(together, pools[i], test_shared_head);
    }
    return g_test_run();
}
