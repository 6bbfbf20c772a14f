/*
 * test_net_tls.c - all of test_net.c over TLS.
 */
#define OVER_TLS
#include "test_net.c"
