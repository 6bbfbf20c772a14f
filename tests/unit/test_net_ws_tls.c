/*
 * test_net_ws_tls.c - all of test_net_ws.c over TLS.
 */
#define OVER_TLS
#include "test_net_ws.c"
