# Reads core/kernels/families.inc. Sets cpu_family_sources and cuda_family_sources; writes, below
# families_include, core/cuda/families.inc, the list of those that CUDA has, and
# core/meta/no_ops.inc, what a device without elements does.

set(families_include ${CMAKE_CURRENT_BINARY_DIR}/families)
file(STRINGS kernels/families.inc rows REGEX "^TESSERA_FAMILY")
set(cpu_family_sources)
set(cuda_family_sources)
set(cuda_families "// Made by core/families.cmake.\n")
set(family_headers)
# A new one makes CMake run again.
file(GLOB cuda_files RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} CONFIGURE_DEPENDS cuda/*.cu cuda/*.cpp)
foreach(row ${rows})
  string(REGEX REPLACE "^TESSERA_FAMILY\\(([a-z0-9_]+),.*" "\\1" family "${row}")
  list(APPEND cpu_family_sources cpu/${family}.cpp)
  list(APPEND family_headers core/kernels/${family}.h)
  foreach(kind cu cpp)
    if(cuda/${family}.${kind} IN_LIST cuda_files)
      list(APPEND cuda_family_sources cuda/${family}.${kind})
      string(APPEND cuda_families "${row}\n")
    endif()
  endforeach()
endforeach()
file(CONFIGURE OUTPUT ${families_include}/core/cuda/families.inc CONTENT
     "${cuda_families}#undef TESSERA_FAMILY\n" @ONLY)

find_program(TESSERA_AWK awk REQUIRED)
execute_process(
  COMMAND ${TESSERA_AWK} -f core/meta/no_ops.awk ${family_headers}
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
  OUTPUT_VARIABLE no_ops
  COMMAND_ERROR_IS_FATAL ANY)
list(TRANSFORM family_headers REPLACE "(.+)" "#include \"\\1\"\n" OUTPUT_VARIABLE family_includes)
list(JOIN family_includes "" family_includes)
file(CONFIGURE OUTPUT ${families_include}/core/meta/no_ops.inc @ONLY CONTENT
"// Made by core/families.cmake.
@family_includes@
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored \"-Wunused-parameter\"
namespace tessera::meta {

// The family's kernels do nothing.
template <class Family>
class NoOps;

@no_ops@}  // namespace tessera::meta
#pragma GCC diagnostic pop
")
list(TRANSFORM family_headers PREPEND ${PROJECT_SOURCE_DIR}/)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${family_headers}
             ${CMAKE_CURRENT_SOURCE_DIR}/kernels/families.inc
             ${CMAKE_CURRENT_SOURCE_DIR}/meta/no_ops.awk)
