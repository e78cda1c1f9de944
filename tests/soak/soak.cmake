# A small soak: too few sessions to judge memory by, but not descriptors, and
# every one has to be recorded.
add_test(NAME scenario.soak
  COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/soak/soak.py
    --sessions 500 --verified 24)
set_tests_properties(scenario.soak PROPERTIES
  LABELS scenario TIMEOUT 900
  ENVIRONMENT KUBETAPE_BUILD=${PROJECT_BINARY_DIR})
