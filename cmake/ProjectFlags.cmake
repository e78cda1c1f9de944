# How every target of the project is compiled. An INTERFACE target, so that a
# target says `PRIVATE project_flags` and nothing is set directory-wide.
option(KUBETAPE_WERROR "Warnings are errors" OFF)
option(KUBETAPE_HARDEN "Hardened release build" OFF)
set(KUBETAPE_SANITIZE "" CACHE STRING "Value of -fsanitize, or empty")
option(KUBETAPE_FUZZ "Build libFuzzer programs (clang)" OFF)

add_library(project_flags INTERFACE)
target_compile_features(project_flags INTERFACE c_std_17)
target_compile_definitions(project_flags INTERFACE
  _GNU_SOURCE KUBETAPE_VERSION="${PROJECT_VERSION}")
target_include_directories(project_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(project_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
  -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wvla -Wundef
  -Wformat=2 -Wcast-qual -Wwrite-strings
  $<$<BOOL:${KUBETAPE_WERROR}>:-Werror>)

if(KUBETAPE_SANITIZE)
  target_compile_options(project_flags INTERFACE
    -fsanitize=${KUBETAPE_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  target_link_options(project_flags INTERFACE -fsanitize=${KUBETAPE_SANITIZE})
endif()
if(KUBETAPE_FUZZ)
  target_compile_options(project_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(KUBETAPE_HARDEN)
  target_compile_options(project_flags INTERFACE
    -fPIE -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  target_link_options(project_flags INTERFACE -pie -Wl,-z,relro,-z,now)
endif()
