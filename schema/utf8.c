#include "schema/utf8.h"
