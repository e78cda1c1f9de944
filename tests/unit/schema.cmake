# kubetape_unit_test(module libraries…), one line each.
kubetape_unit_test(journal schema)
kubetape_unit_test(utf8 schema)
kubetape_unit_test(json_text schema)
# The same once more without SSE2, as other processors have it.
add_executable(test_json_text_portable
  unit/test_json_text.c ../schema/json_text.c)
target_compile_options(test_json_text_portable PRIVATE -U__SSE2__)
target_link_libraries(test_json_text_portable
  PRIVATE schema test_support project_flags PkgConfig::CMOCKA)
add_test(NAME unit.json_text_portable COMMAND test_json_text_portable)
set_tests_properties(unit.json_text_portable
  PROPERTIES LABELS unit TIMEOUT 120)
kubetape_unit_test(meta schema)
kubetape_unit_test(gap schema)
kubetape_unit_test(control schema)
kubetape_unit_test(cast schema)
kubetape_unit_test(seal schema)
kubetape_unit_test(seek schema)
kubetape_unit_test(merkle schema)
kubetape_unit_test(checkpoint schema)
kubetape_unit_test(ledger_leaf schema)
kubetape_unit_test(index schema PkgConfig::SQLITE)
kubetape_unit_test(example schema PkgConfig::ZSTD)
target_compile_definitions(test_example
  PRIVATE GOLDEN_DIR="${CMAKE_CURRENT_SOURCE_DIR}/golden")
kubetape_unit_test(ledger_example schema)
target_compile_definitions(test_ledger_example
  PRIVATE GOLDEN_DIR="${CMAKE_CURRENT_SOURCE_DIR}/golden"
  SCHEMA_DIR="${PROJECT_SOURCE_DIR}/schema")
