/* The format: the document names every table and column, and a database that version 1 wrote is
 * opened with all that is in it. */
#include "store/index.h"
#include "support.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char *read_file(const char *name)
{
    char path[500];
    snprintf(path, sizeof path, "%s/%s", TOP, name);
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 100000);
    assert_non_null(f);
    assert_true(fread(text, 1, 99999, f) > 0);
    fclose(f);
    return text;
}

static sqlite3 *open_database(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path_of("store.db"), &db), SQLITE_OK);
    return db;
}

static void test_the_document_names_all_columns(void **state)
{
    char *text = read_file("docs/store-format.md");
    sqlite3_stmt *stmt;
    int n = 0;
    close_store();
    sqlite3 *db = open_database();
    assert_int_equal(
        sqlite3_prepare_v2(db,
                           "SELECT '| '||t.name||' | '||group_concat(c.name,', ')||' |'"
                           " FROM sqlite_schema t, pragma_table_info(t.name) c"
                           " WHERE t.type='table' GROUP BY t.name",
                           -1, &stmt, NULL),
        SQLITE_OK);
    for (; sqlite3_step(stmt) == SQLITE_ROW; n++) {
        const char *row = (const char *)sqlite3_column_text(stmt, 0);
        if (!strstr(text, row))
            fail_msg("docs/store-format.md has no line '%s'", row);
    }
    assert_true(n >= 6);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    free(text);
}

static void test_a_database_of_version_1_is_opened(void **state)
{
    char *sql = read_file("tests/golden/store/version-1.sql"), *error = NULL;
    struct store_found f;
    close_store();
    assert_int_equal(remove(path_of("store.db")), 0);
    sqlite3 *db = open_database();
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s", error);
    sqlite3_close(db);
    free(sql);
    open_store();
    assert_int_equal(store_incarnation(store), 77);
    assert_true(store_find(store, STR("image"), STR("image"), STR("visible-1"), &arena, &f));
    assert_str(f.local, "local-1");
    struct store_batch *b = batch();
    store_ask_entries(b, &(struct store_by_entry){.record = STR("")}, 9);
    assert_int_equal(run(b), 0);
    assert_int_equal(b->answers[0].n, 2);
    assert_str(((const struct store_entry *)b->answers[0].rows)[1].value, "value-1");
    store_batch_destroy(&b);
    b = batch();
    store_record_remove(b, &(struct store_by_record){{(char *)f.record, 16}});
    assert_int_equal(run_once(&b), 0); /* its triggers are in the file */
    b = batch();
    store_ask_entries(b, &(struct store_by_entry){.record = STR("")}, 9);
    assert_int_equal(run(b), 0);
    assert_int_equal(b->answers[0].n, 0);
    store_batch_destroy(&b);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_the_document_names_all_columns),
        CASE(test_a_database_of_version_1_is_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
