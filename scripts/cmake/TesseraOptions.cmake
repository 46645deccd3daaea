# Options, and what every target of the project is compiled with.

option(TESSERA_BUILD_TESTS "Build the tests and benchmarks" ON)
# Half the time from nothing, and more than a file to compile after an edit: the preset dev has it off.
option(TESSERA_UNITY "Compile sources in groups, and the headers of tests once" ON)
option(TESSERA_WERROR "Turn warnings into errors" OFF)
set(TESSERA_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

# The CUDA backend is built where there is a toolkit. TESSERA_CUDA=OFF leaves it out all the same.
set(TESSERA_CUDA AUTO CACHE STRING "AUTO: build the CUDA backend where a toolkit is found; or OFF")
set(CMAKE_CUDA_ARCHITECTURES "75-real;90-virtual" CACHE STRING "What nvcc compiles for")
if(TESSERA_CUDA)
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
    set(TESSERA_CUDA ON)
  else()
    message(STATUS "No CUDA toolkit was found: the CUDA backend and its emulated tests are left out")
    set(TESSERA_CUDA OFF)
  endif()
endif()

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})

# tessera_module(NAME SOURCES... LINK ... PRIVATE_LINK ... [NOT_INSTALLED]): the library
# tessera_NAME, known as tessera::NAME.
function(tessera_module name)
  cmake_parse_arguments(ARG "NOT_INSTALLED" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  add_library(tessera_${name} STATIC ${ARG_SOURCES})
  add_library(tessera::${name} ALIAS tessera_${name})
  set_target_properties(tessera_${name} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  target_include_directories(
    tessera_${name}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/tessera>)
  target_link_libraries(tessera_${name} PUBLIC ${ARG_LINK} PRIVATE ${ARG_PRIVATE_LINK})
  tessera_compile_options(tessera_${name})
  tessera_unity(tessera_${name})
  if(NOT ARG_NOT_INSTALLED)
    set_property(GLOBAL APPEND PROPERTY TESSERA_MODULES tessera_${name})
  endif()
endfunction()

# Most of what a source takes to compile are the headers that its neighbours include too. What has
# internal linkage needs a name that no other source of its target has.
function(tessera_unity target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${TESSERA_UNITY} UNITY_BUILD_BATCH_SIZE 8)
  # A source that another one includes is taken for a header, in which this would be a mistake.
  target_compile_options(
    ${target}
    PRIVATE $<$<AND:$<BOOL:${TESSERA_UNITY}>,$<COMPILE_LANG_AND_ID:CXX,GNU>>:-Wno-subobject-linkage>)
endfunction()

# For modules whose instructions are few beside those of the kernels that they call. Under
# sanitizers, which triple what there is to optimize, they compile in half the time, and their
# tests take a tenth longer.
function(tessera_quick_under_sanitizers target)
  if(TESSERA_SANITIZE)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O0>)
  endif()
endfunction()

# For modules whose own instructions take no time: they read configs, wait for the network, and leave
# work to others. Their sources compile in a fifth to a third less.
function(tessera_light_optimization target)
  tessera_quick_under_sanitizers(${target})
  if(NOT TESSERA_SANITIZE)
    target_compile_options(${target} PRIVATE $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CONFIG:Release>>:-O1>)
  endif()
endfunction()

# For modules that use Highway. SSE4 stands for every x86-64-v2 machine, AVX3 for AVX-512; the
# targets between and above cost build time and gain nothing measurable here.
function(tessera_vector_targets target)
  set(disabled "HWY_SSSE3|HWY_AVX3_DL")
  if(hwy_VERSION VERSION_GREATER_EQUAL 1.1)
    string(APPEND disabled "|HWY_AVX3_ZEN4|HWY_AVX3_SPR")
  endif()
  target_compile_definitions(${target} PRIVATE "HWY_DISABLED_TARGETS=(${disabled})")
endfunction()

function(tessera_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  # x86-64-v2 is the oldest machine that a build runs on; kernels pick AVX2 and AVX-512 at run time.
  # Contraction into fused multiply-adds would make bits depend on the optimizer's mood.
  # g++ 12 reports -Wrestrict inside std::string's own operator+ (GCC bug 105651).
  target_compile_options(
    ${target}
    PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-march=x86-64-v2;-ffp-contract=off;-Wall;-Wextra;-Wpedantic>
            $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>
            $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${TESSERA_WERROR}>>:-Werror>
            $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;--expt-relaxed-constexpr;--fmad=false;-Xcompiler=-Wall,-Wextra>)
  if(TESSERA_SANITIZE)
    # Under sanitizers g++ 12 takes temporaries inside <regex> for uninitialized.
    target_compile_options(
      ${target}
      PUBLIC $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${TESSERA_SANITIZE};-fno-omit-frame-pointer;-fno-sanitize-recover=all>
      PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-maybe-uninitialized>)
    target_link_options(${target} PUBLIC -fsanitize=${TESSERA_SANITIZE})
  endif()
endfunction()
