/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-table.h - commands that can answer in JSON.
 *
 * What such a command says with --format=json is made of OVS's tables
 * (table.h), one JSON object per table and line:
 * {"caption": "...", "headings": [...], "data": [[...], ...]}.  Documentation/
 * agilio/reference-json.rst has all of them, and an autotest compares it with
 * what is printed.  Some commands print the same tables as text.
 *
 * Called by commands of ovs-vswitchd and agilio-nicd, in their main threads.
 */

#ifndef AGILIO_TABLE_H
#define AGILIO_TABLE_H 1

#include <stdbool.h>
#include <stdint.h>

#include "table.h"

struct unixctl_conn;

/* Takes "--format=json" or "--format=text" off the arguments, wherever it
 * stands, and fills in '*style'.  False, after an error reply, if it is
 * another format. */
bool agilio_table_format(struct unixctl_conn *, int *argc, const char *argv[],
                         struct table_style *style);

/* Makes 'table' an empty one.  The names of its columns are the words of
 * 'headings'. */
void agilio_table_init(struct table *table, const char *headings);

/* Add a cell to the last row. */
void agilio_table_number(struct table *, uint64_t);
void agilio_table_text(struct table *, const char *);   /* NULL: nothing. */

/* Appends 'table' to 'ds', in JSON under the name 'caption', and destroys
 * it. */
void agilio_table_put(struct ds *ds, struct table *table, const char *caption,
                      const struct table_style *);

/* Adds a row to a table with the columns AGILIO_TABLE_COUNTERS. */
void agilio_table_counter(struct table *, const char *name, uint64_t value,
                          const char *meaning);
#define AGILIO_TABLE_COUNTERS "counter value meaning"

#endif /* agilio-table.h */
