# kubetape_fuzz(module libraries…), one line each.
kubetape_fuzz(journal schema)
kubetape_fuzz(utf8 schema)
kubetape_fuzz(cast_event schema)
kubetape_fuzz(cast_header schema)
kubetape_fuzz(meta schema)
kubetape_fuzz(seal schema)
kubetape_fuzz(seek schema)
