# Sourced beside lib.sh: a model that has learnt to count, in ./model, with its shards in ./shards.
count_documents() { # HOW MANY
    local words=(zero one two three four five six seven eight nine) i k text
    for ((i = 0; i < $1; i++)); do
        text=
        for ((k = 0; k < 20 + i % 7; k++)); do text+=" ${words[(i * 7 + i / 10 * 3 + k) % 10]}"; done
        printf '{"text":"%s in %d"}\n' "$text" $i
    done
}

train_model() {
    count_documents 200 >docs.jsonl
    expect 0 . "$WETMILL" tokenizer train -o tok --vocabulary 300 docs.jsonl
    expect 0 . "$WETMILL" shards build -t tok -o shards --validation-share 0.2 docs.jsonl
    expect 0 . "$WETMILL" train shards -o model --layers 2 --heads 2 --width 32 --context 24 --batch 8 \
        --steps 200 --learning-rate 0.01 --warmup 20 --validate-every 0
}
