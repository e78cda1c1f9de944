# kubetape_unit_test(module libraries…), one line each.
kubetape_unit_test(loop base)
