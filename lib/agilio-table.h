/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-table.h - commands that can answer in JSON.
 *
 * What such a command says is made of OVS's tables (table.h), printed as text
 * or, with --format=json, as one JSON object per table and line:
 * {"headings": [...], "data": [[...], ...]}.  Main thread.
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

/* Add a cell to the last row. */
void agilio_table_number(struct table *, uint64_t);
void agilio_table_text(struct table *, const char *);

/* Appends 'table' to 'ds', and destroys it. */
void agilio_table_put(struct ds *ds, struct table *table,
                      const struct table_style *);

#endif /* agilio-table.h */
