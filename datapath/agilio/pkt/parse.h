/* SPDX-License-Identifier: Apache-2.0 */
/* parse.h - from a frame to its key. */

#ifndef AGL_PARSE_H
#define AGL_PARSE_H 1

#include "pkt/pkt.h"

struct agl_parse_options {
    uint32_t max_vlans;         /* Tags that the host parses: 0, 1 or 2. */
    bool hash;                  /* It wants the hash of what it is given. */
};

/* Fills in 'key' from the metadata of 'pkt' and from its frame, and the
 * offsets and TCP flags of 'pkt'.  Every byte of 'key' is written.
 *
 * The result is the one of OVS's miniflow_extract() for the same bytes, for
 * malformed and truncated packets too: a header that is not whole, or whose
 * lengths contradict each other, leaves its fields and all after it zero. */
void agl_parse(struct agl_pkt *pkt, const struct agl_parse_options *,
               struct agilio_key *key);

#endif /* pkt/parse.h */
