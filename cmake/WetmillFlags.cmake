# One interface target with what every translation unit of ours is compiled with.
add_library(wm_flags INTERFACE)
target_compile_definitions(wm_flags INTERFACE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE
                                              _FILE_OFFSET_BITS=64)
target_compile_options(wm_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla
  -Wpointer-arith -Wundef -Wformat=2 -Wcast-qual
  # the same bits from every compiler and ISA: no fused or reassociated arithmetic unless written
  -ffp-contract=off -fno-math-errno)
if(WM_WERROR)
  target_compile_options(wm_flags INTERFACE -Werror)
endif()
if(WM_PORTABLE)
  target_compile_definitions(wm_flags INTERFACE WM_PORTABLE)
endif()
# Hardening of what is used for work; tests/cli/test_hardening.sh looks whether the program has it.
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo" OR CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(wm_flags INTERFACE -O3 -fstack-protector-strong -U_FORTIFY_SOURCE
                                            -D_FORTIFY_SOURCE=3)
  target_link_options(wm_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
  include(CheckPIESupported)
  check_pie_supported(LANGUAGES C)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
endif()
