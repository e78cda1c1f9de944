# What is done to a store, and what `kubetape verify` says of it: the real
# recorder and the real kubetape, over journals that store_scene writes.
add_executable(store_scene scenario/store_scene.c bench/corpus_log.c
  support/journal_maker.c)
target_link_libraries(store_scene PRIVATE base schema project_flags)

add_test(NAME scenario.tampering
  COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/scenario/test_tampering.py)
set_tests_properties(scenario.tampering PROPERTIES
  LABELS scenario TIMEOUT 300
  ENVIRONMENT "KUBETAPE_BIN=$<TARGET_FILE_DIR:kubetape>;STORE_SCENE=$<TARGET_FILE:store_scene>")
