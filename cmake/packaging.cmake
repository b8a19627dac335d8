# What is installed, and the Debian package of it: `cpack -G DEB`, in the build directory. Needs python3, dpkg-dev and file
# besides what the build needs. The files that are made from the binary's tables are made when it is installed.
# Who answers for the package: `cmake -DRSVPD_MAINTAINER=…` names somebody else.
set(RSVPD_MAINTAINER "The rsvpd authors <rsvpd@localhost>" CACHE STRING "Maintainer of the Debian package")
set(package_files ${CMAKE_BINARY_DIR}/package-files)
install(TARGETS rsvpd RUNTIME DESTINATION bin)
install(CODE "execute_process(COMMAND ${CMAKE_SOURCE_DIR}/packaging/make_files $<TARGET_FILE:rsvpd> ${package_files}
  \"${RSVPD_MAINTAINER}\"
  COMMAND_ERROR_IS_FATAL ANY)")
install(FILES ${package_files}/rsvpd.8.gz DESTINATION share/man/man8)
install(FILES ${package_files}/rsvpd DESTINATION share/bash-completion/completions)
install(FILES ${package_files}/rsvpd.default DESTINATION /etc/default RENAME rsvpd)
install(FILES packaging/rsvpd.service packaging/rsvpd-relay.service DESTINATION lib/systemd/system)
install(FILES sql/roles/service_role.sql sql/roles/relay_role.sql sql/distributed/citus.sql DESTINATION share/rsvpd)
install(FILES docker/prometheus/rules.yaml DESTINATION share/rsvpd/prometheus)
install(FILES docker/grafana/rsvpd.json DESTINATION share/rsvpd/grafana)
install(FILES ${package_files}/changelog.gz packaging/debian/copyright README.md CHANGELOG.md DESTINATION share/doc/rsvpd)
install(DIRECTORY docs DESTINATION share/doc/rsvpd)
install(FILES packaging/debian/lintian-overrides DESTINATION share/lintian/overrides RENAME rsvpd)

# Rights do not depend on the umask of whoever builds it.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME rsvpd)
set(CPACK_PACKAGE_CONTACT "${RSVPD_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR OFF)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT) # rsvpd_X.Y.Z_amd64.deb, with dpkg's word for the architecture
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "init-system-helpers (>= 1.54~), procps") # procps: /bin/kill, for reloading
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "postgresql-client, redis-server")
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  "${CMAKE_SOURCE_DIR}/packaging/debian/conffiles;${CMAKE_SOURCE_DIR}/packaging/debian/postinst;${CMAKE_SOURCE_DIR}/packaging/debian/prerm;${CMAKE_SOURCE_DIR}/packaging/debian/postrm")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "RSVPs and likes over HTTP
An HTTP service that keeps RSVPs to events and likes on posts in PostgreSQL,
counts them through Redis, and knows capacities and waiting lists.")
include(CPack)
