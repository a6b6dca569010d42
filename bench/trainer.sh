#!/usr/bin/env bash
# Training beside PyTorch and llm.c: whole steps of the same GPT-2 on the same machine, turn by turn,
# beside the peak of multiply-adds and the bandwidth of memory measured in between; peak memory and
# what we predict; ratios and targets. Then each matrix product and each kernel.
#
#     bench/trainer.sh [OPTION…] [BUILD]
#
# BUILD is an optimised build with bench_trainer_step, bench_gemm, bench_kernels; default build/release.
#
#   --python PROGRAM      with torch; default /usr/bin/python3. It is run as installed ("stock") and with
#                         the environment of --tuned.
#   --tuned 'NAME=VALUE…' default: OpenBLAS with OpenMP where Debian puts it, AVX-512 where the CPU has it,
#                         memory kept by malloc
#   --llmc DIR            a checkout of llm.c; compiled here, in f32
#   --models 14M,124M     14M: 6 layers, width 384, vocabulary 8192; 124M: GPT-2; each 4 sequences
#   --contexts 64,256,1024
#   --dtypes f32,bf16
#   --threads N           of peers and us; we also run with one. Default: all processors
#   --rounds 7            each runs once a round, at least --seconds
#   --seconds 1
#   --peak-seconds 2      of each loop, once a round
#   --parts steps,gemm,kernels
#   --save FILE           every run: model, context, dtype, who, round, steps, tokens, and the answers
#
# A run is wall time, so the machine must be idle: peers' OpenMP, which spins, falls to a tenth where
# another process wants a core. "by-CPU", the share of the peak by processor time, suffers less from
# that; it does not see a thread that sleeps. Programs that fit into memory together stay; else each is
# started anew.
set -euo pipefail
here=$(cd "${BASH_SOURCE%/*}" && pwd)
python=/usr/bin/python3 tuned=default llmc='' models=14M,124M contexts=64,256,1024 dtypes=f32,bf16
threads=$(nproc) rounds=7 seconds=1 peak_seconds=2 parts=steps,gemm,kernels save=''
while [[ ${1-} == --* ]]; do
    case $1 in
    --python | --tuned | --llmc | --models | --contexts | --dtypes | --threads | --rounds | --seconds | \
        --peak-seconds | --parts | --save)
        name=${1#--}
        declare "${name//-/_}=${2?$1 wants a value}"
        ;;
    *) echo "unknown option $1" >&2 && exit 2 ;;
    esac
    shift 2
done
bench=${1:-build/release}/bench
work=$(mktemp -d "${TMPDIR:-/tmp}/wetmill-bench.XXXXXX")
raw=${save:-$work/raw}
: >"$raw"

# ---- programs that wait for their turn ----

declare -A pid=() to=() from=() description=()

# start NAME COMMAND…: its first line is its description
start() {
    local name=$1 in out line fd
    shift
    rm -f "$work/$name".{in,out}
    mkfifo "$work/$name".{in,out}
    (
        for fd in "${to[@]}" "${from[@]}"; do exec {fd}>&-; done # others' input must end with us
        echo 1000 >/proc/self/oom_score_adj                     # first to go where memory runs out
        exec "$@"
    ) <"$work/$name.in" >"$work/$name.out" 2>"$work/$name.err" &
    pid[$name]=$!
    exec {in}>"$work/$name.in" {out}<"$work/$name.out"
    to[$name]=$in from[$name]=$out
    read -r line <&"$out" || return 1
    description[$name]=$line
}
# ask NAME REQUEST: the answer in $answer
ask() {
    echo "$2" >&"${to[$1]}" && while read -r answer <&"${from[$1]}"; do
        [[ $answer =~ ^[0-9.]+\ [0-9.]+\  ]] && return 0 # llm.c talks between
    done
    return 1
}
stop() {
    local in=${to[$1]-} out=${from[$1]-}
    [ -n "${pid[$1]-}" ] || return 0
    exec {in}>&- {out}<&-
    wait "${pid[$1]}" 2>/dev/null || true
    unset "pid[$1]" "to[$1]" "from[$1]"
}
finish() {
    for name in "${!pid[@]}"; do
        kill "${pid[$name]}" 2>/dev/null || true
        stop "$name"
    done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT

# ---- who takes part ----

flag() { grep -qw "$1" /proc/cpuinfo 2>/dev/null; }
if [ "$tuned" = default ]; then
    tuned="MALLOC_MMAP_THRESHOLD_=8000000000 MALLOC_TRIM_THRESHOLD_=16000000000"
    openblas=/usr/lib/$(uname -m)-linux-gnu/openblas-openmp
    if [ -d "$openblas" ]; then tuned+=" LD_LIBRARY_PATH=$openblas"; else
        echo "no $openblas: the tuned PyTorch has whatever BLAS there is"
    fi
    if flag avx512_bf16; then tuned+=" OPENBLAS_CORETYPE=SapphireRapids"; fi
    if flag avx512f; then tuned+=" ATEN_CPU_CAPABILITY=avx512"; fi
fi
read -ra tuned <<<"$tuned"
peers=()
if "$python" -c 'import torch' 2>/dev/null; then
    peers+=(torch-stock torch-tuned)
    echo "torch-tuned: ${tuned[*]}"
else
    echo "left out: PyTorch, for $python has none"
fi
if [ -n "$llmc" ]; then
    ${CC:-cc} -Ofast -march=native -fno-finite-math-only -fopenmp -DOMP -w -I"$llmc" \
        "$here/trainer/llmc_step.c" -o "$work/llmc_step" -lm
    peers+=(llm.c)
else
    echo "left out: llm.c, for there is no --llmc"
fi

declare -A sizes=([14M]="6 6 384 8192" [124M]="12 12 768 50257")
declare -A choices=() # what a PyTorch does best, by model, dtype and name

# command NAME MODEL CONTEXT DTYPE: in $command
command_of() {
    local layers heads width vocabulary
    read -r layers heads width vocabulary <<<"${sizes[$2]}"
    local shape=(--layers "$layers" --heads "$heads" --width "$width" --vocabulary "$vocabulary"
        --batch 4 --dtype "$4")
    local torch=("$python" "$here/trainer_peer.py" "${shape[@]}" --threads "$threads") key="$1 $2 $4"
    local ours=("$bench/bench_trainer_step" --serve "${shape[@]}" --context "$3")
    [ "$1" != torch-tuned ] || torch=(env "${tuned[@]}" "${torch[@]}")
    if [[ $1 == torch-* ]] && [ -z "${choices[$key]-}" ]; then
        choices[$key]=$("${torch[@]}" --context 256 --choose)
    fi
    case $1 in
    wetmill) command=("${ours[@]}" --threads "$threads") ;;
    wetmill-1) command=("${ours[@]}" --threads 1) ;;
    wetmill-avx2) command=("${ours[@]}" --threads "$threads" --kernels avx2) ;;
    torch-*)
        # shellcheck disable=SC2206 # options
        command=("${torch[@]}" --context "$3" ${choices[$key]})
        ;;
    llm.c) command=(env OMP_NUM_THREADS="$threads" "$work/llmc_step" "$layers" "$heads" "$width"
        "$vocabulary" "$3" 4) ;;
    esac
}
takes_part() { # NAME DTYPE
    case $1 in
    wetmill-1) [ "$threads" -gt 1 ] ;;
    wetmill-avx2) [ "$2" = f32 ] && flag avx2 && flag avx512f ;;
    llm.c) [ "$2" = f32 ] ;;
    esac
}

# ---- runs ----

declare -A steps=() # of a run, by name: as many as last --seconds

# run NAME ROUND: one run of a program, started if it is not there; a line into $raw
run() {
    local name=$1 round=$2 peak=0 bandwidth=0
    if [ -z "${pid[$name]-}" ]; then
        command_of "$name" "$model" "$context" "$dtype"
        { start "$name" "${command[@]}" && ask "$name" "1 0 0"; } || return 1
        ask "$name" "1 0 0" || return 1
        steps[$name]=$(awk -v s="$seconds" -v t="${answer%% *}" 'BEGIN {n = int(s / t); print n < 1 ? 1 : n}')
    fi
    [[ $name != wetmill* ]] || peak=$peak_seconds
    [ "$name" != wetmill ] || bandwidth=$peak_seconds
    ask "$name" "${steps[$name]} $peak $bandwidth" || return 1
    echo "$model $context $dtype $name $round ${steps[$name]} $((steps[$name] * 4 * context)) $answer" >>"$raw"
}

# compare: all programs on one model, context and dtype
compare() {
    local present=() name round keep=no
    for name in wetmill wetmill-1 wetmill-avx2 "${peers[@]}"; do
        takes_part "$name" "$dtype" || continue
        if run "$name" 1; then present+=("$name"); else
            echo "left out: $name at $model T$context $dtype: $(tail -n 1 "$work/$name.err")"
        fi
        stop "$name"
    done
    # together they may take 80 % of what memory is left
    if tail -n ${#present[@]} "$raw" | awk -v free="$(awk '/^MemAvailable/ {print $2 * 1024}' /proc/meminfo)" \
        '{sum += $11} END {exit !(sum < 0.8 * free)}'; then keep=yes; fi
    for ((round = 2; round <= rounds; round++)); do
        for name in "${present[@]}"; do
            run "$name" "$round" || echo "$name has failed in round $round: $(tail -n 1 "$work/$name.err")"
            [ $keep = yes ] || stop "$name"
        done
    done
    for name in "${present[@]}"; do stop "$name"; done
    report "${present[@]}"
}

# ---- reports ----

# column NAME N [DIVISOR]: median over the rounds of column N of its runs, or of N divided by DIVISOR
column() {
    awk -v key="$model $context $dtype $1 " -v n="$2" -v by="${3-}" \
        'index($0, key) == 1 {print by ? $n / $by : $n}' "$raw" | sort -g |
        awk '{v[NR] = $1} END {if (NR) printf "%.9g", v[int(NR / 2) + 1]}'
}
field() { sed -n "s/.*\b$2=\([^ ]*\).*/\1/p" <<<"${description[$1]}"; }
# share_of NAME SECONDS PEAK: these columns; each run in % of the peak beside it, and then the median
share_of() {
    awk -v key="$model $context $dtype $1 " -v f="$(field "$1" flops_per_token)" -v s="$2" -v p="$3" \
        'index($0, key) == 1 && $p > 0 {print 100 * f * $7 / $s / $p}' "$raw" | sort -g |
        awk '{v[NR] = $1} END {if (NR) printf "%.1f", v[int(NR / 2) + 1]}'
}
calculate() { awk "BEGIN {printf \"%.4g\", $1}" 2>/dev/null || true; }
declare -A result=()
# names of results: WHO/WHAT of this model, context and dtype
keep() { result["$model $context $dtype $1"]=$2; }

report() {
    local name speed cpu memory peak share cpu_share predicted
    printf '\n%s T%s %s: %s parameters, %s threads; medians of %s runs; load %s\n' "$model" "$context" \
        "$dtype" "$(field wetmill parameters)" "$threads" "$rounds" "$(cut -d' ' -f1 /proc/loadavg)"
    for name in "$@"; do [[ $name == wetmill* ]] || echo "  $name: ${description[$name]}"; done
    printf '  %-13s %10s %12s %9s %9s %7s %7s %9s %10s\n' who tokens/s per-CPU-s \
        GFLOP/s peak share by-CPU MiB predicted
    for name in "$@"; do
        speed=$(column "$name" 7 8) cpu=$(column "$name" 7 9) memory=$(column "$name" 11)
        peak='' share='' cpu_share='' predicted=''
        if [[ $name == wetmill* ]]; then
            peak=$(column "$name" 12)
            share=$(share_of "$name" 8 12) cpu_share=$(share_of "$name" 9 14)
            predicted=$(field "$name" predicted_bytes)
            keep "$name/share" "$share"
            keep "$name/predicted" "$(calculate "100 * ($predicted / $memory - 1)")"
        fi
        keep "$name/speed" "$speed"
        keep "$name/memory" "$memory"
        awk -v n="$name" -v s="$speed" -v c="$cpu" -v f="$(field wetmill flops_per_token)" -v p="$peak" \
            -v share="$share" -v by="$cpu_share" -v m="$memory" -v e="$predicted" 'BEGIN {
            printf "  %-13s %10.0f %12.0f %9.1f %9s %7s %7s %9.0f %10s\n", n, s, c, s * f / 1e9,
                p ? sprintf("%.1f", p / 1e9) : "", share, by, m / 1048576, e ? sprintf("%.0f", e / 1048576) : "" }'
    done
    printf '  memory is read at %.1f GB/s\n' "$(calculate "$(column wetmill 13) / 1e9")"
    ratios
}

# target WHAT VALUE RELATION LIMIT
target() {
    awk -v what="$1" -v v="$2" -v r="$3" -v l="$4" 'BEGIN {
        met = v == "" ? "not measured" : (r == ">=" ? v + 0 >= l : v + 0 <= l) ? "met" : "MISSED"
        printf "  target %-42s %8s %s %-5s %s\n", what, v, r, l, met }'
}
got() { echo "${result["$model $context $dtype $1"]-}"; }
over() { # WHAT OURS THEIRS
    local a b
    a=$(got "$2/$1") b=$(got "$3/$1")
    [ -z "$a" ] || [ -z "$b" ] || calculate "$a / $b"
}
# Targets are those of T256; elsewhere the same figures without a verdict.
ratios() {
    local tell=target share=75 memory=65 off
    [ "$context" = 256 ] || tell=plain
    [ "$dtype" = f32 ] || share=62 memory=70
    $tell "speed / torch-tuned" "$(over speed wetmill torch-tuned)" '>=' 1.35
    $tell "speed / torch-stock" "$(over speed wetmill torch-stock)" '>=' 1.35
    [ "$dtype" != f32 ] || $tell "speed / llm.c" "$(over speed wetmill llm.c)" '>=' 8
    $tell "% of the peak beside it" "$(got wetmill/share)" '>=' $share
    [ "$dtype" != f32 ] || $tell "AVX2: % of its peak beside it" "$(got wetmill-avx2/share)" '>=' 75
    $tell "speed / one thread" "$(over speed wetmill wetmill-1)" '>=' 1.8
    for off in torch-tuned torch-stock; do
        $tell "% of $off's memory" "$(percent "$(over memory wetmill $off)")" '<=' $memory
    done
    off=$(got wetmill/predicted)
    $tell "memory predicted, % off" "${off#-}" '<=' 5
}
plain() { [ -z "$2" ] || printf '  %-49s %8s\n' "$1" "$2"; }
percent() { [ -z "$1" ] || calculate "100 * $1"; }
wants() { [[ ,$parts, == *,$1,* ]]; }

if wants steps; then
    for model in ${models//,/ }; do
        for dtype in ${dtypes//,/ }; do
            for context in ${contexts//,/ }; do compare; done
        done
    done
fi
if wants gemm; then
    printf '\nmatrix products: forward (y), by input (dx), by weight (dW); %% of the peak by wall, by CPU time\n'
    "$bench/bench_gemm" best "$threads" "$rounds"
fi
if wants kernels; then
    printf '\nkernels, one thread\n'
    "$bench/bench_kernels"
fi
