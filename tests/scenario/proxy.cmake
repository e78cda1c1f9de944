# kubetape_proxy_scenario(http) runs scenario/test_proxy_http.py: the real
# proxy in front of a stand-in for the API server, on loopback.
function(kubetape_proxy_scenario name)
  add_test(NAME scenario.proxy_${name}
    COMMAND python3 -B
      ${CMAKE_CURRENT_SOURCE_DIR}/scenario/test_proxy_${name}.py)
  set_tests_properties(scenario.proxy_${name} PROPERTIES
    LABELS scenario TIMEOUT 300
    ENVIRONMENT KUBETAPE_BIN=$<TARGET_FILE_DIR:kubetape-proxy>)
endfunction()

kubetape_proxy_scenario(http)
kubetape_proxy_scenario(sessions)
kubetape_proxy_scenario(kill)
kubetape_proxy_scenario(disk)
kubetape_proxy_scenario(gaps)

# The proxy, with calls that fail as a test says.
add_executable(faulty_proxy
  ${PROJECT_SOURCE_DIR}/proxy/main.c support/faulty_worker.c)
target_link_libraries(faulty_proxy PRIVATE proxy_core project_flags)
set_target_properties(faulty_proxy PROPERTIES OUTPUT_NAME kubetape-proxy
  RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/faulty)
kubetape_fail_calls(faulty_proxy)
set(proxy_faults_every_alloc 7)
set(proxy_faults_every_write 2)
set(proxy_faults_every_sync 3)
set(proxy_faults_every_open 2)
set(proxy_faults_every_read 2)
foreach(kind alloc write sync open read)
  add_test(NAME scenario.proxy_faults_${kind}
    COMMAND python3 -B
      ${CMAKE_CURRENT_SOURCE_DIR}/scenario/test_proxy_faults.py
      ${kind} ${proxy_faults_every_${kind}})
  set_tests_properties(scenario.proxy_faults_${kind} PROPERTIES
    LABELS scenario TIMEOUT 300
    ENVIRONMENT FAULTY_PROXY=$<TARGET_FILE:faulty_proxy>)
endforeach()
