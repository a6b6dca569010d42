# cmake --install: the program, the library with its headers, man page and completion (both made by
# the program itself, from the tables its help comes from).
set(generated_docs)
function(wm_generated what file)
  add_custom_command(OUTPUT ${file} COMMAND wetmill --generate ${what} > ${file}.new
    COMMAND ${CMAKE_COMMAND} -E rename ${file}.new ${file} DEPENDS wetmill VERBATIM)
endfunction()
if(NOT CMAKE_CROSSCOMPILING)
  wm_generated(man ${CMAKE_BINARY_DIR}/wetmill.1)
  wm_generated(bash ${CMAKE_BINARY_DIR}/wetmill.bash)
  add_custom_target(generated_docs ALL DEPENDS ${CMAKE_BINARY_DIR}/wetmill.1
                                               ${CMAKE_BINARY_DIR}/wetmill.bash)
  install(FILES ${CMAKE_BINARY_DIR}/wetmill.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${CMAKE_BINARY_DIR}/wetmill.bash
    DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/bash-completion/completions RENAME wetmill)
endif()
install(TARGETS wetmill RUNTIME)
install(TARGETS libwetmill ARCHIVE)
install(DIRECTORY include/wetmill DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${CMAKE_BINARY_DIR}/generated/wetmill/version_number.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/wetmill)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
