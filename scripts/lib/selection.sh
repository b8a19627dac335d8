# shellcheck shell=bash
# What `scripts/test SUITE [NAME [CASE]]` chooses among ctest's programs. scripts/test sources this; it stands at the root
# of the sources.

# selection_programs BUILD CTEST-ARGUMENT...: those that ctest selects, a line each.
selection_programs() {
    ctest --test-dir "build-test/$1" -N "${@:2}" | sed -n 's/^ *Test *#[0-9]*: //p'
}

# selection_names BUILD SUITE NAME: the programs of the suite (a word of ctest's labels) that NAME means, a line each. NAME is
# LAYER/MODULE, MODULE, LAYER, or ctest's own name; empty: all of them.
selection_names() {
    local suite=$2 name=$3 pattern='.*'
    if [[ $name == */* ]]; then
        pattern="${suite}_${name%%/*}_test_${name#*/}(_.*)?" # a module may have several programs
    elif [[ -n $name ]]; then
        pattern="$name|${suite}_(test_|[a-z]+_test_)?$name|${suite}_${name}_test_.*"
    fi
    selection_programs "$1" -L "^$suite\$" | grep -Ex -e "$pattern"
}

# selection_list BUILD SUITE: the same for people, as NAME may be given.
selection_list() {
    selection_names "$1" "$2" '' | sed -E "s,^$2_([a-z]+)_test_,\1/,; s,^$2_test_,,; s,^$2_,,"
}

# selection_target PROGRAM: what has to be built for it.
selection_target() {
    case $1 in
    unit_* | integration_* | torture_* | fuzz_*) echo "$1" ;;
    citus_*) echo "integration_${1#citus_}" ;;
    faults_*) echo rsvpd_fault ;;
    sim_*) echo rsvpd_sim ;;
    *) echo all ;; # scripts, which run what they please
    esac
}

# selection_cases PROGRAM...: the cases that their sources name.
selection_cases() {
    local program path
    for program; do
        path=${program/#unit_/unit\/}
        path=tests/${path/_test_//test_}.c
        [[ ! -e $path ]] || grep -ohP '(cmocka_unit_test\w*|[A-Z_]*TESTS?)\(\K[a-z]\w+' "$path"
    done
}

# selection_report JUNIT: how each case went.
selection_report() {
    grep -oP '^\[ +(OK|FAILED) +\] (?!\d+ test).*' "$1" | sort -u
}
