# What `cmake --install` lays down.
include(GNUInstallDirs)
install(TARGETS weir RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(FILES "${CMAKE_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/weir")
if(EXISTS "${CMAKE_SOURCE_DIR}/share/luacats")
  install(DIRECTORY "${CMAKE_SOURCE_DIR}/share/luacats" DESTINATION
    "${CMAKE_INSTALL_DATADIR}/weir" FILES_MATCHING PATTERN "*.lua")
endif()
