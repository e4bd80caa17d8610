/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-flow.c - a whole datapath flow becomes the body of a FLOW_PUT.
 *
 * Called for every flow that is offered to the NIC, from any thread; pure.
 * Match and actions are translated next door; here they become a message, and
 * here stands the list of the reasons why a flow is not on the NIC.
 */

#include <config.h>

#include "agilio-translate.h"

#include "bitmap.h"
#include "util.h"

/* A FLOW_PUT always fits into a message. */
AGILIO_ASSERT(sizeof(struct agilio_flow_put) + 2 * sizeof(struct agilio_key)
              + AGILIO_MAX_PROGRAM
              <= AGILIO_MAX_MSG - sizeof(struct agilio_msg));
AGILIO_ASSERT(AGILIO_KEY_WORDS <= 64);

static size_t
put_to_host(void *program, enum agilio_verdict verdict)
{
    struct agilio_action_to_host to_host = {
        .action.type = agilio_to_le16(AGILIO_ACTION_TO_HOST),
        .action.len = agilio_to_le16(sizeof to_host),
        .reason = agilio_to_le32(verdict == AGILIO_FOR_HOST
                                 ? AGILIO_FALLBACK_HOST
                                 : AGILIO_FALLBACK_UNABLE),
    };

    memcpy(program, &to_host, sizeof to_host);
    return sizeof to_host;
}

/* Which words of 'mask' have a bit. */
static uint64_t
word_map(const struct agilio_key *mask)
{
    uint64_t words[AGILIO_KEY_WORDS];
    uint64_t map = 0;

    memcpy(words, mask, sizeof words);
    for (size_t i = 0; i < AGILIO_KEY_WORDS; i++) {
        map |= (uint64_t) (words[i] != 0) << i;
    }
    return map;
}

static void
put_words(struct agilio_writer *w, const struct agilio_key *key, uint64_t map)
{
    size_t i;

    ULLONG_FOR_EACH_1 (i, map) {
        agilio_put_bytes(w, (const uint8_t *) key + i * 8, 8);
    }
}

enum agilio_verdict
agilio_translate_flow(const struct match *match,
                      const struct nlattr *actions, size_t actions_len,
                      uint32_t id, uint32_t in_port,
                      agilio_port_lookup *lookup, void *aux,
                      void *body, size_t *len, const char **reason)
{
    struct agilio_writer w = {
        .p = body,
        .end = (uint8_t *) body + AGILIO_MAX_MSG,
    };
    uint8_t program[AGILIO_MAX_PROGRAM];
    struct agilio_key key, mask;
    enum agilio_verdict verdict;
    size_t program_len;
    uint64_t map;

    *reason = agilio_translate_match(match, in_port, &key, &mask);
    if (*reason) {
        return AGILIO_UNMATCHABLE;
    }
    verdict = agilio_translate_actions(actions, actions_len, lookup, aux,
                                       program, &program_len, reason);
    if (verdict != AGILIO_ON_NIC) {
        program_len = put_to_host(program, verdict);
    }

    /* struct agilio_flow_put. */
    map = word_map(&mask);
    agilio_put_u32(&w, id);
    agilio_put_u16(&w, count_1bits(map));
    agilio_put_u16(&w, program_len);
    agilio_put_u64(&w, map);

    put_words(&w, &key, map);
    put_words(&w, &mask, map);
    agilio_put_bytes(&w, program, program_len);
    *len = w.p - (uint8_t *) body;
    return verdict;
}

const struct agilio_reason agilio_translate_reasons[] = {
    { "match: ct_state", "the state of a tracked connection" },
    { "match: ct_zone", "the zone of a tracked connection" },
    { "match: ct_mark", "the mark of a tracked connection" },
    { "match: ct_label", "the label of a tracked connection" },
    { "match: ct_tuple", "the original direction of a tracked connection" },
    { "match: metadata", "OpenFlow registers and metadata" },
    { "match: unknown", "a field that this version does not know" },

    { "bond: not on the NIC", "a bond that the NIC has no room for" },
    { "meter: not on the NIC", "a meter that the NIC has no room for" },
    { "tunnel: not known", "a tunnel that is gone, or that the NIC does not "
                           "know" },
    { "tunnel: sequence numbers", "numbers the packets in a tunnel: GRE with "
                                  "seq, ERSPAN" },
    { "output: host port", "sends to a port that is not on the NIC" },
    { "action: userspace", "sends to ovs-vswitchd: slow path, controller, "
                           "sampling" },

    { "action: ct", "connection tracking" },
    { "action: unknown", "an action that this version does not know" },
    { "action: malformed", "an action as OVS does not make it" },
    { "size: program", "more actions than fit into 2048 bytes" },
    { "size: outputs", "makes more than 64 copies" },
    { "size: nesting", "nests actions in more than 8 levels" },
    { "size: sample", "asks for more than 512 bytes with a sampled packet" },
    { NULL, NULL },
};
BUILD_ASSERT_DECL(AGILIO_MAX_PROGRAM == 2048 && AGILIO_MAX_OUTPUTS == 64
                  && AGILIO_MAX_NESTING == 8 && AGILIO_MAX_SAMPLE == 512);
