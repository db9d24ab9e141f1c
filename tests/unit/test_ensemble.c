/* Ensembles: combined as ensemble_reference.py says, the same bytes for any threads, refused where members do not fit together. */
#include "mil/safetensors_writer.h"
#include "tests/unit/ensemble_expected.h"

#include <microtome/head.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define TILES 5
#define DIM 3

static char *folder, *card;

static const float tiles[TILES * DIM] = {1, 0, 2, -1, 0.5F, 0, 3, 1, 1, 0, 0, -2, 2, 0.25F, 0};
static const float weights[3][2 * DIM] = {
    {0.5F, -1, 0.25F, -0.5F, 2, 1}, {0.25F, 0, -1, -0.25F, 0.75F, 0}, {0.125F, 1, 0, 1, -0.5F, 0.25F}};
static const float biases[3][2] = {{0.125F, -0.25F}, {0, 0.5F}, {-0.5F, 0.25F}};

static mt_tensor *tensor_of(int rank, int64_t rows, int64_t columns, const float *values)
{
    mt_tensor *tensor = mt_tensor_new(MT_F32, rank, (int64_t[]){rows, columns}, NULL);

    memcpy(tensor->data, values, (size_t)mt_tensor_count(tensor) * sizeof(float));
    return tensor;
}

static void write_member(int i, const char *name, int64_t dim, const char *const *metadata)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autoptr(mt_tensor) w = tensor_of(2, 2, dim, weights[i]);
    g_autoptr(mt_tensor) b = tensor_of(1, 2, 0, biases[i]);
    const mt_named_tensor tensors[] = {{"classifier.weight", w}, {"classifier.bias", b}};

    g_assert_true(mt_safetensors_write(path, tensors, 2, metadata, NULL));
}

static void write_members(void)
{
    static const char *const names[] = {"a.safetensors", "b.safetensors", "c.safetensors"}, *const heat[] = {"1", "2", "0.5"};

    for (int i = 0; i < 3; i++)
        write_member(i, names[i], DIM,
                     (const char *const[]){"kind", "linear", "labels", "no;yes", "positive", "yes", "temperature", heat[i], "encoder",
                                           "uni", "target_mpp", "0.5", NULL});
}

static mt_head *load(const char *keys, GError **error)
{
    g_autofree char *text = g_strconcat("[head]\nkind=ensemble\n", keys, NULL);

    g_assert_true(g_file_set_contents(card, text, -1, NULL));
    return mt_head_load(card, error);
}

static void assert_close(const float *values, const double *wanted, int n)
{
    for (int i = 0; i < n; i++)
        g_assert_cmpfloat_with_epsilon(values[i], wanted[i], 3e-7);
}

static void check(const char *keys, const double *scores, const double *tile_scores)
{
    const mt_bag bag = mt_bag_from_memory(tiles, TILES, DIM);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_head) head = load(keys, &error);

    g_assert_no_error(error);
    g_autoptr(mt_head_output) output = mt_head_predict(head, &bag, NULL, &error);
    g_assert_no_error(error);
    assert_close(output->scores, scores, 2);
    assert_close(output->tile_scores, tile_scores, 2 * TILES);
    g_assert_cmpint(output->n_members, ==, 3);
    assert_close(output->member_scores, expected_members, 6);
    g_assert_cmpint(output->n_attention, ==, 0);
    g_assert_null(output->embedding);
    g_autoptr(mt_head_output) again = mt_head_predict(head, &bag, &(mt_head_options){.threads = 3}, &error);
    g_assert_cmpmem(output->scores, 8, again->scores, 8);
    g_assert_cmpmem(output->tile_scores, 8 * TILES, again->tile_scores, 8 * TILES);
}

#define MEMBERS "members=a.safetensors;b.safetensors;c.safetensors\n"

static void test_rules(void)
{
    write_members();
    check(MEMBERS, expected_average, expected_average_tiles);
    check(MEMBERS "combine=vote\n", expected_vote, expected_vote_tiles);
    check(MEMBERS "combine=stack\nweights=0.5;1.5;0.25;-0.75\n", expected_stack, expected_stack_tiles);
}

static void test_card(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_head) head = load(MEMBERS, &error);
    g_autoptr(mt_head) calibrated = load(MEMBERS "temperature=3\nthreshold=0.2\n", &error);
    g_autoptr(mt_head) vote = load(MEMBERS "combine=vote\n", &error);
    const mt_head_card *said = mt_head_get_card(head);

    g_assert_no_error(error);
    g_assert_cmpstr(mt_head_kind(head), ==, "ensemble");
    g_assert_cmpstr(said->encoder, ==, "uni");
    g_assert_cmpstr(said->positive, ==, "yes");
    g_assert_cmpstr(said->labels[0], ==, "no");
    g_assert_cmpfloat(said->target_mpp, ==, 0.5);
    g_assert_cmpint(strlen(mt_head_sha256(head)), ==, 64);
    g_assert_cmpstr(mt_head_sha256(head), ==, mt_head_sha256(calibrated)); /* results stay those of this head */
    g_assert_cmpstr(mt_head_sha256(head), !=, mt_head_sha256(vote));
    write_member(2, "b.safetensors", DIM, (const char *const[]){"kind", "linear", "labels", "no;yes", "positive", "yes", NULL});
    g_autoptr(mt_head) other = load(MEMBERS, &error);
    g_assert_cmpstr(mt_head_sha256(head), !=, mt_head_sha256(other));
    write_members();
}

/* Findings, each by itself; attention is the members' mean. */
static void test_attention(void)
{
    static const char *const names[] = {"a.safetensors", "b.safetensors"};
    const mt_bag             bag = mt_bag_from_memory(tiles, TILES, DIM);
    g_autoptr(GError) error = NULL;
    mt_head_output *alone[2];

    for (int i = 0; i < 2; i++) {
        g_autofree char *path = g_build_filename(folder, names[i], NULL);
        write_member(i, names[i], DIM, (const char *const[]){"kind", "noisy_or", "labels", "no;yes", NULL});
        g_autoptr(mt_head) head = mt_head_load(path, &error);
        g_assert_no_error(error);
        alone[i] = mt_head_predict(head, &bag, NULL, &error);
    }
    g_autoptr(mt_head) head = load("members=a.safetensors;b.safetensors\n", &error);
    g_assert_no_error(error);
    g_autoptr(mt_head_output) output = mt_head_predict(head, &bag, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(output->n_attention, ==, alone[0]->n_attention);
    for (int i = 0; i < TILES * output->n_attention; i++)
        g_assert_cmpfloat_with_epsilon(output->attention[i], ((double)alone[0]->attention[i] + alone[1]->attention[i]) / 2, 1e-7);
    for (int c = 0; c < 2; c++)
        g_assert_cmpfloat_with_epsilon(output->scores[c], ((double)alone[0]->scores[c] + alone[1]->scores[c]) / 2, 3e-7);
    for (int i = 0; i < 2; i++)
        mt_head_output_free(alone[i]);
    write_members();
}

/* @ stands for the folder, as often as it is there. */
static void refuse(const char *keys, const char *wanted)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_head) head = load(keys, &error);
    g_auto(GStrv) parts = g_strsplit(wanted, "@", -1);
    g_autofree char *message = g_strjoinv(folder, parts);

    g_assert_null(head);
    g_assert_cmpstr(error->message, ==, message);
}

static void test_keys_refused(void)
{
    g_autoptr(GError) error = NULL;

    refuse("", "head @/e.card: kind=ensemble: members= of two heads or more is wanted");
    refuse("members=a.safetensors\n", "head @/e.card: kind=ensemble: members= of two heads or more is wanted");
    refuse("members=../a.safetensors;b.safetensors\n", "head @/e.card: members=../a.safetensors: paths below the card's folder are wanted");
    refuse("members=/a.safetensors;b.safetensors\n", "head @/e.card: members=/a.safetensors: paths below the card's folder are wanted");
    refuse("members=e.card;b.safetensors\n", "head @/e.card: members=e.card: a member is a head, not another card");
    refuse("members=a.safetensors;a.safetensors\n", "head @/e.card: members=a.safetensors: named twice");
    refuse(MEMBERS "combine=median\n", "read @/e.card: [head] combine=median: average, vote or stack is wanted; of a task max, mean, noisy-or or top-k");
    refuse(MEMBERS "weights=1;1;1\n", "head @/e.card: weights are of combine=stack");
    refuse(MEMBERS "combine=stack\nweights=1;1\n",
           "head @/e.card: combine=stack: 2 weights for 3 members: one each, and at most a constant after them");
    refuse(MEMBERS "combine=stack\nweights=1;-1;1\n", "head @/e.card: combine=stack: weight -1 of b.safetensors is below 0");
    refuse(MEMBERS "combine=stack\nweights=0;0;0;1\n", "head @/e.card: combine=stack: all weights are 0");
    refuse(MEMBERS "activation=sigmoid\n",
           "head @/e.card: @/e.card has activation sigmoid, @/a.safetensors has softmax: members of an ensemble must agree");
    refuse(MEMBERS "encoder=conch\n",
           "head @/e.card: @/e.card has encoder conch, @/a.safetensors has uni: members of an ensemble must agree");
    refuse(MEMBERS "labels=yes;no\n",
           "head @/e.card: @/e.card has labels yes, no, @/a.safetensors has no, yes: members of an ensemble must agree");
    g_assert_true(g_file_set_contents(card, "[head]\nkind=linear\n", -1, NULL));
    g_assert_null(mt_head_load(card, &error));
    g_assert_true(g_str_has_suffix(error->message, "e.card: a card alone is a head where it says kind=ensemble: name the head's own file"));
    g_clear_error(&error);
    g_unlink(card);
    g_assert_null(mt_head_load(card, &error));
    g_assert_true(g_error_matches(error, MT_ERROR, MT_ERROR_MISSING));
    g_assert_true(g_str_has_suffix(error->message, "e.card: no such file"));
}

static void test_members_refused(void)
{
#define KEYS "kind", "linear", "labels"
    static const char *const no_label[] = {KEYS, "no;maybe", NULL}, *const no_encoder[] = {KEYS, "no;yes", "encoder", "conch", NULL};
    static const char *const coarse[] = {KEYS, "no;yes", "target_mpp", "1", NULL}, *const plain[] = {KEYS, "no;yes", NULL};
    static const char *const sigmoid[] = {KEYS, "no;yes", "activation", "sigmoid", NULL}, *const lone[] = {KEYS, "no;yes", "weights", "1;2",
                                                                                                           NULL};
    g_autoptr(GError) error = NULL;

    write_member(1, "b.safetensors", DIM, no_label);
    refuse(MEMBERS, "head @/e.card: @/a.safetensors has labels no, yes, @/b.safetensors has no, maybe: members of an ensemble must agree");
    write_member(1, "b.safetensors", DIM, no_encoder);
    refuse(MEMBERS, "head @/e.card: @/a.safetensors has encoder uni, @/b.safetensors has conch: members of an ensemble must agree");
    write_member(1, "b.safetensors", DIM, coarse);
    refuse(MEMBERS, "head @/e.card: @/b.safetensors is for 1 µm/px, the ensemble for 0.5: members of an ensemble must agree");
    write_member(1, "b.safetensors", DIM - 1, plain);
    refuse(MEMBERS, "head @/e.card: @/a.safetensors takes 3 features per tile, @/b.safetensors takes 2: members of an ensemble must agree");
    write_member(1, "b.safetensors", DIM, sigmoid);
    refuse(MEMBERS,
           "head @/e.card: @/a.safetensors has activation softmax, @/b.safetensors has sigmoid: members of an ensemble must agree");
    for (int i = 0; i < 3; i++)
        write_member(i, (const char *const[]){"a.safetensors", "b.safetensors", "c.safetensors"}[i], DIM, plain);
    refuse(MEMBERS "combine=stack\nweights=1;1;1\n", "head @/e.card: combine=stack is of one label's score: it wants positive=");
    write_member(1, "b.safetensors", DIM, lone);
    refuse(MEMBERS,
           "head @/e.card: head @/b.safetensors: the card's members, combine and weights are of kind=ensemble, the head is linear");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("ensemble-XXXXXX", NULL);
    card = g_build_filename(folder, "e.card", NULL);
    g_test_add_func("/ensemble/rules", test_rules);
    g_test_add_func("/ensemble/card", test_card);
    g_test_add_func("/ensemble/attention", test_attention);
    g_test_add_func("/ensemble/keys", test_keys_refused);
    g_test_add_func("/ensemble/members", test_members_refused);
    int failed = g_test_run();
    for (const char *const *name = (const char *const[]){"a.safetensors", "b.safetensors", "c.safetensors", "e.card", NULL}; *name != NULL;
         name++) {
        g_autofree char *path = g_build_filename(folder, *name, NULL);
        g_unlink(path);
    }
    g_rmdir(folder);
    g_free(card);
    g_free(folder);
    return failed;
}
