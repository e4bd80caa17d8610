/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generate.h - programs and flows made of a fuzz target's input.
 *
 * Programs come from the tables of abi.h and agl_actions[]: an action that is
 * new there is in them without a change here.  hints[] in generate.c has the
 * operands that must not be just anything.
 */

#ifndef FUZZ_GENERATE_H
#define FUZZ_GENERATE_H 1

#include "agilio/msg.h"
#include "fuzz.h"

/* What programs and flows may refer to. */
struct fuzz_names {
    uint32_t n_ports;           /* At least 1. */
    const uint32_t *ports;
    uint32_t n_recirc_ids;      /* From 1 on, */
    uint32_t n_objects;         /* and meters and bonds, from 0 on. */
};

/* Writes a program to 'code', of AGILIO_MAX_PROGRAM bytes, and returns its
 * length.  All but a few of its actions are such as a NIC takes. */
size_t fuzz_program(struct fuzz_input *, const struct fuzz_names *,
                    uint8_t *code);

/* Makes a match that packets like the one with the key 'packet' can hit. */
void fuzz_match(struct fuzz_input *, const struct fuzz_names *,
                const struct agilio_key *packet,
                struct agilio_key *key, struct agilio_key *mask);

#endif /* generate.h */
