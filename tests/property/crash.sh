#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A run of every step is stopped at random moments, by signals and by power cuts, and goes on by the
# same command: the results must be those of a run that was let alone, byte for byte.
#
#   crash.sh [--kills N] [--cuts N] [--seed S] [--build DIR] [--only kill:17]
#
# Compared is everything in the run's directory but log/, which holds facts of this machine: the
# command, times of input files. Nothing else may be left over: no lock, no working state. Number of
# workers and limit of memory differ with every start. A power cut is a preloaded library that ends the
# process before its N-th change to the directory (powercut.c), and a strict disk that forgets what
# was not synced (powercut_replay.c). The program saves its tasks more often than the installed one
# (small_points.c), and what is done a second time is held against what follows from that (crash_watch.sh).
# What a failure left is kept; a moment of a signal is only roughly the same the second time.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$(cd "$here/../.." && pwd)
train_interval=10 train_batch=8 train_context=32 # steps, sequences, tokens
. "$here/crash_job.sh"
. "$here/crash_watch.sh"

kills=300 cuts=100 seed=1 build=$source/build/release only=
while [ $# -gt 1 ]; do
    case $1 in
    --kills) kills=$2 ;;
    --cuts) cuts=$2 ;;
    --seed) seed=$2 ;;
    --build) build=$(cd "$2" && pwd) ;;
    --only) only=$2 ;;
    *) echo "crash.sh: no option $1" >&2 && exit 2 ;;
    esac
    shift 2
done
wetmill=${WETMILL:-$build/tests/wetmill_small_points} preload=$build/tests/libpowercut.so replay=$build/tests/powercut_replay
for file in "$wetmill" "$preload" "$replay"; do
    [ -e "$file" ] || { echo "crash.sh: $file is not built" >&2; exit 2; }
done
command -v zstd >/dev/null || { echo "crash.sh: zstd is not installed"; exit 77; }

work=$(mktemp -d "${TMPDIR:-/tmp}/wetmill-crash.XXXXXX")
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
cd "$work" || exit 1
mkfifo clock && exec {clock}<>clock
passed=0 failed=0 limit=300 # seconds for one start
steps=(corpus tokenizer shards train sample)
declare -A hits=() takes=()

# ---- one start ----

# begin: nothing is there; or the results of other settings, which are replaced; or what a run with
# those settings leaves that is stopped.
begin() {
    rm -rf out
    case $((RANDOM % 6)) in
    0 | 1) cp -r old out ;;
    2)
        job=old.yaml
        stop_once -1
        job=job.yaml job_before=old.yaml finished=() position_known=
        ;;
    esac
}

# choose: workers and memory of the next start, in $how.
choose() {
    local memory=("" "-m 500M" "-m 1G")
    how="-j $((RANDOM % 3 + 1)) ${memory[RANDOM % 3]}"
}

# go_on LOG [VARIABLE=VALUE…]: the command, to its end or until it is stopped.
go_on() {
    local log=$1
    shift
    # shellcheck disable=SC2086
    exec env "$@" "$wetmill" run "$job" $how --progress never >"$log" 2>&1 </dev/null
}

# set_aside: training with other settings that was stopped is kept for who goes on with it.
set_aside() {
    rm -rf aside
    [ -e out/work/train.old ] && [ "$job_before" ] || return 0
    mv out/work/train.old aside && rmdir out/work
}

# take_up: go on with that.
take_up() {
    local code
    mkdir out/work && mv aside out/work/train.old
    job=$job_before
    (go_on taken_up.log)
    code=$?
    job=job.yaml
    [ "$code" = 0 ] || problem "other settings again ended with $code: $(tail -n2 taken_up.log)"
    grep -q "what was unfinished with these options is taken up again" taken_up.log ||
        problem "training with other settings is not taken up again"
    diff -rq -x log old out >diff.txt 2>&1 || problem "differs, other settings: $(head -n5 diff.txt | tr '\n' ';')"
}

# finish: the last start, which nothing stops, and the comparison.
finish() {
    local code start took
    choose
    expect_resumed
    start=$(now)
    (go_on last.log) &
    wait_for $!
    code=$?
    took=$(($(ended last.log) - start))
    [ "$took" -le "$duration" ] || duration=$took
    look last.log
    [ "$code" = 0 ] || problem "the last start ($how) ended with $code: $(tail -n2 last.log | head -c 600)"
    [ "$code" != 0 ] || look_again last.log
    set_aside
    diff -rq -x log want out >diff.txt 2>&1 || problem "differs: $(head -n5 diff.txt | tr '\n' ';')"
    [ -s out/log/command ] || problem "out/log/command is missing"
    [ -z "$(ls -A "$TMPDIR")" ] || problem "scratch files are left: $(ls -A "$TMPDIR")"
    [ $((RANDOM % 4)) != 0 ] || check_finished
    [ ! -e aside ] || take_up
}

# wait_for PID: its exit code; a start that hangs is ended.
wait_for() {
    local pid=$1 watch code
    (sleep "$limit" && kill -ABRT "$pid") >/dev/null 2>&1 & # the sleep outlives it: not with our output
    watch=$!
    wait "$pid" 2>/dev/null
    code=$?
    kill "$watch" 2>/dev/null
    wait "$watch" 2>/dev/null
    return "$code"
}

# ---- signals ----

# now, ended LOG: milliseconds. The moments of signals are drawn from the time a start takes that is let
# alone, which is another while the machine has other work: so it is taken anew where one shows.
now() { echo $((${EPOCHREALTIME//./} / 1000)); }
ended() { local at && at=$(stat -c %.3Y "$1") && echo "${at//./}"; }

# pause MILLISECONDS, without another process
pause() {
    local seconds
    printf -v seconds '%d.%03d' $(($1 / 1000)) $(($1 % 1000))
    read -rt "$seconds" -u "$clock"
}

# says LOG STEP STATE
says() {
    local lines line want
    printf -v want '%-10s %s' "$2" "$3"
    mapfile -t lines <"$1"
    for line in "${lines[@]}"; do
        [ "$line" != "$want" ] || return 0
    done
    return 1
}

# until_moment NUMBER LOG PID: any moment of a start's life, or, lest the short steps go without, of a
# step that is not done yet.
until_moment() {
    local step left=()
    for step in "${steps[@]}"; do
        [ "${finished[$step]-}" ] || left+=("$step")
    done
    if [ $((RANDOM % 3)) = 0 ] || [ ${#left[@]} = 0 ]; then
        pause $((((RANDOM << 15 | RANDOM) % (duration + duration / 20)) / (1 + ($1 & 1))))
        return
    fi
    step=${left[RANDOM % ${#left[@]}]}
    until says "$2" "$step" runs; do
        kill -0 "$3" 2>/dev/null || return
        pause 2
    done
    pause $((RANDOM % (takes[$step] * duration / alone + 2)))
}

# time_steps LOG PID: milliseconds of each step, in $takes.
time_steps() {
    local step
    for step in "${steps[@]}"; do
        until says "$1" "$step" runs; do kill -0 "$2" 2>/dev/null || break; done
        takes[$step]=$(now)
        until says "$1" "$step" "done"; do kill -0 "$2" 2>/dev/null || break; done
        takes[$step]=$(($(now) - takes[$step]))
    done
}

# stop_once NUMBER: a start and a signal, or two, at a moment of its life.
stop_once() {
    local log=stop$1.log pid code first=KILL second="" want start
    case $((RANDOM % 10)) in
    6) first=INT ;;
    7) first=TERM ;;
    8) first=INT second=INT ;;
    9) first=TERM second=KILL ;;
    esac
    choose
    start=$(now)
    : >"$log"
    (go_on "$log") &
    pid=$!
    until_moment "$1" "$log" "$pid"
    kill -s "$first" "$pid" 2>/dev/null
    if [ "$second" ]; then
        pause $((RANDOM % 100))
        kill -s "$second" "$pid" 2>/dev/null
    fi
    wait_for "$pid"
    code=$?
    case $first$second in
    KILL) want="0|137" ;;
    INT*) want="0|130" ;;
    TERM) want="0|143" ;;
    TERMKILL) want="0|143|137" ;;
    esac
    [[ $code =~ ^($want)$ ]] || problem "$first $second ($how): ended with $code: $(tail -n2 "$log" | head -c 600)"
    [ "$1$code" != 00 ] || duration=$(($(ended "$log") - start))
    hit "$log"
    told+="$first${second:+ $second} ($how) at $where; "
    look "$log"
    [ $((RANDOM % 3)) != 0 ] || check_unfinished
}

kill_trial() {
    local n=1 i
    [ $((RANDOM % 3)) = 0 ] && n=$((2 + RANDOM % 2))
    for ((i = 0; i < n; i++)); do stop_once "$i"; done
    finish
}

# ---- power cuts ----

# checkpoint DIR: the step of the newest.
checkpoint() {
    local files
    files=$(find "$1/work/train" -name 'checkpoint-*.ckpt' -printf '%f\n' 2>/dev/null | sort | tail -n1)
    files=${files//[^0-9]/}
    echo $((10#${files:-0}))
}

commits() { find "$1/work/corpus/commits" -name '*.json' 2>/dev/null | wc -l; }

# cut_once NUMBER: a start that ends before a change, and the disk thereafter.
cut_once() {
    local log=cut$1.log at=$((1 + (RANDOM << 15 | RANDOM) % (changes + changes / 30))) code kept
    [ "$1" = 0 ] || at=$((at / 2 + 1))
    choose
    (go_on "$log" LD_PRELOAD="$preload" POWERCUT_ROOT="$work/out" POWERCUT_LOG="$work/changes" \
        POWERCUT_AT="$at" ASAN_OPTIONS=verify_asan_link_order=0) &
    wait_for $!
    code=$?
    [[ $code =~ ^(0|137)$ ]] || problem "cut at $at ($how): ended with $code: $(tail -n2 "$log" | head -c 600)"
    hit "$log"
    look "$log"
    rm -rf after live
    "$replay" changes live "$seed" all >/dev/null
    diff -rq out live >diff.txt 2>&1 || problem "the model of the disk is wrong: $(head -n3 diff.txt)"
    kept=$("$replay" changes after "$seed$number$1") || problem "the disk cannot be made"
    told+="cut at $at ($how) at $where, $kept; "
    if [ "$code" = 0 ]; then
        diff -rq -x log -x lock -x work want after >diff.txt 2>&1 || problem "done, and lost: $(head -n3 diff.txt)"
    elif [ -e after/work/corpus ] && [ $(($(commits out) - $(commits after))) -gt 3 ]; then
        problem "$(commits out) tasks were committed, $(commits after) stay"
    elif [ -e out/work/train ] && [ $(($(checkpoint out) - $(checkpoint after))) -gt $train_interval ]; then
        problem "a checkpoint was of step $(checkpoint out), $(checkpoint after) stays"
    fi
    rm -rf out live
    mv after out
    [ $((RANDOM % 3)) != 0 ] || check_unfinished
}

cut_trial() {
    position_known= # it is not synced
    cut_once 0
    [ $((RANDOM % 4)) = 0 ] && cut_once 1
    finish
}

# ---- all ----

trial() {
    local kind=$1
    number=$2
    declare -gA finished=()
    problems=() told= position_known=1 job_before=
    [ -z "$only" ] || [ "$only" = "$kind:$number" ] || return
    RANDOM=$(((seed * 7919 + number * 31 + ${#kind}) % 32768))
    rm -rf changes ./*.log
    begin
    "${kind}_trial"
    if [ ${#problems[@]} = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $kind $number: $told repeat with --seed $seed --only $kind:$number"
        printf '    %s\n' "${problems[@]}"
        mkdir -p "failed/$kind-$number"
        mv out ./*.log diff.txt "failed/$kind-$number/" 2>/dev/null
        mv changes "failed/$kind-$number/" 2>/dev/null
    fi
    [ $((number % 5)) != 0 ] || echo "$kind $number: $passed passed, $failed failed, $SECONDS s; a run takes $duration ms"
}

make_job "$work" "$wetmill" "$source" || exit 1
sed 's/min_characters: 200/min_characters: 500/; s/vocabulary: 1024/vocabulary: 700/' job.yaml >old.yaml
how="-j 2" job=old.yaml
(go_on old.txt) || { echo "crash.sh: the run fails unharmed: $(tail -n3 old.txt)" >&2; exit 1; }
mv out old
job=job.yaml
start=$(now)
: >want.txt
(go_on want.txt) &
time_steps want.txt $!
wait $! || { echo "crash.sh: the run fails unharmed: $(tail -n3 want.txt)" >&2; exit 1; }
duration=$(($(now) - start))
alone=$duration
mv out want
(go_on want.txt LD_PRELOAD="$preload" POWERCUT_ROOT="$work/out" POWERCUT_LOG="$work/changes" \
    POWERCUT_COUNT="$work/count" ASAN_OPTIONS=verify_asan_link_order=0) || exit 1
changes=$(cat count)
echo "a run takes $duration ms and makes $changes changes; seed $seed"
for ((i = 1; i <= kills; i++)); do trial kill "$i"; done
for ((i = 1; i <= cuts; i++)); do trial cut "$i"; done
show_hits
[ -n "$only" ] || [ "$kills" -lt 100 ] || check_seen
show_again
cd /
if [ "$failed" = 0 ]; then rm -rf "$work"; else echo "what failed is in $work/failed"; fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
