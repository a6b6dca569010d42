# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Sourced by crash.sh: what the program says is held against what went before, and what stands there
# against what it says.

problem() { problems+=("$*"); }

# ---- where a start was stopped ----

# hit LOG: the step or, where it is known, the phase of it: in $where, and counted.
hit() {
    local step state label=""
    read -r step state < <(sed -nE 's/^([a-z]+) +(runs|done|up to date|stopped)$/\1 \2/p' "$1" | tail -n1)
    case $state in
    runs | stopped)
        [ ! -s "out/work/$step/position" ] || label=$(grep ' ' "out/work/$step/position" 2>/dev/null | tail -n1 | cut -d ' ' -f 3-)
        where=${label:-$step begins}
        [ ! -e "out/work/$step/out/step.json" ] || where="$step, done but for its name"
        ;;
    done | "up to date") where="behind $step" ;;
    *) where="the start" ;;
    esac
    hits[$where]=$((${hits[$where]-0} + 1))
}

show_hits() {
    local at
    for at in "${!hits[@]}"; do printf '%6d stops: %s\n' "${hits[$at]}" "$at"; done | sort -k3
}

# ---- what is done a second time ----

# A point's distance for each of three tasks at once, and what is under way: 9 batches of one document
# and one being read. Behind a document of a crawl there may be a hole; the corpus is read in frames, in
# pieces of at most 128 KiB.
document_most=$((64 << 10))
crawl_again=$((3 * (1 << 20) + 10 * (hole_bytes + document_most)))
corpus_again=$((3 * ((16 << 10) + (128 << 10)) + 10 * document_most))
train_again=$((train_interval * train_batch * train_context))
declare -A most_again=(["corpus 1/2"]=$crawl_again ["corpus 2/2"]=$crawl_again
    ["tokenizer: count"]=$corpus_again ["shards"]=$corpus_again
    ["tokenizer: merge"]=64 ["train"]=$train_again) # merges are kept after each 16, in rounds
declare -A n_resumed=() n_kept=() again_seen=()

# number TEXT UNIT: "1.25" "MB" and "12,345" "tokens" as a whole number
number() {
    awk -v n="${1//,/}" -v unit="$2" 'BEGIN {
        split("kB MB GB TB", u)
        for (i in u) if (u[i] == unit) n *= 1000 ^ i
        printf "%.0f\n", n }'
}

# expect_resumed: the phases that the start to come will find begun, and must tell of.
expect_resumed() {
    local step done unit label
    expected=()
    [ "$position_known" ] || return 0
    for step in "${steps[@]}"; do
        [ -e "out/work/$step/position" ] && [ ! -e "out/work/$step/out/step.json" ] || continue
        while read -r done unit label; do
            [ -z "$label" ] || expected+=("$step $label")
        done <"out/work/$step/position"
    done
}

# look_again LOG: of a start that came to the end.
look_again() {
    local line label done again most
    local form='^Went on after a stop: (.+): ([0-9.,]+) ([a-zA-Z]+) had been done, ([0-9.,]+) ([a-zA-Z]+) of it again$'
    while IFS= read -r line; do
        [[ $line =~ $form ]] || { problem "$1: not understood: $line"; continue; }
        label=${BASH_REMATCH[1]} done=$(number "${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}")
        again=$(number "${BASH_REMATCH[4]}" "${BASH_REMATCH[5]}") most=${most_again[$label]-}
        [ "$most" ] || { problem "$1: nothing is known of the phase $label"; continue; }
        [ "$again" -le "$most" ] || problem "$1: $label: $again of $done again, over $most"
        [ "$again" -le "$done" ] || problem "$1: $label: $again again of $done"
        n_resumed[$label]=$((${n_resumed[$label]-0} + 1))
        [ "$again" -ge "$done" ] || n_kept[$label]=$((${n_kept[$label]-0} + 1))
        [ "$again" -le "${again_seen[$label]--1}" ] || again_seen[$label]=$again
    done < <(grep "^Went on" "$1")
    for label in "${expected[@]}"; do
        says "$1" "${label%% *}" runs || continue # it was stopped while its working state was removed
        label=${label#* }
        grep -qF "Went on after a stop: $label: " "$1" || problem "$1: $label had been begun, and nothing is said of it"
    done
}

show_again() {
    local label
    for label in "${!most_again[@]}"; do
        printf '%6d times gone on, %d with something kept: %s: at most %s of %d again\n' "${n_resumed[$label]-0}" \
            "${n_kept[$label]-0}" "$label" "${again_seen[$label]-none}" "${most_again[$label]}"
    done | sort -k 9
}

# check_seen: was every phase stopped, and gone on with? Else nothing above was shown of it.
check_seen() {
    local label
    for label in "${!most_again[@]}"; do
        [ "${n_kept[$label]-0}" -gt 0 ] || { echo "FAILED: no start went on with $label" && failed=$((failed + 1)); }
    done
}

# ---- each start ----

# look LOG: no step that was done is done again.
look() {
    local step what
    while read -r step what; do
        case $what in
        done | "up to date") finished[$step]=1 ;;
        runs) [ -z "${finished[$step]-}" ] || problem "$1: $step was done, and is done again" ;;
        esac
    done < <(sed -nE 's/^([a-z]+) +(runs|done|up to date)$/\1 \2/p' "$1")
    if grep -qE "ERROR: AddressSanitizer|runtime error|powercut: cannot model" "$1"; then
        problem "$1: $(grep -m1 -E "ERROR: AddressSanitizer|runtime error|cannot model" "$1")"
    fi
}

# ---- what others say of the directory ----

# state: everything that stands there.
state() { find out -printf '%p %y %s %i %T@\n' 2>/dev/null | sort; }

# check_unfinished: verify and report see no damage in what is merely not done yet, and change nothing.
# Results of other settings, which the run has not come to, are told of as that.
check_unfinished() {
    local before code none=1
    before=$(state)
    ! compgen -G 'out/*/step.json' >/dev/null || none=""
    "$wetmill" verify out >verify.log 2>&1
    code=$?
    case $code${none:+none} in
    0) grep -q "^no damage found: " verify.log || problem "verify: $(head -n3 verify.log)" ;;
    1)
        ! grep -vE "the run was stopped before it came to this step$|^wetmill: error: out: [0-9]+ problems? found|^ *hint: |^wetmill run |^repeat the command that made it" verify.log >diff.txt ||
            problem "verify of what was stopped: $(head -n3 diff.txt)"
        ;;
    0none) grep -q "^no damage found: 0 steps, " verify.log || problem "verify: $(head -n3 verify.log)" ;;
    2none) ;;
    *) problem "verify of what was stopped ended with $code: $(head -n3 verify.log)" ;;
    esac
    "$wetmill" report out >report.log 2>&1
    code=$?
    case $code${none:+none} in
    0 | 0none | 2none) ;;
    *) problem "report of what was stopped ended with $code: $(head -n3 report.log)" ;;
    esac
    [ "$(state)" = "$before" ] || problem "verify or report changed something"
}

# check_finished: nothing is damaged, and there is nothing left to do.
check_finished() {
    local code step
    "$wetmill" verify out >verify.log 2>&1
    code=$?
    [ "$code" = 0 ] && grep -q "^no damage found: ${#steps[@]} steps" verify.log ||
        problem "verify of the end ended with $code: $(head -n3 verify.log)"
    choose
    (go_on once_more.log)
    code=$?
    for step in "${steps[@]}"; do
        says once_more.log "$step" "up to date" || problem "once more: $step is not up to date"
    done
    [ "$code" = 0 ] || problem "once more ended with $code: $(tail -n2 once_more.log)"
    diff -rq -x log want out >diff.txt 2>&1 || problem "differs, once more: $(head -n5 diff.txt | tr '\n' ';')"
}
