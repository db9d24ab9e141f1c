/* Claims of cases: one owner at a time, silence and death, and a process that comes back too late. */
#include "src/base/fence.h"
#include "src/batch/claims.h"
#include "src/store/store.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEASE_US (60 * G_USEC_PER_SEC)

typedef struct fixture {
    char *out, *target;
} fixture;

static void set_up(fixture *f, gconstpointer data)
{
    (void)data;
    f->out = g_dir_make_tmp("microtome-XXXXXX", NULL);
    f->target = g_build_filename(f->out, "a.h5", NULL);
}

static void tear_down(fixture *f, gconstpointer data)
{
    g_autofree char *command = g_strdup_printf("rm -r %s", f->out);

    (void)data;
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    g_free(f->out);
    g_free(f->target);
}

static mt_claims *open_run(const fixture *f)
{
    g_autoptr(GError) error = NULL;
    mt_claims *claims = mt_claims_open(f->out, LEASE_US, &error);

    g_assert_no_error(error);
    return claims;
}

static void take(mt_claims *claims, const fixture *f, gint64 now_us, mt_claim_state wanted, int wanted_epoch)
{
    g_autoptr(GError) error = NULL;
    int epoch = 0;

    g_assert_cmpint(mt_claims_take(claims, "a", f->target, now_us, &epoch, NULL, &error), ==, wanted);
    g_assert_no_error(error);
    if (wanted == MT_CLAIM_OURS)
        g_assert_cmpint(epoch, ==, wanted_epoch);
}

static guint files_in(const fixture *f, const char *folder)
{
    g_autofree char *path = g_build_filename(f->out, folder, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;

    while (g_dir_read_name(dir) != NULL)
        n++;
    return n;
}

static void test_one_owner(fixture *f, gconstpointer data)
{
    mt_claims       *first = open_run(f), *second = open_run(f);
    g_autofree char *who = NULL;
    int              epoch;

    (void)data;
    take(first, f, 0, MT_CLAIM_OURS, 1);
    take(first, f, 0, MT_CLAIM_OURS, 1); /* a second attempt */
    g_assert_cmpint(mt_claims_take(second, "a", f->target, 0, &epoch, &who, NULL), ==, MT_CLAIM_ELSEWHERE);
    g_autofree char *wanted = g_strdup_printf("%s, process %d", g_get_host_name(), (int)getpid());
    g_assert_cmpstr(who, ==, wanted);
    g_autoptr(GPtrArray) list = mt_claims_list(f->out);
    g_assert_cmpuint(list->len, ==, 1);
    const mt_claim_seen *seen = list->pdata[0];
    g_assert_cmpstr(seen->id, ==, "a");
    g_assert_cmpint(seen->pid, ==, (int)getpid());
    mt_claims_release(first, "a");
    take(second, f, 0, MT_CLAIM_OURS, 1);
    mt_claims_close(first);
    mt_claims_close(second);
    g_assert_cmpuint(files_in(f, "claims"), ==, 0);
}

/* While it beats, a claim stands for any time; silent, it is taken over when the lease is over, by the looker's clock. */
static void test_lease(fixture *f, gconstpointer data)
{
    mt_claims *owner = open_run(f), *looker = open_run(f);
    gint64     now = 5 * LEASE_US;

    (void)data;
    take(owner, f, now, MT_CLAIM_OURS, 1);
    for (int i = 0; i < 10; i++, now += LEASE_US) {
        mt_claims_beat(owner, now);
        take(looker, f, now, MT_CLAIM_ELSEWHERE, 0);
    }
    take(looker, f, now - 1 - LEASE_US + LEASE_US, MT_CLAIM_ELSEWHERE, 0); /* last seen to beat at now - LEASE_US */
    g_assert_true(mt_claims_holds(owner, "a"));
    take(looker, f, now + LEASE_US, MT_CLAIM_OURS, 2);
    g_assert_false(mt_claims_holds(owner, "a"));
    mt_claims_release(owner, "a"); /* not its own any more: nothing is removed */
    g_assert_true(mt_claims_holds(looker, "a"));
    take(owner, f, now + LEASE_US, MT_CLAIM_ELSEWHERE, 0);
    mt_claims_release(looker, "a");
    mt_claims_close(owner);
    mt_claims_close(looker);
    g_assert_cmpuint(files_in(f, "claims"), ==, 0);
}

/* A process of this machine that is gone needs no lease. */
static void test_dead(fixture *f, gconstpointer data)
{
    int   status;
    pid_t child = fork();

    (void)data;
    if (child == 0) {
        int        epoch;
        mt_claims *claims = mt_claims_open(f->out, LEASE_US, NULL);
        _exit(claims != NULL && mt_claims_take(claims, "a", f->target, 0, &epoch, NULL, NULL) == MT_CLAIM_OURS ? 0 : 1);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpuint(files_in(f, "claims"), ==, 2);
    mt_claims *claims = open_run(f); /* its beat is cleared away */
    g_assert_cmpuint(files_in(f, "claims"), ==, 2);
    take(claims, f, 0, MT_CLAIM_OURS, 2);
    mt_claims_close(claims);
    g_assert_cmpuint(files_in(f, "claims"), ==, 0);
}

static mt_store *begin(const fixture *f, mt_claims *claims, int epoch)
{
    g_autoptr(GError) error = NULL;
    const mt_fence fence = {.folder = mt_claims_folder(claims), .id = "a", .run = mt_claims_run(claims), .epoch = epoch};
    mt_store      *store = mt_store_create_fenced(f->target, &fence, &error);

    g_assert_no_error(error);
    return store;
}

static void refuse(mt_store *store, const fixture *f)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *message = g_strdup_printf("publish %s: another run has taken the case over", f->target);

    g_assert_false(mt_store_publish(store, "{}", &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
    g_assert_cmpstr(error->message, ==, message);
    mt_store_free(store);
}

/* Stopped for longer than the lease while its result was unfinished: its temporary is gone, nothing of it is published, whatever the
 * other has done meanwhile: not yet finished, failed and given back, or done. */
static void test_late(fixture *f, gconstpointer data)
{
    mt_claims *late = open_run(f), *other = open_run(f);

    (void)data;
    take(late, f, 0, MT_CLAIM_OURS, 1);
    mt_store *unfinished = begin(f, late, 1), *begun_after;
    take(other, f, 0, MT_CLAIM_ELSEWHERE, 0);
    g_assert_cmpuint(files_in(f, "."), ==, 2);
    take(other, f, LEASE_US, MT_CLAIM_OURS, 2);
    g_assert_cmpuint(files_in(f, "."), ==, 1); /* claims alone */
    refuse(unfinished, f);
    begun_after = begin(f, late, 1);
    mt_claims_release(other, "a");
    refuse(begun_after, f);
    take(other, f, LEASE_US, MT_CLAIM_OURS, 1); /* the epoch of the late one's claim, and another run's */
    begun_after = begin(f, late, 1);
    mt_store *good = begin(f, other, 1);
    refuse(begun_after, f);
    g_assert_true(mt_store_publish(good, "{}", NULL));
    mt_store_free(good);
    g_assert_cmpuint(files_in(f, "."), ==, 2);
    mt_claims_close(late);
    mt_claims_close(other);
}

/* What a dead worker of the same run left is removed before the second attempt. */
static void test_sweep(fixture *f, gconstpointer data)
{
    mt_claims *claims = open_run(f);

    (void)data;
    take(claims, f, 0, MT_CLAIM_OURS, 1);
    const mt_fence   fence = {.folder = mt_claims_folder(claims), .id = "a", .run = mt_claims_run(claims), .epoch = 1};
    g_autofree char *left = mt_fence_temporary(&fence, f->target);
    g_assert_true(g_file_set_contents(left, "half", -1, NULL));
    mt_claims_sweep(claims, "a", f->target);
    g_assert_false(g_file_test(left, G_FILE_TEST_EXISTS));
    mt_store_free(begin(f, claims, 1));
    mt_claims_close(claims);
}

/* Bytes that are no claim: nobody is believed dead, the lease decides.  Names of other cases are not this one's. */
static void test_strange_claims(fixture *f, gconstpointer data)
{
    mt_claims *claims = open_run(f);

    (void)data;
    for (const char *const *name = (const char *const[]){"a.1", "a.b.7", "a", "a.", "a.x", "a.0", "a.99999999999", NULL}; *name != NULL;
         name++) {
        g_autofree char *path = g_build_filename(mt_claims_folder(claims), *name, NULL);
        g_assert_true(g_file_set_contents(path, "strange", -1, NULL));
    }
    take(claims, f, 0, MT_CLAIM_ELSEWHERE, 0);
    take(claims, f, LEASE_US, MT_CLAIM_OURS, 2);
    mt_claims_close(claims);
}

static void test_refusals(fixture *f, gconstpointer data)
{
    g_autofree char *file = g_build_filename(f->out, "claims", NULL), *message = g_strdup_printf("create folder %s: Not a directory", file);
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_true(g_file_set_contents(file, "", -1, NULL));
    g_assert_null(mt_claims_open(f->out, LEASE_US, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_IO);
    g_assert_cmpstr(error->message, ==, message);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/claims/one-owner", fixture, NULL, set_up, test_one_owner, tear_down);
    g_test_add("/claims/lease", fixture, NULL, set_up, test_lease, tear_down);
    g_test_add("/claims/dead", fixture, NULL, set_up, test_dead, tear_down);
    g_test_add("/claims/late", fixture, NULL, set_up, test_late, tear_down);
    g_test_add("/claims/sweep", fixture, NULL, set_up, test_sweep, tear_down);
    g_test_add("/claims/strange", fixture, NULL, set_up, test_strange_claims, tear_down);
    g_test_add("/claims/refusals", fixture, NULL, set_up, test_refusals, tear_down);
    return g_test_run();
}
