#include "schema/meta.h"
