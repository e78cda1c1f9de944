# kubetape_unit_test(module libraries…), one line each.
