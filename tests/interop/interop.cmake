# Held to programs that others wrote, which interop/build builds from Go's
# module proxy, once.
add_executable(age_tool interop/age_tool.c)
target_link_libraries(age_tool PRIVATE base project_flags)
add_test(NAME interop.age
  COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/interop/test_age.py)
set_tests_properties(interop.age PROPERTIES
  LABELS interop TIMEOUT 900
  ENVIRONMENT "KUBETAPE_BIN=$<TARGET_FILE_DIR:kubetape>;AGE_TOOL=$<TARGET_FILE:age_tool>;JOURNAL_CORPUS=$<TARGET_FILE:journal_corpus>")

add_test(NAME interop.tlog
  COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/interop/test_tlog.py)
set_tests_properties(interop.tlog PROPERTIES
  LABELS interop TIMEOUT 900
  ENVIRONMENT "KUBETAPE_BIN=$<TARGET_FILE_DIR:kubetape>;SESSION_MAKER=$<TARGET_FILE:session_maker>")
