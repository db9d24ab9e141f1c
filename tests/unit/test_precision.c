/* Which precision a run uses: what `auto` means, what a card allows, what the folder holds already; and what verifying writes. */
#include "src/encoder/card_verified.h"
#include "src/encoder/precision_choice.h"
#include "src/pipeline/contract.h"
#include "tests/threads/shared_scene.h"

#include <microtome/verify.h>

#define CARD "[encoder]\nname=open\nsize_px=16\nvalue=rgb8\nmean=0\nstd=1\nbatch=4\n"
#define NO_BF16 "bf16: this CPU has no AVX-512 BF16"
#define NOT_QUANTISED "int8: the model is not quantised"

static void test_choose(void)
{
    static const struct {
        mt_precision_facts facts;
        mt_precision       chosen;
        const char        *why;
    } cases[] = {
        {{.verified = {1, 1, 1}, .native = {1, 1, 1}, .quantized = true}, MT_PRECISION_INT8, ""},
        {{.verified = {1, 1, 1}, .native = {1, 1, 1}}, MT_PRECISION_BF16, NOT_QUANTISED},
        {{.verified = {1, 1, 1}, .native = {1, 0, 1}}, MT_PRECISION_FP32, NOT_QUANTISED "; " NO_BF16},
        {{.verified = {1, 1, 0}, .native = {1, 1, 1}, .quantized = true}, MT_PRECISION_BF16, "int8: the card does not list it as verified"},
        {{.verified = {1, 0, 1}, .native = {1, 1, 0}, .quantized = true},
         MT_PRECISION_FP32,
         "int8: this CPU has no AVX-512 VNNI; bf16: the card does not list it as verified"},
        {{.verified = {1, 0, 0}, .native = {1, 1, 1}, .other_model = true},
         MT_PRECISION_FP32,
         NOT_QUANTISED "; bf16: the card's verified= is of another model file"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *why = NULL;
        g_assert_cmpint(mt_precision_choose(&cases[i].facts, &why), ==, cases[i].chosen);
        g_assert_cmpstr(why, ==, cases[i].why);
    }
}

static void test_verified(void)
{
    g_autoptr(mt_encoder) plain = load_encoder("unit/data/encoder", "open", CARD);
    g_autoptr(mt_encoder) listed = load_encoder("unit/data/encoder", "open", CARD "verified=fp32;bf16\n");
    g_autofree char *mine = g_strdup_printf(CARD "verified=fp32;bf16\nverified_sha256=%s\n", mt_model_sha256(mt_encoder_model(plain)));
    g_autofree char *zeros = g_strnfill(64, '0'), *theirs = g_strdup_printf(CARD "verified=fp32;bf16\nverified_sha256=%s\n", zeros);
    g_autoptr(mt_encoder) same = load_encoder("unit/data/encoder", "open", mine), other = load_encoder("unit/data/encoder", "open", theirs);

    g_assert_true(mt_encoder_is_verified(plain, MT_PRECISION_FP32));
    g_assert_false(mt_encoder_is_verified(plain, MT_PRECISION_BF16));
    g_assert_true(mt_encoder_is_verified(listed, MT_PRECISION_BF16));
    g_assert_false(mt_encoder_is_verified(listed, MT_PRECISION_INT8));
    g_assert_true(mt_encoder_is_verified(same, MT_PRECISION_BF16));
    g_assert_false(mt_encoder_is_verified(other, MT_PRECISION_BF16));
}

typedef struct wish {
    const char  *card, *wanted, *folder;
    bool         off_allowed;
    mt_precision chosen;
    bool         off;
    const char  *refused; /* NULL: it is not */
} wish;

#define VERIFIED CARD "verified=fp32;bf16\n"

static const wish wishes[] = {
    {CARD, NULL, NULL, false, MT_PRECISION_FP32, false, NULL},
    {CARD, "auto", NULL, false, MT_PRECISION_FP32, false, NULL},
    {CARD, "fp32", NULL, false, MT_PRECISION_FP32, false, NULL},
    {VERIFIED, "bf16", NULL, false, MT_PRECISION_BF16, false, NULL},
    {CARD, "bf16", NULL, true, MT_PRECISION_BF16, true, NULL},
    /* what the folder holds, whatever this CPU would choose */
    {VERIFIED, NULL, "bf16", false, MT_PRECISION_BF16, false, NULL},
    {VERIFIED, NULL, "fp32", false, MT_PRECISION_FP32, false, NULL},
    {CARD, NULL, "bf16", true, MT_PRECISION_BF16, true, NULL},
    /* where it cannot be followed, the folder's recipe is what refuses the run */
    {CARD, NULL, "bf16", false, MT_PRECISION_FP32, false, NULL},
    {CARD, NULL, "int8", true, MT_PRECISION_FP32, false, NULL},
    {CARD, NULL, "fp8", false, MT_PRECISION_FP32, false, NULL},
    {VERIFIED, "fp32", "bf16", false, MT_PRECISION_FP32, false, NULL},
    {CARD, "bf16", NULL, false, 0, false,
     "prepare encoder 'open': precision bf16 is wanted and not among those verified (fp32): run microtome model verify, leave --precision "
     "out, or give --off-contract (the result is then degraded)"},
    {VERIFIED, "int8", NULL, true, 0, false,
     "prepare encoder 'open': precision int8 is wanted and the model is not quantised: make one that is with microtome model quantize"},
    {VERIFIED, "half", NULL, false, 0, false, "prepare the run: precision half: fp32, bf16, int8 or auto is wanted"},
};

static void test_contract(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(wishes); i++) {
        const wish *w = &wishes[i];
        g_autoptr(mt_encoder) encoder = load_encoder("unit/data/encoder", "open", w->card);
        g_autoptr(mt_recipe) recipe = mt_recipe_new();
        g_autoptr(GError) error = NULL;
        mt_contract contract = {.off_allowed = w->off_allowed};
        recipe->precision = g_strdup(w->wanted);
        recipe->folder_precision = g_strdup(w->folder);
        bool ok = mt_contract_choose_precision(recipe, encoder, &contract, &error);
        g_assert_cmpstr(error != NULL ? error->message : NULL, ==, w->refused);
        g_assert_true(ok == (w->refused == NULL));
        g_assert_true(!ok || (contract.precision == w->chosen && contract.off == w->off));
    }
}

static void check_replaced(const char *text, const char *wanted)
{
    g_autofree char *replaced = mt_card_replace_verified(text, "verified=fp32;bf16\nverified_cosine_bf16=0.9999\n");

    g_assert_cmpstr(replaced, ==, wanted);
}

/* Only the verified lines change; comments, blank lines and order stay. */
static void test_replace(void)
{
    check_replaced("# mine\n[encoder]\n# a tile\nsize_px=16\n\n# end\n",
                   "# mine\n[encoder]\n# a tile\nsize_px=16\n\n# end\nverified=fp32;bf16\nverified_cosine_bf16=0.9999\n");
    check_replaced("[encoder]\nverified = fp32\n# by hand\nsize_px=16\nverified_cosine_int8=0.99\n",
                   "[encoder]\nverified=fp32;bf16\nverified_cosine_bf16=0.9999\n# by hand\nsize_px=16\n");
    check_replaced("[encoder]\nsize_px=16", "[encoder]\nsize_px=16\nverified=fp32;bf16\nverified_cosine_bf16=0.9999\n");
    check_replaced("[encoder]\nsize_px=16\n\n[other]\nverified=x\n",
                   "[encoder]\nsize_px=16\nverified=fp32;bf16\nverified_cosine_bf16=0.9999\n\n[other]\nverified=x\n");
}

static mt_verify_result result_of(mt_precision precision, double cosine)
{
    return (mt_verify_result){.precision = precision, .figures = {.tiles = 1, .min_cosine = cosine, .mean_cosine = cosine}};
}

static void check_written(const char *card, mt_verify_result result, const char *wanted)
{
    g_autoptr(mt_encoder) encoder = load_encoder("unit/data/encoder", "open", card);
    g_autofree char *path = NULL, *is = NULL, *at = in_test_folder("open.card");
    g_autofree char *lines = wanted != NULL ? g_strdup_printf(wanted, mt_model_sha256(mt_encoder_model(encoder))) : NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(mt_verify_write_card(encoder, &result, 1, &path, &error));
    g_assert_no_error(error);
    if (wanted == NULL) {
        g_assert_null(path);
        return;
    }
    g_assert_cmpstr(path, ==, at);
    g_assert_true(g_file_get_contents(at, &is, NULL, NULL));
    g_assert_cmpstr(is, ==, lines);
    g_autoptr(mt_encoder) again = load_encoder("unit/data/encoder", "open", is);
    g_assert_true(mt_encoder_is_verified(again, result.precision) == mt_verify_holds(&result));
}

static void test_write_card(void)
{
    /* the figure is rounded down */
    check_written(CARD, result_of(MT_PRECISION_BF16, 0.99998765999),
                  CARD "verified=fp32;bf16\nverified_cosine_bf16=0.9999876\nverified_sha256=%s\n");
    /* what was not measured again stays */
    check_written(CARD "verified=bf16\nverified_cosine_bf16=0.9997\n", result_of(MT_PRECISION_INT8, 0.995),
                  CARD "verified=fp32;bf16;int8\nverified_cosine_bf16=0.9997\nverified_cosine_int8=0.995\nverified_sha256=%s\n");
    /* what does not hold is struck, and where nothing is listed nothing is written */
    check_written(CARD "verified=fp32;bf16\n", result_of(MT_PRECISION_BF16, 0.9994), CARD "verified=fp32\nverified_sha256=%s\n");
    check_written(CARD, result_of(MT_PRECISION_BF16, 0.9994), NULL);
    check_written(CARD, result_of(MT_PRECISION_INT8, NAN), NULL);
}

/* A contract that was found elsewhere becomes a card file that is complete. */
static void test_new_card(void)
{
    g_autoptr(mt_encoder) encoder = load_encoder("unit/data/encoder", "open", CARD);
    mt_verify_result result = result_of(MT_PRECISION_BF16, 1);
    g_autofree char *path = NULL, *is = NULL, *at = in_test_folder("open.card");

    g_unlink(at);
    g_assert_true(mt_verify_write_card(encoder, &result, 1, &path, NULL));
    g_assert_true(g_file_get_contents(at, &is, NULL, NULL));
    g_autofree char *first = g_strdup_printf("# what %s says\n[encoder]\nname=open\n", at);
    g_assert_true(g_str_has_prefix(is, first));
    g_autoptr(mt_encoder) again = load_encoder("unit/data/encoder", "open", is);
    g_assert_true(mt_encoder_is_verified(again, MT_PRECISION_BF16));
    g_assert_cmpint(mt_encoder_card(again)->batch, ==, 4);
}

static void test_builtin(void)
{
    g_autoptr(mt_encoder) demo = mt_encoder_load("builtin:demo", NULL);
    mt_verify_result result = result_of(MT_PRECISION_BF16, 1);
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_false(mt_verify_write_card(demo, &result, 1, &path, &error));
    g_assert_cmpstr(error->message, ==, "write the card of builtin:demo: it is built in and stays as it is");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    make_test_folder("mt-precision-XXXXXX");
    g_test_add_func("/precision/choose", test_choose);
    g_test_add_func("/precision/verified", test_verified);
    g_test_add_func("/precision/contract", test_contract);
    g_test_add_func("/precision/card/replace", test_replace);
    g_test_add_func("/precision/card/write", test_write_card);
    g_test_add_func("/precision/card/new", test_new_card);
    g_test_add_func("/precision/card/builtin", test_builtin);
    int failed = g_test_run();
    remove_test_folder();
    return failed;
}
