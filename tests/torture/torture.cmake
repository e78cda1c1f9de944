# Real clients on a real cluster while everything is killed: some kills in
# every check, hundreds by `make torture`.
add_test(NAME e2e.torture
  COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/torture/torture.py --kills 24)
set_tests_properties(e2e.torture PROPERTIES
  LABELS e2e FIXTURES_REQUIRED cluster RESOURCE_LOCK cluster TIMEOUT 900
  ENVIRONMENT KUBETAPE_BIN=$<TARGET_FILE_DIR:kubetape>)
