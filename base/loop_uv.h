/* The libuv loop behind a struct loop, for the one library that brings its
 * own handles to it. Only loop.c and http_service.c include this. */
#ifndef BASE_LOOP_UV_H
#define BASE_LOOP_UV_H

#include "base/loop.h"
#include <uv.h>

uv_loop_t *loop_uv(struct loop *loop);

#endif
