# Real clients on a real cluster while everything is killed: some kills in
# every check, hundreds by `make torture`.
add_test(NAME e2e.torture
  COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/torture/torture.py --kills 24)
set_tests_properties(e2e.torture PROPERTIES
  LABELS e2e FIXTURES_REQUIRED cluster RESOURCE_LOCK cluster TIMEOUT 900
  ENVIRONMENT KUBETAPE_BIN=$<TARGET_FILE_DIR:kubetape>)

# Preloaded into the programs, which is not for those with sanitizers.
if(NOT KUBETAPE_SANITIZE)
  add_library(powercut MODULE support/powercut.c)
  target_link_libraries(powercut PRIVATE project_flags)
  # It takes the C library's names, whose prototypes say less than is known.
  target_compile_options(powercut PRIVATE -Wno-missing-prototypes)
  add_test(NAME scenario.powercut
    COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/torture/powercut.py
      $<TARGET_FILE:powercut> --disk pages --cuts 4)
  set_tests_properties(scenario.powercut PROPERTIES
    LABELS scenario TIMEOUT 600
    ENVIRONMENT KUBETAPE_BIN=$<TARGET_FILE_DIR:kubetape>)
endif()
