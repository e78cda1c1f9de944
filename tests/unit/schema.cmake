# kubetape_unit_test(module libraries…), one line each.
kubetape_unit_test(journal schema)
kubetape_unit_test(utf8 schema)
kubetape_unit_test(json_text schema)
kubetape_unit_test(meta schema)
kubetape_unit_test(cast schema)
kubetape_unit_test(seal schema)
kubetape_unit_test(seek schema)
kubetape_unit_test(index schema PkgConfig::SQLITE)
