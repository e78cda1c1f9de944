# kubetape_unit_test(module libraries…), one line each.
# Journals written by the schema, recordings read by zstd and the seals.
add_library(recorder_support STATIC
  support/journal_maker.c support/leaves.c support/recording.c)
target_link_libraries(recorder_support
  PUBLIC schema PRIVATE project_flags PkgConfig::ZSTD)

kubetape_unit_test(cast_writer recorder_core)
kubetape_unit_test(complaints recorder_core)
kubetape_unit_test(frame_file recorder_core recorder_support)
kubetape_unit_test(index_db recorder_core PkgConfig::SQLITE)
kubetape_unit_test(ledger recorder_core)
kubetape_unit_test(encrypt_file recorder_core)
kubetape_unit_test(put_away recorder_core)
kubetape_unit_test(seal_key recorder_core)
kubetape_unit_test(retention recorder_core)
kubetape_unit_test(session_table recorder_core)
kubetape_unit_test(recording_facts recorder_core recording_maker)
kubetape_unit_test(store_walk recorder_core)
kubetape_unit_test(upkeep recorder_core)

add_executable(test_scenario_recorder scenario/test_recorder.c)
target_link_libraries(test_scenario_recorder
  PRIVATE recorder_core recorder_support test_support project_flags
  PkgConfig::CMOCKA PkgConfig::SQLITE)
add_test(NAME scenario.recorder COMMAND test_scenario_recorder)
set_tests_properties(scenario.recorder
  PROPERTIES LABELS scenario TIMEOUT 300)

add_executable(test_scenario_encryption scenario/test_encryption.c)
target_link_libraries(test_scenario_encryption
  PRIVATE recorder_core recorder_support test_support project_flags
  PkgConfig::CMOCKA PkgConfig::SQLITE)
add_test(NAME scenario.encryption COMMAND test_scenario_encryption)
set_tests_properties(scenario.encryption
  PROPERTIES LABELS scenario TIMEOUT 300)

add_executable(test_scenario_recorder_program
  scenario/test_recorder_program.c)
target_link_libraries(test_scenario_recorder_program
  PRIVATE recorder_support test_support project_flags PkgConfig::CMOCKA)
add_test(NAME scenario.recorder_program
  COMMAND test_scenario_recorder_program $<TARGET_FILE:kubetape-recorder>)
set_tests_properties(scenario.recorder_program
  PROPERTIES LABELS scenario TIMEOUT 120)

add_test(NAME scenario.store
  COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/scenario/test_store.py)
set_tests_properties(scenario.store PROPERTIES
  LABELS scenario TIMEOUT 600
  ENVIRONMENT KUBETAPE_BIN=$<TARGET_FILE_DIR:kubetape-recorder>)

# Every call that can fail, failed; one entry a kind, so that they share the
# cores. Of what is called often a part at a time: `make torture` does all.
include(support/fail_call.cmake)
add_executable(test_recorder_faults scenario/test_recorder_faults.c)
target_link_libraries(test_recorder_faults
  PRIVATE recorder_core recorder_support test_support project_flags
  PkgConfig::SQLITE)
kubetape_fail_calls(test_recorder_faults)
set(faults_every_alloc 97)
set(faults_every_write 5)
set(faults_every_open 3)
set(faults_every_read 3)
foreach(kind alloc write sync open read name truncate)
  add_test(NAME scenario.recorder_faults_${kind}
    COMMAND test_recorder_faults ${kind} ${faults_every_${kind}})
  set_tests_properties(scenario.recorder_faults_${kind}
    PROPERTIES LABELS scenario TIMEOUT 300)
endforeach()

# Feeds the real recorder in tests that are not C.
add_executable(session_maker support/session_maker.c)
target_link_libraries(session_maker PRIVATE recorder_support project_flags)
add_test(NAME scenario.ledger_kill
  COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/scenario/test_ledger_kill.py)
set_tests_properties(scenario.ledger_kill PROPERTIES
  LABELS scenario TIMEOUT 300
  ENVIRONMENT "KUBETAPE_BIN=$<TARGET_FILE_DIR:kubetape-recorder>;SESSION_MAKER=$<TARGET_FILE:session_maker>")
add_test(NAME scenario.ledger_keys
  COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/scenario/test_ledger_keys.py)
set_tests_properties(scenario.ledger_keys PROPERTIES
  LABELS scenario TIMEOUT 300
  ENVIRONMENT "KUBETAPE_BIN=$<TARGET_FILE_DIR:kubetape-recorder>;SESSION_MAKER=$<TARGET_FILE:session_maker>")
add_test(NAME scenario.recovery
  COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/scenario/test_recovery.py)
set_tests_properties(scenario.recovery PROPERTIES
  LABELS scenario TIMEOUT 600
  ENVIRONMENT "KUBETAPE_BIN=$<TARGET_FILE_DIR:kubetape-recorder>;SESSION_MAKER=$<TARGET_FILE:session_maker>")
