#include "schema/seal.h"
