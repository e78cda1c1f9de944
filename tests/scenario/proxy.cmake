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
