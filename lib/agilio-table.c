/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "agilio-table.h"

#include <string.h>

#include "openvswitch/json.h"
#include "unixctl.h"
#include "util.h"

bool
agilio_table_format(struct unixctl_conn *conn, int *argc, const char *argv[],
                    struct table_style *style)
{
    int n = 1;

    *style = table_style_default;
    style->format = TF_TABLE;
    for (int i = 1; i < *argc; i++) {
        if (!strcmp(argv[i], "--format=json")) {
            style->format = TF_JSON;
        } else if (strncmp(argv[i], "--format=", 9)) {
            argv[n++] = argv[i];
        } else if (strcmp(argv[i], "--format=text")) {
            unixctl_command_reply_error(conn, "the formats are text and "
                                        "json");
            return false;
        }
    }
    *argc = n;
    table_format_reset();       /* The next table is the first one. */
    return true;
}

void
agilio_table_init(struct table *table, const char *headings)
{
    char *words = xstrdup(headings), *save = NULL;

    table_init(table);
    for (char *word = strtok_r(words, " ", &save); word;
         word = strtok_r(NULL, " ", &save)) {
        table_add_column(table, "%s", word);
    }
    free(words);
}

void
agilio_table_number(struct table *table, uint64_t n)
{
    table_add_cell(table)->json = json_integer_create(n);
}

void
agilio_table_text(struct table *table, const char *s)
{
    table_add_cell(table)->text = nullable_xstrdup(s);
}

void
agilio_table_put(struct ds *ds, struct table *table, const char *caption,
                 const struct table_style *style)
{
    if (style->format == TF_JSON) {
        table_set_caption(table, xstrdup(caption));
    }
    table_format(table, style, ds);
    table_destroy(table);
}

void
agilio_table_counter(struct table *table, const char *name, uint64_t value,
                     const char *meaning)
{
    table_add_row(table);
    agilio_table_text(table, name);
    agilio_table_number(table, value);
    agilio_table_text(table, meaning);
}
