# kubetape_fail_calls(target) makes calls of the target, and of the static
# libraries in it, go through support/fail_call.c.
add_library(fail_call STATIC ${CMAKE_CURRENT_LIST_DIR}/fail_call.c)
target_link_libraries(fail_call PRIVATE project_flags PkgConfig::CRYPTO
  PkgConfig::JANSSON PkgConfig::SQLITE PkgConfig::ZSTD)

function(kubetape_fail_calls target)
  target_link_libraries(${target} PRIVATE fail_call)
  foreach(name malloc calloc realloc strdup strndup pwrite pwritev pread read
      open mkostemp rename unlink unlinkat mkdir rmdir ftruncate fsync
      fdatasync posix_fallocate socket accept4 json_loadb json_dumps ZSTD_createCCtx ZSTD_createDCtx ZSTD_compress2)
    target_link_options(${target} PRIVATE -Wl,--wrap=${name})
  endforeach()
endfunction()
