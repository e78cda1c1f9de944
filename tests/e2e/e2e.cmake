# Real kubectl against a real cluster. They share its pods and both cores, so
# they run one at a time, after what makes the cluster.
add_test(NAME e2e.prepare COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/e2e/prepare)
set_tests_properties(e2e.prepare PROPERTIES
  LABELS e2e FIXTURES_SETUP cluster RESOURCE_LOCK cluster TIMEOUT 1800)

# kubetape_e2e_test(exec) runs e2e/test_exec.py against this build's programs.
function(kubetape_e2e_test name)
  add_test(NAME e2e.${name}
    COMMAND python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/e2e/test_${name}.py)
  set_tests_properties(e2e.${name} PROPERTIES
    LABELS e2e FIXTURES_REQUIRED cluster RESOURCE_LOCK cluster TIMEOUT 900
    ENVIRONMENT KUBETAPE_BIN=$<TARGET_FILE_DIR:kubetape>)
endfunction()

kubetape_e2e_test(api)
kubetape_e2e_test(bulk)
kubetape_e2e_test(exec)
kubetape_e2e_test(formats)
kubetape_e2e_test(identity)
kubetape_e2e_test(kinds)
kubetape_e2e_test(terminal)
kubetape_e2e_test(unrecordable)
kubetape_e2e_test(up)
kubetape_e2e_test(wire)
