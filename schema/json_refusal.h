/* Why jansson gave nothing. Inner to schema/. */
#ifndef SCHEMA_JSON_REFUSAL_H
#define SCHEMA_JSON_REFUSAL_H

#include "base/status.h"

/* `text` is that of the json_error_t. A text that is no JSON has a reason; when
 * memory ends jansson mostly gives none. */
static inline enum status
json_refusal(const char *text)
{
    return text[0] == '\0' ? STATUS_NO_MEMORY : STATUS_INVALID;
}

#endif
