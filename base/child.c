#include "base/child.h"
