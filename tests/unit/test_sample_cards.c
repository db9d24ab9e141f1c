/* Every card of samples/cards goes through the reader; tile, size and µm/px are those that the encoders' users already run. */
#include "src/encoder/card.h"

#include <string.h>

typedef struct published {
    const char *name;
    int         tile_px, size_px;
    double      mpp;
    mt_pool     pool;
    double      red_mean, red_std;
} published;

static const published encoders[] = {
    {"conch_v1", 512, 448, 0.5, MT_POOL_NONE, 0.48145466, 0.26862954},
    {"conch_v15", 512, 448, 0.5, MT_POOL_NONE, 0.485, 0.229},
    {"ctranspath", 256, 224, 1, MT_POOL_NONE, 0.485, 0.229},
    {"gemma4-26b", 224, 768, 0.5, MT_POOL_NONE, 0, 1},
    {"gemma4-e4b", 224, 768, 0.5, MT_POOL_NONE, 0, 1},
    {"genbio-pathfm", 224, 224, 0.5, MT_POOL_NONE, 0.697, 0.188},
    {"gigapath", 256, 224, 0.5, MT_POOL_CLS, 0.485, 0.229},
    {"gpfm", 224, 224, 0.5, MT_POOL_CLS, 0.485, 0.229},
    {"h0-mini", 224, 224, 0.5, MT_POOL_CLS, 0.707223, 0.211883},
    {"hibou_l", 224, 224, 0.5, MT_POOL_CLS, 0.7068, 0.195},
    {"hoptimus0", 224, 224, 0.5, MT_POOL_CLS, 0.707223, 0.211883},
    {"hoptimus1", 224, 224, 0.5, MT_POOL_CLS, 0.707223, 0.211883},
    {"kaiko-vitb16", 256, 224, 0.5, MT_POOL_CLS, 0.5, 0.5},
    {"kaiko-vitb8", 256, 224, 0.5, MT_POOL_CLS, 0.5, 0.5},
    {"kaiko-vitl14", 256, 224, 0.5, MT_POOL_CLS, 0.5, 0.5},
    {"kaiko-vits16", 256, 224, 0.5, MT_POOL_CLS, 0.5, 0.5},
    {"kaiko-vits8", 256, 224, 0.5, MT_POOL_CLS, 0.5, 0.5},
    {"keep", 256, 224, 0.5, MT_POOL_NONE, 0.485, 0.229},
    {"lunit-vits8", 224, 224, 0.5, MT_POOL_CLS, 0.70322989, 0.21716536},
    {"midnight12k", 224, 224, 0.5, MT_POOL_CLS_MEAN, 0.5, 0.5},
    {"musk", 384, 384, 0.5, MT_POOL_NONE, 0.5, 0.5},
    {"openmidnight", 224, 224, 0.5, MT_POOL_CLS, 0.485, 0.229},
    {"phikon", 224, 224, 0.5, MT_POOL_CLS, 0.485, 0.229},
    {"phikon_v2", 224, 224, 0.5, MT_POOL_CLS, 0.485, 0.229},
    {"resnet50", 256, 224, 0.5, MT_POOL_MEAN, 0.485, 0.229},
    {"uni_v1", 256, 224, 0.5, MT_POOL_CLS, 0.485, 0.229},
    {"uni_v2", 256, 224, 0.5, MT_POOL_CLS, 0.485, 0.229},
    {"virchow", 224, 224, 0.5, MT_POOL_CLS_MEAN, 0.485, 0.229},
    {"virchow2", 224, 224, 0.5, MT_POOL_CLS_MEAN, 0.485, 0.229},
};

static char *folder(void)
{
    return g_test_build_filename(G_TEST_DIST, "..", "samples", "cards", NULL);
}

static mt_card *read_card(const char *name, GError **error)
{
    g_autofree char *cards = folder(), *file = g_strconcat(name, ".card", NULL), *path = g_build_filename(cards, file, NULL);
    g_autoptr(mt_card) card = mt_card_read(path, error);

    return card != NULL && mt_card_complete(card, 0, name, error) ? g_steal_pointer(&card) : NULL;
}

static void test_card(const void *data)
{
    const published *wanted = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_card) card = read_card(wanted->name, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(card->name, ==, wanted->name);
    g_assert_cmpint(card->tile_px, ==, wanted->tile_px);
    g_assert_cmpint(card->size_px, ==, wanted->size_px);
    g_assert_cmpfloat(card->mpp, ==, wanted->mpp);
    g_assert_cmpint(card->pool, ==, wanted->pool);
    g_assert_cmpint(card->n_mean, ==, 3);
    g_assert_cmpfloat(card->mean[0], ==, wanted->red_mean);
    g_assert_cmpfloat(card->std[0], ==, wanted->red_std);
    g_assert_cmpint(card->value, ==, MT_VALUE_RGB8);
    g_assert_cmpint(card->fit, ==, MT_FIT_TILES);
    g_assert_nonnull(card->licence);
    if (card->pool == MT_POOL_CLS || card->pool == MT_POOL_CLS_MEAN)
        g_assert_cmpint(card->prefix_tokens, >=, 1);
}

/* A card that the table above forgets would not be tested. */
static void test_all_listed(void)
{
    g_autofree char *cards = folder();
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(cards, 0, &error);
    const char *file;
    guint       n = 0;

    g_assert_no_error(error);
    for (; (file = g_dir_read_name(dir)) != NULL; n++)
        g_assert_true(g_str_has_suffix(file, ".card"));
    g_assert_cmpuint(n, ==, G_N_ELEMENTS(encoders));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(encoders); i++) {
        g_autofree char *path = g_strconcat("/sample-cards/", encoders[i].name, NULL);
        g_test_add_data_func(path, &encoders[i], test_card);
    }
    g_test_add_func("/sample-cards/all-listed", test_all_listed);
    return g_test_run();
}
