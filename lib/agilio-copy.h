/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-copy.h - one row of a translation table: a member of one struct that
 * becomes a member of another, byte for byte.  Members of different sizes do
 * not compile.  For agilio-match.c and agilio-actions.c.
 */

#ifndef AGILIO_COPY_H
#define AGILIO_COPY_H 1

#include <stddef.h>
#include <stdint.h>

struct agilio_copy {
    uint16_t from, to;          /* Offsets. */
    uint16_t size;              /* Bytes. */
};

#define AGILIO_MEMBER_SIZE(STRUCT, MEMBER) \
    sizeof(((STRUCT *) NULL)->MEMBER)

/* The size of two members that have the same. */
#define AGILIO_SAME_SIZE(FROM, FROM_MEMBER, TO, TO_MEMBER)              \
    (AGILIO_MEMBER_SIZE(FROM, FROM_MEMBER)                              \
     + 0 * sizeof(struct {                                              \
         _Static_assert(AGILIO_MEMBER_SIZE(FROM, FROM_MEMBER)           \
                        == AGILIO_MEMBER_SIZE(TO, TO_MEMBER),           \
                        #FROM_MEMBER " and " #TO_MEMBER " differ");     \
         int pad;                                                       \
     }))

#define AGILIO_COPY(FROM, FROM_MEMBER, TO, TO_MEMBER)                   \
    { offsetof(FROM, FROM_MEMBER), offsetof(TO, TO_MEMBER),             \
      AGILIO_SAME_SIZE(FROM, FROM_MEMBER, TO, TO_MEMBER) }

#endif /* agilio-copy.h */
