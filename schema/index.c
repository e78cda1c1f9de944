#include "schema/index.h"
