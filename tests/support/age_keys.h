/* Two pairs of keys in the age format, and half of a third; for tests alone. */
#ifndef SUPPORT_AGE_KEYS_H
#define SUPPORT_AGE_KEYS_H

#define AGE_IDENTITY_A                                                \
    "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UA" \
    "WX40Q2P2LM0"
#define AGE_RECIPIENT_A \
    "age1xmwwc06ly3ee5rytxm9mflaz2u56jjj36s0mypdrwsvlul66mv4q47ryef"
#define AGE_IDENTITY_B                                                \
    "AGE-SECRET-KEY-143WN7DCXU4G8R5AXQSSYD9AEPYDNT3HXSLWSPK36CDU6E8M" \
    "59SSSAGZ3KG"
#define AGE_RECIPIENT_B \
    "age1f3ygt5e2d2h7d6dae2tnwgy4y6f0kwhvpa64cre0k2gprv2r8qnst4j00y"
#define AGE_IDENTITY_C                                   \
    "AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS" \
    "23V9CCRYDPK8QARC0SWRYDWG"

#endif
