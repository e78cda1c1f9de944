# kubetape_unit_test(module libraries…), one line each.
kubetape_unit_test(http_head proxy_http)
kubetape_unit_test(http_body proxy_http)
kubetape_unit_test(api_status proxy_http PkgConfig::JANSSON)
kubetape_unit_test(ws_frame proxy_channels)
kubetape_unit_test(ws_channel proxy_channels)
kubetape_unit_test(route proxy_http)
