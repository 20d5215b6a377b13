# What `cmake --install` lays out, and the Debian package that cpack makes of it (scripts/package).
include(GNUInstallDirs)
set(docs ${CMAKE_INSTALL_DATADIR}/doc/push-cache)
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # only what is installed is built for it

set(pages ${CMAKE_BINARY_DIR}/man)
add_custom_target(man_pages
  COMMAND python3 ${CMAKE_SOURCE_DIR}/scripts/man-pages $<TARGET_FILE_DIR:push-cache> ${pages}
          ${PROJECT_VERSION}
  COMMAND gzip -9nf ${pages}/push-cache.1 ${pages}/populate_kafka.1 ${pages}/push-cache.yaml.5
  COMMAND gzip -9nc ${CMAKE_SOURCE_DIR}/deploy/debian/changelog > ${pages}/changelog.gz
  DEPENDS push-cache populate_kafka)

set(debian ${CMAKE_SOURCE_DIR}/deploy/debian)
install(TARGETS push-cache populate_kafka RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${pages}/push-cache.1.gz ${pages}/populate_kafka.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${pages}/push-cache.yaml.5.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES ${debian}/copyright ${pages}/changelog.gz DESTINATION ${docs})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/examples DESTINATION ${docs})
install(FILES ${debian}/push-cache.service DESTINATION /usr/lib/systemd/system)
install(FILES ${debian}/push-cache.yaml DESTINATION /etc/push-cache)
install(DIRECTORY DESTINATION /etc/push-cache/secrets)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME push-cache)
set(CPACK_PACKAGE_CONTACT "Push Cache maintainers <maintainers@push-cache.example>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Kafka topics as JSON over HTTP, from memory or Redis")
set(CPACK_PACKAGE_DESCRIPTION
"Reads Avro records from Kafka, keeps the last one of each key in memory or in
Redis, and serves them as JSON over HTTP. It is ready when everything that was
in the topics at its start is there, so that a 404 is true.
.
This package has the service with its systemd unit, and populate_kafka, which
fills a topic with made-up records.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${debian}/postinst ${debian}/prerm ${debian}/postrm ${debian}/conffiles)
include(CPack)
