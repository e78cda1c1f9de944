# kubetape_unit_test(module libraries…), one line each.
add_library(recording_maker STATIC support/recording_maker.c)
target_link_libraries(recording_maker
  PUBLIC base schema
  PRIVATE project_flags PkgConfig::ZSTD)

kubetape_unit_test(display player_core)
kubetape_unit_test(table player_core)
kubetape_unit_test(moment player_core)
kubetape_unit_test(pace player_core)
kubetape_unit_test(exact_stream player_core)
kubetape_unit_test(cast3 player_core)
kubetape_unit_test(identity_file player_core)
kubetape_unit_test(recording_source player_core)
kubetape_unit_test(cast_reader player_core recording_maker)
kubetape_unit_test(verify player_core recording_maker)
kubetape_unit_test(kubeconfig_merge player_core)
kubetape_unit_test(user_kubeconfig player_core recording_maker)

add_library(index_maker STATIC support/index_maker.c)
target_link_libraries(index_maker
  PUBLIC schema
  PRIVATE project_flags PkgConfig::SQLITE)
kubetape_unit_test(query player_core recording_maker index_maker
  PkgConfig::SQLITE)
kubetape_unit_test(supervise player_core recording_maker)

# The program whole; it is no module, so it is built first and named.
kubetape_unit_test(kubetape recording_maker index_maker util)
add_dependencies(test_kubetape kubetape)
target_compile_definitions(test_kubetape PRIVATE
  KUBETAPE_PROGRAM="$<TARGET_FILE:kubetape>")
kubetape_unit_test(ledger_file player_core)
