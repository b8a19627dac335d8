# shellcheck shell=bash
# How programs that were built with sanitizers are run: what scripts/test, scripts/fuzz and scripts/torture share. Whoever
# sources this stands at the root of the sources.
# shellcheck disable=SC2034 # whoever sources this file uses them
asan_options=halt_on_error=1:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
# shellcheck disable=SC2034
ubsan_options=halt_on_error=1:print_stacktrace=1
# shellcheck disable=SC2034
tsan_options="halt_on_error=1:second_deadlock_stack=1:allow_addr2line=1:suppressions='$PWD/tests/tsan.supp'"
# To be put in front of a command: the sanitizers of Debian 12 cannot lay out their memory under much address randomisation.
fixed_addresses=(setarch "$(uname -m)" -R)
"${fixed_addresses[@]}" true 2>/dev/null || fixed_addresses=(env)
