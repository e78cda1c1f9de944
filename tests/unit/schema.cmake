# kubetape_unit_test(module libraries…), one line each.
kubetape_unit_test(journal schema)
kubetape_unit_test(utf8 schema)
kubetape_unit_test(json_text schema)
kubetape_unit_test(meta schema)
kubetape_unit_test(control schema)
kubetape_unit_test(cast schema)
kubetape_unit_test(seal schema)
kubetape_unit_test(seek schema)
kubetape_unit_test(index schema PkgConfig::SQLITE)
kubetape_unit_test(example schema PkgConfig::ZSTD)
target_compile_definitions(test_example
  PRIVATE GOLDEN_DIR="${CMAKE_CURRENT_SOURCE_DIR}/golden")
