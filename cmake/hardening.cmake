# What makes a defect of memory safety harder to use: adds it to the flags of `target`, where the compiler
# and the C library have it. tests/check_hardening holds the binary to it.
include(CheckCCompilerFlag)
include(CheckCSourceCompiles)

# Whether the C library takes the strongest of its checks, which needs an optimizing compiler.
function(rsvpd_fortify_level result)
  set(CMAKE_REQUIRED_FLAGS "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -Werror")
  check_c_source_compiles("
    #include <features.h>
    #if !defined __USE_FORTIFY_LEVEL || __USE_FORTIFY_LEVEL < 3
    #error not here
    #endif
    int main(void) { return 0; }" RSVPD_HAS_FORTIFY_3)
  if(RSVPD_HAS_FORTIFY_3)
    set(${result} 3 PARENT_SCOPE)
  else()
    set(${result} 2 PARENT_SCOPE)
  endif()
endfunction()

function(rsvpd_harden target)
  target_compile_options(${target} INTERFACE -fPIE -fstack-protector-strong)
  target_link_options(${target} INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack)
  foreach(option stack-clash-protection cf-protection=full)
    string(MAKE_C_IDENTIFIER "RSVPD_HAS_${option}" has)
    check_c_compiler_flag("-Werror -f${option}" ${has})
    if(${has})
      target_compile_options(${target} INTERFACE -f${option})
    endif()
  endforeach()
  check_c_compiler_flag("-Werror -mbranch-protection=standard" RSVPD_HAS_branch_protection)
  if(RSVPD_HAS_branch_protection)
    target_compile_options(${target} INTERFACE -mbranch-protection=standard)
  endif()
  # The sanitizers intercept the functions that it replaces, and check more.
  if(NOT RSVPD_SANITIZE)
    rsvpd_fortify_level(level)
    target_compile_options(${target} INTERFACE
      $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
      $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=${level}>)
  endif()
endfunction()
