/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames.h - frames of every protocol that the NIC parses, whole and broken,
 * for the tests of pkt/ and action/, and a generator of random variants.
 *
 * A frame is a string of hex digits, put together from the pieces below.
 * Checksums are arbitrary; tests that care compute them.
 */

#ifndef AGL_FRAMES_H
#define AGL_FRAMES_H 1

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MAX 2048                  /* Bytes of any frame made here. */

#define MACS "020000000002" "020000000001"
#define QTAG "8100" "6064"              /* pcp 3, vid 100. */
#define STAG "88a8" "00c8"
#define SNAP "0040" "aaaa03" "000000"

/* IPv4, 20 bytes: total length, protocol, and a word of fragmentation. */
#define IP4(TOTAL, FRAG, PROTO) \
    "4510" TOTAL "0001" FRAG "40" PROTO "1234" "0a000001" "0a000002"
/* The same with 4 bytes of options. */
#define IP4_OPT(TOTAL, PROTO) \
    "4610" TOTAL "0001" "0000" "40" PROTO "1234" "0a000001" "0a000002" \
    "01010100"
/* IPv6, 40 bytes: payload length, next header. */
#define IP6(PLEN, NEXT) \
    "6ab12345" PLEN NEXT "40" "20010db8000000000000000000000001" \
    "20010db8000000000000000000000002"

#define TCP_OPT "03e800500000000100000002" "6010" "2000beef0000" "01010101"
#define TCP "03e80050" "00000001" "00000002" "5012" "2000" "beef" "0000"
#define UDP "03e80035" "000c" "cafe" "01020304"
#define UDP_NO_CSUM "03e80035" "000c" "0000" "01020304"
#define SCTP "03e80b59" "00000001" "12345678" "00030010aabbccdd11223344"
#define ECHO "0800" "abcd" "00010002" "61626364"
#define ECHO6 "8000" "abcd" "00010002" "61626364"
#define IGMP "1600" "abcd" "e0000005"
#define SOLICIT "8700" "abcd" "00000000" "fe800000000000000000000000000009"
#define ADVERT "8800" "abcd" "60000000" "fe800000000000000000000000000009"
#define SLL "0101" "02000000000a"
#define TLL "0201" "02000000000b"
#define SLL_ZERO "0101" "000000000000"
#define NONCE "0e01" "a1a2a3a4a5a6"
#define LONG_OPT "0503" "000000000000" "1111111111111111" "2222222222222222"
#define ARP(OP) \
    "0001" "0800" "06" "04" OP "020000000001" "0a000001" "000000000000" \
    "0a000002"

/* IPv6 extension headers: first their own next header. */
#define HOPOPTS(NEXT) NEXT "00" "010400000000"
#define DSTOPTS(NEXT) NEXT "01" "010c000000000000000000000000"
#define ROUTING(NEXT, LEFT) \
    NEXT "02" "00" LEFT "00000000" "20010db8000000000000000000000003"
#define FRAGMENT(NEXT, OFS) NEXT "00" OFS "00000007"
#define AH(NEXT) \
    NEXT "04" "0000" "00000001" "00000002" "000102030405060708090a0b"

struct frame {
    const char *name;
    const char *hex;
};

static const struct frame frames[] = {
    { "tcp4", MACS "0800" IP4("002c", "4000", "06") TCP "61626364" },
    { "tcp4 padded", MACS "0800" IP4("0028", "0000", "06") TCP
      "0102030405060708090a" },
    { "tcp4 options", MACS "0800" IP4_OPT("0030", "06") TCP_OPT },
    { "tcp4 short offset", MACS "0800" IP4("0028", "0000", "06")
      "03e800500000000100000002" "4012" "2000beef0000" },
    { "udp4", MACS "0800" IP4("0020", "0000", "11") UDP },
    { "udp4 no checksum", MACS "0800" IP4("0020", "0000", "11") UDP_NO_CSUM },
    { "udp4 padded", MACS "0800" IP4("0020", "0000", "11") UDP "ff00ff00ff" },
    { "udp4 half", MACS "0800" IP4("0018", "0000", "11") "03e80035" },
    { "sctp4", MACS "0800" IP4("002c", "0000", "84") SCTP },
    { "sctp4 padded", MACS "0800" IP4("002c", "0000", "84") SCTP "00ff" },
    { "icmp4", MACS "0800" IP4("0020", "0000", "01") ECHO },
    { "igmp4", MACS "0800" IP4("001c", "0000", "02") IGMP },
    { "icmp6 in ip4", MACS "0800" IP4("0034", "0000", "3a") SOLICIT SLL },
    { "tcp4 first", MACS "0800" IP4("002c", "2000", "06") TCP "61626364" },
    { "tcp4 later", MACS "0800" IP4("002c", "2005", "06") TCP "61626364" },
    { "udp4 last", MACS "0800" IP4("0020", "0005", "11") UDP },
    { "ip4 too long", MACS "0800" IP4("0100", "0000", "11") UDP },
    { "ip4 too short", MACS "0800" IP4("0013", "0000", "11") UDP },
    { "ip4 unknown", MACS "0800" IP4("0018", "0000", "2f") "00000800" },

    { "tcp6", MACS "86dd" IP6("0018", "06") TCP "61626364" },
    { "udp6", MACS "86dd" IP6("000c", "11") UDP },
    { "udp6 padded", MACS "86dd" IP6("000c", "11") UDP "0102" },
    { "sctp6", MACS "86dd" IP6("0018", "84") SCTP },
    { "icmp6 echo", MACS "86dd" IP6("000c", "3a") ECHO6 },
    { "ip6 too long", MACS "86dd" IP6("0100", "11") UDP },
    { "ip6 empty", MACS "86dd" IP6("0000", "3b") },
    { "tcp6 hopopts", MACS "86dd" IP6("0020", "00") HOPOPTS("06") TCP
      "61626364" },
    { "tcp6 dstopts", MACS "86dd" IP6("0028", "3c") DSTOPTS("06") TCP
      "61626364" },
    { "tcp6 routed", MACS "86dd" IP6("0030", "2b") ROUTING("06", "00") TCP
      "61626364" },
    { "tcp6 routing", MACS "86dd" IP6("0030", "2b") ROUTING("06", "01") TCP
      "61626364" },
    { "udp6 ah", MACS "86dd" IP6("0024", "33") AH("11") UDP },
    { "udp6 first", MACS "86dd" IP6("0014", "2c") FRAGMENT("11", "0001") UDP },
    { "udp6 later", MACS "86dd" IP6("0014", "2c") FRAGMENT("11", "0009") UDP },
    { "udp6 last", MACS "86dd" IP6("0014", "2c") FRAGMENT("11", "0008") UDP },
    { "udp6 atomic", MACS "86dd" IP6("0014", "2c") FRAGMENT("11", "0000")
      UDP },
    { "icmp6 chain", MACS "86dd" IP6("0044", "00") HOPOPTS("2b")
      ROUTING("3c", "00") DSTOPTS("2c") FRAGMENT("3a", "0001") ECHO6 },
    { "ip6 cut chain", MACS "86dd" IP6("0010", "00") HOPOPTS("2b")
      "0602000100000000" },
    { "solicit", MACS "86dd" IP6("0020", "3a") SOLICIT SLL },
    { "solicit bare", MACS "86dd" IP6("0018", "3a") SOLICIT },
    { "solicit nonce", MACS "86dd" IP6("0028", "3a") SOLICIT NONCE SLL },
    { "solicit long", MACS "86dd" IP6("0040", "3a") SOLICIT NONCE LONG_OPT
      SLL },
    { "solicit tail", MACS "86dd" IP6("0038", "3a") SOLICIT NONCE LONG_OPT
      SLL },
    { "solicit twice", MACS "86dd" IP6("0028", "3a") SOLICIT SLL SLL },
    { "solicit zero", MACS "86dd" IP6("0028", "3a") SOLICIT SLL_ZERO SLL },
    { "advert", MACS "86dd" IP6("0020", "3a") ADVERT TLL },
    { "advert both", MACS "86dd" IP6("0028", "3a") ADVERT TLL SLL },
    { "advert hopopts", MACS "86dd" IP6("0028", "00") HOPOPTS("3a") ADVERT
      TLL },

    { "arp", MACS "0806" ARP("0001") },
    { "arp padded", MACS "0806" ARP("0002")
      "000000000000000000000000000000000000" },
    { "arp big op", MACS "0806" ARP("0101") },
    { "arp not ip", MACS "0806" "0001" "0801" "06" "04" "0001"
      "020000000001" "0a000001" "000000000000" "0a000002" },
    { "rarp", MACS "8035" ARP("0003") },

    { "vlan tcp4", MACS QTAG "0800" IP4("002c", "0000", "06") TCP
      "61626364" },
    { "vlan udp6", MACS QTAG "86dd" IP6("000c", "11") UDP },
    { "vlan arp", MACS QTAG "0806" ARP("0001") },
    { "qinq udp4", MACS STAG QTAG "0800" IP4("0020", "0000", "11") UDP },
    { "three tags", MACS STAG QTAG QTAG "0800" IP4("0020", "0000", "11") UDP },
    { "six tags", MACS QTAG QTAG QTAG QTAG QTAG QTAG "0800" },
    { "vlan cut", MACS QTAG "8100" },
    { "vlan tag only", MACS "8100" },

    { "mpls 1", MACS "8847" "00010140" IP4("0020", "0000", "11") UDP },
    { "mpls 2", MACS "8847" "00010040" "00020140" "45000000" },
    { "mpls 3", MACS "8848" "00010040" "00020040" "00030140" "45000000" },
    { "mpls 5", MACS QTAG "8847" "00010040" "00020040" "00030040" "00040040"
      "00050140" "45000000" },
    { "mpls endless", MACS "8847" "00010040" "00020040" "0003" },
    { "mpls none", MACS "8847" "0001" },

    { "snap ip4", MACS SNAP "0800" IP4("0020", "0000", "11") UDP },
    { "snap length", MACS SNAP "05ff" "00000000" },
    { "vlan snap arp", MACS QTAG SNAP "0806" ARP("0001") },
    { "stp", MACS "0026" "424203" "0000000000000000" },
    { "llc short", MACS "0003" "424203" },
    { "nsh", MACS "894f" "0fc60103" "00000aff" "00000001" "00000002" "00000003"
      "00000004" "0800" },
    { "nsh md2", MACS "894f" "20430201" "12345678" "01020304"
      IP4("0020", "0000", "11") UDP },
    { "nsh bare", MACS QTAG "894f" "0fc20202" "00000101" "6ab12345" "0000" },
    { "nsh other", MACS "894f" "0fc21f04" "00000101" "0fc20202" "00000101" },
    { "nsh in nsh", MACS "894f" "0fc60104" "00000aff" "00000001" "00000002"
      "00000003" "00000004" "0fc20202" "00000101" "0800" },
    { "nsh version", MACS "894f" "4fc60103" "00000aff" "00000001" "00000002"
      "00000003" "00000004" "0800" },
    { "nsh md1 short", MACS "894f" "0fc50103" "00000aff" "00000001"
      "00000002" "00000003" "00000004" "0800" },
    { "nsh too long", MACS "894f" "0fff0203" "00000aff" "00000001" },
    { "lldp", MACS "88cc" "0207040200000000010400" },
    { "loopback", MACS "9000" "0000" },
};
#define N_FRAMES (sizeof frames / sizeof frames[0])

/* Decodes 'hex', ignoring spaces, and returns how many bytes that is. */
static inline size_t
frame_decode(const char *hex, uint8_t *bytes)
{
    size_t n = 0;

    for (; *hex; hex++) {
        unsigned int x;

        if (*hex != ' ' && sscanf(hex, "%2x", &x) == 1) {
            bytes[n++] = (uint8_t) x;
            hex++;
        }
    }
    return n;
}

/* The bytes of the frame called 'name'. */
static inline size_t
frame_get(const char *name, uint8_t *bytes)
{
    for (size_t i = 0; i < N_FRAMES; i++) {
        if (!strcmp(frames[i].name, name)) {
            return frame_decode(frames[i].hex, bytes);
        }
    }
    printf("no frame \"%s\"\n", name);
    abort();
}

static inline void
frame_print(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        printf("%02x", bytes[i]);
    }
    printf("\n");
}

/* ## --------------- ##
 * ## Random variants ##
 * ## --------------- ## */

/* xorshift64*: the same numbers for a seed (not 0) everywhere. */
static uint64_t frame_seed = 1;

static inline uint32_t
frame_random(uint32_t range)
{
    frame_seed ^= frame_seed >> 12;
    frame_seed ^= frame_seed << 25;
    frame_seed ^= frame_seed >> 27;
    return (uint32_t) (frame_seed * UINT64_C(2685821657736338717) >> 33)
           % range;
}

/* A byte of the kind that finds edges. */
static inline uint8_t
frame_random_byte(void)
{
    static const uint8_t edges[] = { 0, 1, 2, 5, 6, 8, 17, 43, 44, 51, 58, 60,
                                     0x45, 0x46, 0x60, 0x81, 0xfe, 0xff };

    return frame_random(2) ? edges[frame_random(sizeof edges)]
                           : (uint8_t) frame_random(256);
}

/* Changes a few bytes, cuts, pads or tags the frame; returns its new size. */
static inline size_t
frame_mutate(uint8_t *bytes, size_t n)
{
    static const uint8_t tag[] = { 0x81, 0x00, 0x20, 0x05 };
    uint32_t n_changes = frame_random(5);

    if (n >= 14 && !frame_random(8)) {
        memmove(bytes + 12 + sizeof tag, bytes + 12, n - 12);
        memcpy(bytes + 12, tag, sizeof tag);
        n += sizeof tag;
    }
    while (n_changes--) {
        bytes[frame_random((uint32_t) n)] = frame_random_byte();
    }
    if (!frame_random(8)) {
        n = 1 + frame_random((uint32_t) n);
    }
    if (!frame_random(6)) {
        for (uint32_t i = frame_random(48); i; i--) {
            bytes[n++] = frame_random_byte();
        }
    }
    return n;
}

#endif /* frames.h */
