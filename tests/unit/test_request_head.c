#include "src/serve/request_head.h"

#include <glib.h>
#include <string.h>

static int read_text(const char *text, mt_request_head *head)
{
    return mt_request_head_read((const uint8_t *)text, strlen(text), head);
}

static void test_good(void)
{
    static const struct {
        const char *text;
        int64_t     body;
        bool        keeps;
    } rows[] = {{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, true},
                {"GET /a?b=%20c&d HTTP/1.1\r\nHost: 127.0.0.1:8042\r\nConnection: close\r\n\r\n", 0, false},
                {"POST /x HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 12\r\nX-Odd: \"a\"; b\t c\r\n\r\n", 12, true},
                {"GET / HTTP/1.0\r\n\r\n", 0, false},
                {"GET / HTTP/1.1\r\nHOST:a\r\nEmpty:\r\n\r\n", 0, true}};

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        mt_request_head  head = {0};
        g_autofree char *more = g_strconcat(rows[i].text, "GET ", NULL);
        g_assert_cmpint(read_text(more, &head), ==, 200);
        g_assert_cmpuint(head.bytes, ==, strlen(rows[i].text));
        g_assert_cmpint(head.body, ==, rows[i].body);
        g_assert_cmpint(head.keeps, ==, rows[i].keeps);
        for (size_t n = 0; n < head.bytes; n++) /* every beginning of it asks for more */
            g_assert_cmpint(mt_request_head_read((const uint8_t *)rows[i].text, n, &head), ==, 0);
    }
}

/* What two servers may read differently, and what no browser says. */
static void test_refused(void)
{
    static const struct {
        const char *text;
        int         status;
    } rows[] = {{"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                {"GET / HTTP/1.1\nHost: a\n\n", 400},
                {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
                {"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400},
                {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
                {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400},
                {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 411},
                {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
                {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", 400},
                {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n", 400},
                {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n", 400},
                {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400},
                {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 413},
                {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 413},
                {"GET / HTTP/1.1\r\n\r\n", 400},
                {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
                {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
                {"GET / HTTP/1.1\r\nHost: a/../b\r\n\r\n", 400},
                {"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400},
                {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
                {"GET / HTTP/1.1\r\nHost: a\r\nNoColon\r\n\r\n", 400},
                {"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", 400},
                {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                {"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                {"GET /\\..\\x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                {"GET /\xc0\xaf HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
                {"GET / HTTP/1.11\r\nHost: a\r\n\r\n", 400},
                {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
                {"GET /\r\n\r\n", 400},
                {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
                {"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
                {"\x16\x03\x01", 400}};

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        mt_request_head head = {0};
        g_test_message("%zu", i);
        g_assert_cmpint(read_text(rows[i].text, &head), ==, rows[i].status);
    }
    mt_request_head head = {0};
    g_assert_cmpint(mt_request_head_read((const uint8_t *)"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 29, &head), ==, 400);
}

static void test_limits(void)
{
    mt_request_head  head = {0};
    g_autofree char *long_target = g_strnfill(MT_REQUEST_TARGET_BYTES, 'a'), *long_value = g_strnfill(MT_REQUEST_HEAD_BYTES, 'b');
    g_autofree char *target = g_strconcat("GET /", long_target, " HTTP/1.1\r\nHost: a\r\n\r\n", NULL);
    g_autofree char *value = g_strconcat("GET / HTTP/1.1\r\nHost: a\r\nX: ", long_value, "\r\n\r\n", NULL);
    g_autoptr(GString) many = g_string_new("GET / HTTP/1.1\r\nHost: a\r\n");

    for (int i = 0; i < MT_REQUEST_FIELDS; i++)
        g_string_append(many, "X: y\r\n");
    g_string_append(many, "\r\n");
    g_assert_cmpint(read_text(target, &head), ==, 414);
    g_assert_cmpint(read_text(value, &head), ==, 431);
    g_assert_cmpint(read_text(many->str, &head), ==, 431);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/request_head/good", test_good);
    g_test_add_func("/request_head/refused", test_refused);
    g_test_add_func("/request_head/limits", test_limits);
    return g_test_run();
}
