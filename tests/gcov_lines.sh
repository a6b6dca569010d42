# Sourced: gcov_lines ROOT OBJECT.gcno… prints "source line count function" for every line of our
# sources that code was made for. Counts are of OBJECT.gcda below ROOT (where GCOV_PREFIX puts them;
# "" = beside the object; none = nothing has run). A line of a file that several objects include
# counts once, with the highest of its counts.

gcov_lines() {
    local root=$1 work note in
    shift
    work=$(mktemp -d)
    for note in "$@"; do
        note=$(realpath "$note")
        in=$work/${note%/*}
        [ -d "$in" ] || mkdir -p "$in"
        ln -s "$note" "$in/"
        [ ! -f "$root${note%.gcno}.gcda" ] || ln -s "$root${note%.gcno}.gcda" "$in/"
        echo "$in ${note##*/}"
    done >"$work/list"
    # Files of one name in different folders would write over each other: a run for each folder.
    while read -r in; do
        (cd "$in" && awk -v dir="$in" '$1 == dir { sub(/gcno$/, "gcda", $2); print $2 }' "$work/list" |
            xargs llvm-cov gcov -i >/dev/null 2>&1)
    done < <(cut -d ' ' -f 1 "$work/list" | sort -u)
    # Functions stand before the lines of a file, both by rising line.
    find "$work" -name '*.gcov' -exec cat {} + | awk -v top="$(pwd -P)/" '
        sub(/^file:/, "") {
            inside = index($0, top) == 1
            if (inside) $0 = substr($0, length(top) + 1)
            while (sub(/^\.\.\//, "")) inside = 1 # ccache may have made it relative to the build
            file = inside ? $0 : ""
            n = 0
            next
        }
        sub(/^function:/, "") { split($0, at, ","); start[++n] = at[1] + 0; name[n] = at[3]; f = 1; next }
        sub(/^lcount:/, "") && file != "" && file !~ /^tests\// {
            split($0, at, ",")
            while (f < n && start[f + 1] <= at[1] + 0) f++
            key = file " " at[1]
            if (!(key in count) || at[2] + 0 > count[key]) count[key] = at[2] + 0
            owner[key] = name[f]
        }
        END { for (key in count) print key, count[key], owner[key] }'
    rm -rf "$work"
}
