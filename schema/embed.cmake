# cmake -DFROM=index.sql -DTO=index_sql.c -DNAME=index_sql_1 -P embed.cmake
# writes the bytes of FROM as a C string of that name. Numbers, not a literal:
# ISO C promises no more than 4095 characters in one of those.
file(READ "${FROM}" bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "    \\1\n"
  bytes "${bytes}")
file(WRITE "${TO}" "extern const char ${NAME}[];\n"
  "const char ${NAME}[] = {\n${bytes}0};\n")
