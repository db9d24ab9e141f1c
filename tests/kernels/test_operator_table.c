/* docs/operators.md lists what the operator table holds.  With --write PAGE the list is written instead. */
#include "kernels/onnx/import.h"
#include "kernels/reference/operator.h"
#include "tests/kernels/operators_page.h"

#include <string.h>

static int by_name(gconstpointer a, gconstpointer b)
{
    const mt_operator *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* ONNX's operators, sorted; ours that ONNX lacks are no file's business. */
static GPtrArray *list_operators(void)
{
    static const mt_operator constant = {"Constant", MT_OPSET_MIN, MT_OPSET_MAX, NULL, NULL}; /* becomes a constant while a file is read */
    GPtrArray               *list = g_ptr_array_new();
    const mt_operator       *op;

    for (size_t i = 0; (op = mt_operator_at(i)) != NULL; i++)
        if (!g_str_has_prefix(op->name, "mt."))
            g_ptr_array_add(list, (gpointer)op);
    g_ptr_array_add(list, (gpointer)&constant);
    g_ptr_array_sort(list, by_name);
    return list;
}

static char *describe_table(void)
{
    g_autoptr(GPtrArray) list = list_operators();
    GString *text =
        g_string_new("# Operators\n\nWritten by `ninja operators-page` from the operator table; `kernels/operator_table` compares it.\n\n");

    g_string_append_printf(
        text,
        "%u operators of the domain `ai.onnx`, models of opset %d to %d. Another operator, opset, domain or type is refused by "
        "name when a\nmodel is loaded. Before opset 7 an operator is there where its meaning is that of later ones.\n\n",
        list->len, MT_OPSET_MIN, MT_OPSET_MAX);
    g_string_append(
        text, "Types: float32, float64, float16, bfloat16, int64, int32, int16, int8, uint64, uint32, uint16, uint8, bool, where ONNX "
              "allows them for the\noperator; 8-bit floats and 4-bit integers are cast, quantised and dequantised. Shapes follow from the "
              "inputs' shapes, or, where a session is given them, from the inputs' "
              "elements.\n\n");
    g_string_append(text, "| operator | opsets |\n|---|---|\n");
    for (guint i = 0; i < list->len; i++) {
        const mt_operator *op = list->pdata[i];
        g_string_append_printf(text, "| %s | %d-%d |\n", op->name, op->opset_min, op->opset_max);
    }
    g_string_append_c(text, '\n');
    return g_string_free(text, FALSE);
}

static void test_page(void)
{
    g_autofree char *text = describe_table();

    page_check(PAGE_TABLE, text);
}

/* Each name once, opsets in order, and each entry found by its name. */
static void test_entries(void)
{
    g_autoptr(GPtrArray) list = list_operators();

    for (guint i = 0; i < list->len; i++) {
        const mt_operator *op = list->pdata[i];

        g_assert_cmpint(op->opset_min, >=, MT_OPSET_MIN);
        g_assert_cmpint(op->opset_max, >=, op->opset_min);
        g_assert_cmpint(op->opset_max, <=, MT_OPSET_MAX);
        if (i > 0)
            g_assert_cmpstr(op->name, !=, ((const mt_operator *)list->pdata[i - 1])->name);
        if (op->infer != NULL)
            g_assert_true(mt_operator_find(op->name) == op);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        g_autofree char *text = describe_table();
        page_write(argv[2], PAGE_TABLE, text);
        return 0;
    }
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/operator-table/page", test_page);
    g_test_add_func("/operator-table/entries", test_entries);
    return g_test_run();
}
