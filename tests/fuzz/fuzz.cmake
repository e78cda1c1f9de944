# kubetape_fuzz(module libraries…), one line each.
